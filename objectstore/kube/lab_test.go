//go:build lab

package kube_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/internal/laboratory/joined"
	"github.com/georedkit/georedkit/internal/laboratory/labtest"
	"github.com/georedkit/georedkit/objectstore"
	objectkube "github.com/georedkit/georedkit/objectstore/kube"
	"github.com/georedkit/georedkit/objectstore/s3"
)

var lab = joined.Shared{Shared: labtest.Shared{Sites: 2, Stores: []string{"minio"}}}

func TestMain(m *testing.M) { lab.Main(m) }

const (
	namespace = "ice-minio"
	bucket    = "files"
	user      = "icet"
)

var password = sync.OnceValue(rand.Text)

// rig is MinIO with a mirror each way, in both sites, over TLS alone.
type rig struct {
	*joined.Sites
	t       *testing.T
	stores  map[geored.SiteName]*s3.Client
	mirrors objectkube.Mirrors
}

var install sync.Once

func up(t *testing.T) *rig {
	r := &rig{Sites: lab.Up(t), t: t, stores: map[geored.SiteName]*s3.Client{}, mirrors: objectkube.Mirrors{Namespace: namespace, Deployment: "minio-mirror"}}
	install.Do(func() {
		began := time.Now()
		r.Install("ice-minio", func(site geored.SiteName) map[string]any {
			return map[string]any{"lab": map[string]any{"user": user, "password": password(), "tls": trust().issue(site)},
				"multidatacenter": map[string]any{"enabled": true, "currentDC": string(site), "remoteDC": string(r.other(site))}}
		})
		t.Logf("MinIO and its mirrors: %s", time.Since(began).Round(100*time.Millisecond))
	})
	for _, name := range r.Names {
		c := r.Clusters[name]
		r.mirrors.Clusters = append(r.mirrors.Clusters, c)
		r.stores[name] = r.client(name, "https", trust().roots())
	}
	return r
}

func (r *rig) client(site geored.SiteName, scheme string, roots *x509.CertPool) *s3.Client {
	r.t.Helper()
	client, err := s3.New(s3.Config{Site: site, URL: fmt.Sprintf("%s://minio-%s.%s.svc:9000", scheme, site, namespace), AccessKey: user, SecretKey: s3.NewSecret(password()), Attempts: 3,
		Transport: &http.Transport{DialContext: r.Clusters[site].Dial, MaxIdleConnsPerHost: 8, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}})
	must(r.t, err)
	return client
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (r *rig) other(site geored.SiteName) geored.SiteName {
	if site == r.Names[0] {
		return r.Names[1]
	}
	return r.Names[0]
}

func (r *rig) put(site geored.SiteName, key, content string) {
	r.t.Helper()
	must(r.t, r.stores[site].Put(r.t.Context(), objectstore.Ref{Bucket: bucket, Key: key}, int64(len(content)), objectstore.Metadata{}, bytes.NewReader([]byte(content))))
}

// differences by key, in few words. Canaries are left out: two mirrors may pass a deleted one to each other again.
func (r *rig) compare() (map[string]string, []objectstore.Difference) {
	r.t.Helper()
	var mu sync.Mutex
	var all []objectstore.Difference
	c := objectstore.Comparer{Buckets: []string{bucket}, Effort: objectstore.Bytes, Found: func(d objectstore.Difference) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, d)
	}}
	for _, name := range r.Names {
		c.Sites = append(c.Sites, objectstore.Site{Name: name, Store: r.stores[name]})
	}
	_, err := c.Compare(r.t.Context())
	must(r.t, err)
	all = slices.DeleteFunc(all, func(d objectstore.Difference) bool { return strings.HasPrefix(d.Key, "georedkit-canary/") })
	found := map[string]string{}
	for _, d := range all {
		found[d.Key] = fmt.Sprintf("%s at %s", d.Kind, d.To)
		if d.Kind != objectstore.Missing {
			found[d.Key] = string(d.Kind)
		}
	}
	return found, all
}

func (r *rig) canary(patience time.Duration) map[string]geored.Verdict {
	r.t.Helper()
	c := objectstore.Canary{Bucket: bucket, Patience: patience}
	for _, name := range r.Names {
		c.Sites = append(c.Sites, objectstore.CanarySite{Name: name, Store: r.stores[name]})
	}
	return r.verdicts(c.Check())
}

func (r *rig) verdicts(check geored.Check) map[string]geored.Verdict {
	r.t.Helper()
	report, err := geored.Prove(r.t.Context(), geored.CheckConfig{Budget: 3 * time.Minute}, check)
	must(r.t, err)
	all := map[string]geored.Verdict{}
	for _, f := range report.Findings {
		all[geored.Target{Site: f.Site, To: f.To}.String()] = f.Verdict
		r.t.Logf("%s %s%s: %s: %s", f.Check, f.Site, f.To, f.Verdict, f.Message)
	}
	return all
}

func all(verdicts map[string]geored.Verdict, want ...geored.Verdict) bool {
	for _, v := range verdicts {
		if !slices.Contains(want, v) {
			return false
		}
	}
	return len(verdicts) > 0
}

func (r *rig) mirroring() {
	r.t.Helper()
	r.Await("the mirrors copy", func() (string, bool) {
		v := r.canary(10 * time.Second)
		return fmt.Sprint(v), all(v, geored.Pass)
	})
}

// What is written on both sides while the link is cut: the comparison names all of it, the reset brings what a mirror can,
// the catch-up what rules can, and what is left is named.
func TestMirrorsThroughACut(t *testing.T) {
	r := up(t)
	r.mirroring()
	a, b := r.Names[0], r.Names[1]
	for _, key := range []string{"before/kept", "before/deleted", "before/changed"} {
		r.put(a, key, "written before the cut")
	}
	r.Await("what was written before is at both sites", func() (string, bool) {
		found, _ := r.compare()
		return fmt.Sprint(found), len(found) == 0
	})

	r.Fault("cut", string(a), string(b))
	if v := r.canary(5 * time.Second); !all(v, geored.Fail) {
		t.Fatalf("the cut does not bite: %v", v)
	}
	want := map[string]string{}
	write := func(site geored.SiteName, key string) {
		r.put(site, key, "written at "+string(site))
		want[key] = fmt.Sprintf("missing at %s", r.other(site))
	}
	for i := range 12 {
		write(a, fmt.Sprintf("new/%s-%02d", a, i))
		write(b, fmt.Sprintf("new/%s-%02d", b, i))
	}
	both := func(key, atA, atB string, kind objectstore.Kind) {
		r.put(a, key, atA)
		r.put(b, key, atB)
		want[key] = string(kind)
	}
	both("conflict/size", "short", "much longer", objectstore.Size)
	both("conflict/content", "same size A", "same size B", objectstore.Content)
	r.put(b, "before/changed", "changed meanwhile")
	want["before/changed"] = string(objectstore.Size)
	must(t, r.stores[a].Delete(t.Context(), objectstore.Ref{Bucket: bucket, Key: "before/deleted"}))
	want["before/deleted"] = fmt.Sprintf("missing at %s", a)
	found, differences := r.compare()
	if !maps.Equal(found, want) {
		t.Errorf("during the cut: %v\nwant %v", found, want)
	}
	// What looks at the pods alone sees nothing of it.
	if v := r.verdicts(r.mirrors.Check()); !all(v, geored.Pass, geored.Warn) {
		t.Errorf("the mirrors do not run: %v", v)
	}

	r.Mend()
	r.catchUp(differences)
	before := map[geored.SiteName]string{}
	for _, name := range r.Names {
		m, err := r.mirrors.Read(t.Context(), name)
		must(t, err)
		before[name] = m.Pods[0].Name
	}
	began := time.Now()
	r.Run(objectstore.ResetWatchMirrors(r.mirrors, t.Name(), r.Names...)...)
	t.Logf("mirrors restarted, one after the other: %s", time.Since(began).Round(100*time.Millisecond))
	for _, name := range r.Names {
		m, err := r.mirrors.Read(t.Context(), name)
		must(t, err)
		if len(m.Pods) != 1 || m.Pods[0].Name == before[name] || m.Pods[0].Mark != t.Name() {
			t.Errorf("%s: pods %+v, before the restart %s", name, m.Pods, before[name])
		}
	}
	r.mirroring()
	r.Await("the mirrors brought what they can", func() (string, bool) {
		found, _ := r.compare()
		return fmt.Sprint(found), len(found) == 0
	})
	// Equal again, at a price that only the comparison before the reset could name.
	for _, key := range []string{"conflict/size", "conflict/content", "before/changed"} {
		if atA, atB := r.get(a, key), r.get(b, key); atA != atB {
			t.Errorf("%s: %q and %q", key, atA, atB)
		} else {
			t.Logf("%s: %q won", key, atA)
		}
	}
	// Whether a deletion was still under way when the link came back, or was lost and undone, is a matter of seconds.
	_, err := r.stores[a].Open(t.Context(), objectstore.Ref{Bucket: bucket, Key: "before/deleted"})
	t.Logf("what was deleted during the cut: came back: %t", err == nil)
}

// catchUp carries over what only one site has, before a mirror touches it, and asserts that the rest is named.
func (r *rig) catchUp(differences []objectstore.Difference) {
	r.t.Helper()
	a, b := r.Names[0], r.Names[1]
	plan, err := objectstore.PlanCatchUp(differences, objectstore.CatchUpRules{From: a, To: b})
	must(r.t, err)
	conflicts := 0
	for _, l := range plan.Left {
		if strings.HasPrefix(l.Reason, "conflict: both sites have a version") {
			conflicts++
		}
	}
	if len(plan.Transfers) != 12 || len(plan.Left) != 16 || conflicts != 3 {
		r.t.Errorf("%d transfers, %d left, %d of them conflicts: %+v", len(plan.Transfers), len(plan.Left), conflicts, plan.Left)
	}
	_, err = plan.Run(r.t.Context(), objectstore.TransferConfig{Source: r.stores[a], Target: r.stores[b]})
	must(r.t, err)
	found, _ := r.compare()
	for _, moved := range plan.Transfers {
		if found[moved.Key] != "" {
			r.t.Errorf("%s: %s after the catch-up", moved.Key, found[moved.Key])
		}
	}
	r.t.Logf("after the mend and a catch-up one way, before the reset: %d differences", len(found))
}

func (r *rig) get(site geored.SiteName, key string) string {
	r.t.Helper()
	content, err := r.stores[site].Open(r.t.Context(), objectstore.Ref{Bucket: bucket, Key: key})
	must(r.t, err)
	defer content.Close()
	text, err := io.ReadAll(content)
	must(r.t, err)
	return string(text)
}

// A restart that was done is not done again, one of a mirror that somebody stopped is refused, and the check sees both.
func TestAMirrorThatIsStopped(t *testing.T) {
	r := up(t)
	site := r.Names[0]
	deployments := r.Clusters[site].Client().AppsV1().Deployments(namespace)
	scale := func(replicas int32) {
		t.Helper()
		ctx := context.WithoutCancel(t.Context())
		s, err := deployments.GetScale(ctx, "minio-mirror", metav1.GetOptions{})
		must(t, err)
		s.Spec.Replicas = replicas
		_, err = deployments.UpdateScale(ctx, "minio-mirror", s, metav1.UpdateOptions{})
		must(t, err)
	}
	scale(0)
	t.Cleanup(func() { scale(1) })
	r.Await("the pod is gone", func() (string, bool) {
		m, err := r.mirrors.Read(t.Context(), site)
		must(t, err)
		return fmt.Sprintf("%+v", m), len(m.Pods) == 0
	})
	if v := r.verdicts(r.mirrors.Check()); v[string(site)] != geored.Fail {
		t.Errorf("a mirror without pods: %v", v)
	}
	if err := r.mirrors.Restart(t.Context(), site, "again"); err == nil {
		t.Error("a mirror that somebody stopped was restarted")
	}
	if state, err := r.mirrors.Running(t.Context(), site, "again"); err != nil || state.Done {
		t.Errorf("it is said to run: %+v, %v", state, err)
	}
	must(t, r.mirrors.Start(t.Context(), site)) // somebody else stopped it
	if state, err := r.mirrors.Stopped(t.Context(), site); err != nil || !state.Done {
		t.Errorf("it was started: %+v, %v", state, err)
	}
}

// A mirror is stopped, and started with as many pods as it had; both can be done twice.
func TestStopAndStart(t *testing.T) {
	r := up(t)
	site := r.Names[0]
	for range 2 {
		must(t, r.mirrors.Stop(t.Context(), site))
		r.Await("no pod is left", func() (string, bool) {
			state, err := r.mirrors.Stopped(t.Context(), site)
			return fmt.Sprint(state, err), state.Done
		})
	}
	for range 2 {
		must(t, r.mirrors.Start(t.Context(), site))
		r.Await("a pod mirrors", func() (string, bool) {
			m, err := r.mirrors.Read(t.Context(), site)
			return fmt.Sprintf("%+v, %v", m, err), len(m.Pods) == 1 && m.Pods[0].Mirrors && m.Wanted == 1
		})
		if state, err := r.mirrors.Stopped(t.Context(), site); err != nil || state.Done {
			t.Errorf("it is said to be stopped: %+v, %v", state, err)
		}
	}
}
