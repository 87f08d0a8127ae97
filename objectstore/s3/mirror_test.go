//go:build lab

package s3_test

import (
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/objectstore"
	"github.com/georedkit/georedkit/objectstore/objecttest"
)

// mc runs the client with both sites as dc1 and dc2; urls may lead through relays.
func (s stores) mc(t *testing.T, home string, urls [2]string, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.Command(filepath.Join(s.Bin, "mc"), append([]string{"--config-dir", home, "--json"}, args...)...)
	c.Env = os.Environ()
	for i, site := range s.Sites {
		c.Env = append(c.Env, "MC_HOST_"+string(site.Name)+"="+withKeys(t, site, urls[i]))
	}
	return c
}

func withKeys(t *testing.T, site store, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	access, secret := site.keys(t)
	u.User = url.UserPassword(access, secret)
	return u.String()
}

func canary(t *testing.T, s stores, patience time.Duration) objectstore.Canary {
	t.Helper()
	c := objectstore.Canary{Bucket: "files", Patience: patience}
	for _, site := range s.Sites {
		c.Sites = append(c.Sites, objectstore.CanarySite{Name: site.Name, Store: site.client(t, nil)})
	}
	return c
}

// verdicts runs the canary until it says what is wanted: a mirror takes a moment to start.
func verdicts(t *testing.T, c objectstore.Canary, want map[string]geored.Verdict, tries int) {
	t.Helper()
	for try := 1; ; try++ {
		report, err := geored.Prove(t.Context(), geored.CheckConfig{Budget: 3 * time.Minute}, c.Check())
		if err != nil {
			t.Fatal(err)
		}
		got, wrong := map[string]geored.Verdict{}, false
		for _, f := range report.Findings {
			way := string(f.Site) + " -> " + string(f.To)
			got[way] = f.Verdict
			wrong = wrong || want[way] != f.Verdict
		}
		if !wrong && len(got) == len(want) {
			t.Logf("%v: %s", got, report.Findings[0].Message)
			return
		}
		if try == tries {
			t.Fatalf("the canary says %v, want %v: %+v", got, want, report.Findings)
		}
	}
}

var (
	bothWork  = map[string]geored.Verdict{"dc1 -> dc2": geored.Pass, "dc2 -> dc1": geored.Pass}
	firstDead = map[string]geored.Verdict{"dc1 -> dc2": geored.Fail, "dc2 -> dc1": geored.Pass}
)

// TestWatchMirror: two mirrors, one each way; one is alive but deaf, then dead.
func TestWatchMirror(t *testing.T) {
	s := start(t)
	home := t.TempDir()
	urls := [2]string{s.Sites[0].URL, s.Sites[1].URL}
	for _, site := range s.Sites {
		site.makeBucket(t, "files", objectstore.Unversioned)
	}
	run := func(from, to string) *exec.Cmd {
		c := s.mc(t, home, urls, "mirror", "--watch", from+"/files", to+"/files")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = c.Process.Kill() // it may be dead already
			_ = c.Wait()
		})
		return c
	}
	there, _ := run("dc1", "dc2"), run("dc2", "dc1")
	verdicts(t, canary(t, s, 20*time.Second), bothWork, 5)
	signal := func(sig syscall.Signal) {
		if err := there.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
	}
	signal(syscall.SIGSTOP)
	verdicts(t, canary(t, s, 8*time.Second), firstDead, 1)
	signal(syscall.SIGCONT)
	verdicts(t, canary(t, s, 20*time.Second), bothWork, 5)
	signal(syscall.SIGKILL)
	verdicts(t, canary(t, s, 8*time.Second), firstDead, 1)
	run("dc1", "dc2")
	verdicts(t, canary(t, s, 20*time.Second), bothWork, 5)
}

// TestMirrorThatIsDeaf: servers that send no events, and a mirror each way that runs, copies what is there when it starts,
// and nothing after it. Both processes are alive; the canary finds it. A restart brings what was missed, once.
func TestMirrorThatIsDeaf(t *testing.T) {
	s := start(t, "-server", "minio-deaf")
	home := t.TempDir()
	urls := [2]string{s.Sites[0].URL, s.Sites[1].URL}
	for _, site := range s.Sites {
		site.makeBucket(t, "files", objectstore.Unversioned)
	}
	fill(t, s.Sites[:1], "files", 20, 1)
	missing := func() int64 {
		t.Helper()
		result, err := objectstore.Comparer{Sites: []objectstore.Site{{Name: "dc1", Store: s.Sites[0].client(t, nil)}, {Name: "dc2", Store: s.Sites[1].client(t, nil)}},
			Buckets: []string{"files"}, Prefix: "p000/"}.Compare(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return result.Buckets[0].Pairs[0].Different
	}
	until := func(what string, is func() bool) {
		t.Helper()
		for began := time.Now(); !is(); time.Sleep(200 * time.Millisecond) {
			if time.Since(began) > time.Minute {
				t.Fatalf("not so after a minute: %s", what)
			}
		}
	}
	run := func(from, to string) (alive func() bool, stop func()) {
		c := s.mc(t, home, urls, "mirror", "--watch", from+"/files", to+"/files")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = c.Wait() // it is killed in the end
		}()
		stop = func() {
			_ = c.Process.Kill() // it may be dead already
			<-ended
		}
		t.Cleanup(stop)
		return func() bool {
			select {
			case <-ended:
				return false
			default:
				return true
			}
		}, stop
	}
	there, stop := run("dc1", "dc2")
	back, _ := run("dc2", "dc1")
	until("the mirror copies what it finds when it starts", func() bool { return missing() == 0 })
	nothing := map[string]geored.Verdict{"dc1 -> dc2": geored.Fail, "dc2 -> dc1": geored.Fail}
	verdicts(t, canary(t, s, 8*time.Second), nothing, 1)
	if !there() || !back() {
		t.Fatal("a mirror is dead: that is another fault")
	}
	fill(t, s.Sites[:1], "files", 40, 1)
	if n := missing(); n != 20 {
		t.Errorf("%d objects are missing, want the 20 that were written since", n)
	}
	stop()
	run("dc1", "dc2")
	until("a restart brings what was missed", func() bool { return missing() == 0 })
	verdicts(t, canary(t, s, 8*time.Second), nothing, 1)
}

// TestBucketReplication: the link is cut while the server goes on saying that all is well; after the mend a reset, and
// the comparison that proves what the reset's "Completed" does not.
func TestBucketReplication(t *testing.T) {
	s := start(t)
	home := t.TempDir()
	relay := objecttest.NewRelay(t, s.Sites[1].URL)
	for _, site := range s.Sites {
		site.makeBucket(t, "files", objectstore.Versioned)
	}
	urls := [2]string{s.Sites[0].URL, s.Sites[1].URL}
	for i, remote := range []string{withKeys(t, s.Sites[1], relay.URL), withKeys(t, s.Sites[0], s.Sites[0].URL)} {
		c := s.mc(t, home, urls, "replicate", "add", "--remote-bucket", remote+"/files", "--replicate", "delete,delete-marker,existing-objects", string(s.Sites[i].Name)+"/files")
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("mc replicate add: %v", strings.ReplaceAll(string(out), remote, "REMOTE"))
		}
	}
	a := s.Sites[0].client(t, nil)
	targets, err := a.Replication(t.Context(), "files")
	if err != nil || len(targets) != 1 || !targets[0].Deletes || !targets[0].Existing {
		t.Fatalf("replication of dc1: %+v, %v", targets, err)
	}
	verdicts(t, canary(t, s, 20*time.Second), bothWork, 5)
	said := func() geored.Finding {
		return objectstore.ReplicationCheck("files", objectstore.ReplicatingSite{Name: "dc1", Store: a}).Run(t.Context())[0]
	}
	if f := said(); f.Verdict != geored.Pass {
		t.Errorf("while it works: %+v", f)
	}

	relay.CutAfter(0)
	relay.Cut()
	verdicts(t, canary(t, s, 8*time.Second), firstDead, 1)
	if relay.Cuts() == 0 {
		t.Error("nothing was cut")
	}
	modest := func() { // the server may be fooled: then the check claims no more than the server can know
		t.Helper()
		f := said()
		t.Logf("while the link is cut: %s %s %v", f.Verdict, f.Message, f.Evidence)
		if f.Verdict != geored.Warn && (f.Verdict != geored.Pass || !strings.Contains(f.Message, "whether objects arrive is for a canary to say")) {
			t.Errorf("%+v", f)
		}
	}
	modest()
	fill(t, s.Sites[:1], "files", 20, 1)
	compare := func() objectstore.Comparison {
		result, err := objectstore.Comparer{Sites: []objectstore.Site{{Name: "dc1", Store: a}, {Name: "dc2", Store: s.Sites[1].client(t, nil)}},
			Buckets: []string{"files"}, Prefix: "p000/"}.Compare(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	if result := compare(); result.Verdict() != geored.Fail || result.Buckets[0].Pairs[0].Different != 20 {
		t.Errorf("while the link is cut: %v", result.Buckets)
	}
	modest() // by now the objects differ
	relay.Mend()
	id, err := a.ResetReplication(t.Context(), "files", targets[0].Target, 0)
	if err != nil {
		t.Fatal(err)
	}
	status, err := objectstore.AwaitReset(t.Context(), a, "files", targets[0].Target, id, geored.SystemClock())
	if err != nil {
		t.Fatalf("%+v, %v", status, err)
	}
	t.Logf("reset: %+v", status)
	for range 60 {
		if compare().Verdict() == geored.Pass {
			return
		}
		time.Sleep(time.Second)
	}
	t.Errorf("after the reset: %v", compare().Buckets)
}

// TestResetOlderThan: an age in whole days is taken by a real server, which reads durations in a way of its own.
func TestResetOfBucketWithoutReplication(t *testing.T) {
	s := start(t, "-sites", "1")
	s.Sites[0].makeBucket(t, "files", objectstore.Versioned)
	a := s.Sites[0].client(t, nil)
	if targets, err := a.Replication(t.Context(), "files"); err != nil || len(targets) != 0 {
		t.Errorf("%+v, %v", targets, err)
	}
	if _, err := a.ResetReplication(t.Context(), "files", "arn:none", 10); err == nil {
		t.Error("a bucket without replication was reset")
	}
	if _, err := a.Replication(t.Context(), "nothing"); !errors.Is(err, objectstore.ErrNoBucket) {
		t.Errorf("no such bucket: %v", err)
	}
}

// TestSiteReplication: a group of two servers; the link is cut while the status says what it says, and mended.
func TestSiteReplication(t *testing.T) {
	s := start(t)
	relay := objecttest.NewRelay(t, s.Sites[1].URL)
	a, b := s.Sites[0].client(t, nil), s.Sites[1].client(t, nil)
	check := objectstore.SiteReplicationCheck(objectstore.ReplicatedSite{Name: "dc1", Store: a}, objectstore.ReplicatedSite{Name: "dc2", Store: b})
	said := func(want ...geored.Verdict) []geored.Finding {
		t.Helper()
		found := check.Run(t.Context())
		if len(found) != 2 {
			t.Errorf("%d findings", len(found))
		}
		for _, f := range found {
			t.Logf("%s %s %s %v %v", f.Site, f.Verdict, f.Message, f.Evidence, f.Unanswered)
			if !slices.Contains(want, f.Verdict) {
				t.Errorf("%s is %s, want %v", f.Site, f.Verdict, want)
			}
		}
		return found
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) { // servers that start tell of no group yet
		_, errA := a.SiteReplication(t.Context())
		_, errB := b.SiteReplication(t.Context())
		if !geored.IsRetriable(errA) && !geored.IsRetriable(errB) {
			break
		}
	}
	said(geored.Fail) // there is no group
	c := s.mc(t, t.TempDir(), [2]string{s.Sites[0].URL, relay.URL}, "admin", "replicate", "add", "dc1", "dc2")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("mc admin replicate add: %v", err.Error()+strings.ReplaceAll(string(out), withKeys(t, s.Sites[1], relay.URL), "REMOTE"))
	}
	s.Sites[0].makeBucket(t, "files", objectstore.Versioned)
	verdicts(t, canary(t, s, 20*time.Second), bothWork, 5)
	said(geored.Pass)
	relay.CutAfter(0)
	relay.Cut()
	verdicts(t, canary(t, s, 8*time.Second), firstDead, 1)
	if relay.Cuts() == 0 {
		t.Error("nothing was cut")
	}
	// A server may be fooled or know of the cut. It then claims no more than it can know, and blames the way alone.
	for _, f := range said(geored.Pass, geored.Warn, geored.Fail, geored.Unknown) {
		evidence := strings.Join(f.Evidence, " ")
		switch {
		case f.Verdict == geored.Fail && !strings.Contains(evidence, "offline"),
			f.Verdict == geored.Unknown && len(f.Unanswered) == 0 && !strings.Contains(evidence, "did not tell"),
			(f.Verdict == geored.Pass || f.Verdict == geored.Warn) && !strings.Contains(f.Message, "does not tell whether others arrive"):
			t.Errorf("%+v", f)
		}
	}
	relay.Mend()
	verdicts(t, canary(t, s, 20*time.Second), bothWork, 5)
}
