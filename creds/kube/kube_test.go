package kube_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/georedkit/georedkit/creds"
	"github.com/georedkit/georedkit/creds/credstest"
	credskube "github.com/georedkit/georedkit/creds/kube"
	"github.com/georedkit/georedkit/creds/serving"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/geored/probe"
)

var (
	began   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	coredns = creds.Account{Namespace: "kube-system", Name: "coredns"}
)

// fastClock runs a thousand times as fast as ours, because what it times goes over real connections.
type fastClock struct {
	started time.Time
	ahead   atomic.Int64
}

const fast = 1000

func (c *fastClock) Now() time.Time {
	return began.Add(time.Since(c.started)*fast + time.Duration(c.ahead.Load()))
}

func (c *fastClock) Sleep(ctx context.Context, d time.Duration) error {
	return geored.SystemClock().Sleep(ctx, d/fast)
}

func (c *fastClock) Advance(d time.Duration) { c.ahead.Add(int64(d)) }

// impatient makes steps that cannot succeed fail sooner.
func (w *world) impatient() { w.patience = 100 * time.Minute }

// world is sites whose CoreDNS reads every other site, dc1 first. Each has two API servers.
type world struct {
	*testing.T
	clock     *fastClock
	patience  time.Duration // for each step; by the clock
	clusters  map[geored.SiteName]*credstest.Cluster
	sources   map[geored.SiteName]credskube.Source
	receivers map[geored.SiteName]credskube.Receiver
	grants    []creds.Grant
	secrets   []string // what must not come out
	events    []geored.Event
	journal   *geored.MemoryJournal
	answers   atomic.Pointer[geotest.Recorded] // nil: everybody answers
}

func newWorld(t *testing.T, sites int) *world {
	t.Helper()
	w := &world{T: t, journal: &geored.MemoryJournal{}, clock: &fastClock{started: time.Now()}, patience: 6 * time.Hour, clusters: map[geored.SiteName]*credstest.Cluster{},
		sources: map[geored.SiteName]credskube.Source{}, receivers: map[geored.SiteName]credskube.Receiver{}}
	var names []geored.SiteName
	for i := range sites {
		names = append(names, geored.SiteName(fmt.Sprintf("dc%d", i+1)))
	}
	var consumers []creds.Consumer
	for _, site := range names {
		c := credstest.New(t, credstest.Options{Site: site, Instances: 2, Clock: w.clock})
		c.Account(coredns)
		c.Deployment("kube-system", "coredns")
		cluster, err := kube.New(site, &rest.Config{Host: c.URL(), BearerToken: c.Admin.Reveal(), Dial: c.Dial, TLSClientConfig: rest.TLSClientConfig{CAData: c.Authority.PEM()},
			ContentConfig: rest.ContentConfig{ContentType: "application/json"}, WrapTransport: w.recorded(site)})
		if err != nil {
			t.Fatal(err)
		}
		w.clusters[site] = c
		w.sources[site] = credskube.Source{Cluster: cluster, Account: coredns, Role: credskube.DNSRole(), Server: c.URL(), Clock: w.clock, Dial: w.silent(site, c.Dial)}
		w.receivers[site] = credskube.Receiver{Cluster: cluster, Probe: probe.Local(serving.Questions(w.dial))}
		w.secrets = append(w.secrets, c.Admin.Reveal(), c.Issuer.Key)
		others := slices.DeleteFunc(slices.Clone(names), func(other geored.SiteName) bool { return other == site })
		consumers = append(consumers, creds.Consumer{Name: "coredns", Site: site, Namespace: "kube-system", Workload: "deployment/coredns", Reading: creds.ReadsOnce, Sources: others, Account: coredns})
	}
	var err error
	if w.grants, err = creds.Plan(consumers); err != nil {
		t.Fatal(err)
	}
	return w
}

// dial reaches every cluster by its name.
func (w *world) dial(ctx context.Context, network, address string) (net.Conn, error) {
	for site, c := range w.clusters {
		if strings.HasPrefix(address, c.Host+":") {
			return w.silent(site, c.Dial)(ctx, network, address)
		}
	}
	return nil, fmt.Errorf("connect to %s: no route to host", address)
}

// rotation brings what reads a site to a generation.
func (w *world) rotation(site geored.SiteName, generation int) credskube.Rotation {
	r := credskube.Rotation{Rotation: creds.Rotation{Source: site, Account: coredns, Generation: generation}, From: w.sources[site], Receivers: w.receivers}
	for _, g := range w.grants {
		if g.Source == site {
			r.Grants = append(r.Grants, g)
		}
	}
	return r
}

// run carries stages out; what became of each step is in the lines.
func (w *world) run(stages []geored.Stage) (string, error) {
	w.Helper()
	result, err := geored.Runbook{Name: "test", Stages: stages}.Run(w.Context(), geored.RunConfig{Clock: w.clock, Journal: w.journal, StepTimeout: w.patience, Poll: 20 * time.Second,
		Observer: func(e geored.Event) { w.events = append(w.events, e) }})
	var lines []string
	for _, o := range result.Outcomes {
		lines = append(lines, fmt.Sprintf("%s %s: %s", o.ID, o.Status, o.Detail))
	}
	w.hides(fmt.Sprintf("%+v %v %s", result, err, strings.Join(lines, "\n")))
	return strings.Join(lines, "\n"), err
}

func (w *world) rotate(site geored.SiteName, generation int) (string, error) {
	w.Helper()
	stages, err := w.rotation(site, generation).Stages()
	if err != nil {
		w.Fatal(err)
	}
	return w.run(stages)
}

// install brings every site to generation 1.
func (w *world) install() {
	w.Helper()
	for site := range w.sources {
		if text, err := w.rotate(site, 1); err != nil {
			w.Fatalf("%v\n%s", err, text)
		}
	}
}

func (w *world) proof() credskube.Proof {
	p := credskube.Proof{Grants: w.grants, Receivers: w.receivers}
	for _, s := range w.sources {
		p.Sources = append(p.Sources, s)
	}
	return p
}

func (w *world) prove() geored.Report {
	w.Helper()
	report, err := geored.Prove(w.Context(), geored.CheckConfig{}, w.proof().Checks()...)
	if err != nil {
		w.Fatal(err)
	}
	text, err := json.Marshal(report)
	if err != nil {
		w.Fatal(err)
	}
	w.hides(string(text))
	return report
}

// verdict joins what a check found.
func verdict(r geored.Report, check geored.CheckID) geored.Verdict {
	var all []geored.Verdict
	for _, f := range r.Findings {
		if f.Check == check {
			all = append(all, f.Verdict)
		}
	}
	return geored.Join(all...)
}

func (w *world) token(site geored.SiteName, generation int) creds.Token {
	w.Helper()
	secret, err := w.sources[site].Cluster.Client().CoreV1().Secrets("kube-system").Get(w.Context(), fmt.Sprintf("coredns-token-%d", generation), metav1.GetOptions{})
	if err != nil {
		w.Fatal(err)
	}
	token, err := creds.ParseToken(string(secret.Data["token"]))
	if err != nil {
		w.Fatal(err)
	}
	w.secrets = append(w.secrets, token.Reveal())
	return token
}

// hides fails when a text holds anything secret.
func (w *world) hides(text string) {
	w.Helper()
	for _, planted := range w.secrets {
		if strings.Contains(text, planted) {
			w.Errorf("a secret came out in:\n%s", text)
		}
	}
	if strings.Contains(text, "eyJ") {
		w.Errorf("a token came out in:\n%s", text)
	}
}

// receptions say what each API server of a site makes of a token.
func (w *world) receptions(site geored.SiteName, token creds.Token) string {
	w.Helper()
	answers, err := w.sources[site].Receive(w.Context(), token)
	if err != nil {
		w.Fatal(err)
	}
	text := ""
	for _, r := range answers.All() {
		text += fmt.Sprintf("%v ", r.Accepted)
	}
	return text + fmt.Sprintf("silent %d", len(answers.Unanswered()))
}

func TestInstallAndProve(t *testing.T) {
	for _, sites := range []int{2, 3, 5} {
		w := newWorld(t, sites)
		w.install()
		if r := w.prove(); r.Verdict() != geored.Pass || len(r.Findings) != 3*sites*(sites-1)+sites {
			t.Errorf("%d sites: %s %d findings %+v", sites, r.Verdict(), len(r.Findings), r.Findings)
		}
		text, err := w.rotate("dc1", 1)
		if err != nil || strings.Contains(text, " changed: ") {
			t.Errorf("again: %v\n%s", err, text)
		}
		account, err := w.sources["dc1"].Cluster.Client().CoreV1().ServiceAccounts("kube-system").Get(t.Context(), "coredns", metav1.GetOptions{})
		if err != nil || len(account.Secrets) != 0 {
			t.Errorf("the token was made to look generated: %v %v", account.Secrets, err)
		}
	}
}

// At every boundary between phases the token that a consumer has read works.
func TestRotationLeavesNoGap(t *testing.T) {
	w := newWorld(t, 3)
	w.install()
	old := w.token("dc1", 1)
	stages, err := w.rotation("dc1", 2).Stages()
	if err != nil {
		t.Fatal(err)
	}
	for i, phase := range creds.Phases() {
		if text, err := w.run(stages[:i+1]); err != nil {
			t.Fatalf("%s: %v\n%s", phase, err, text)
		}
		want := "true true silent 0"
		if phase == creds.Refuse || phase == creds.Discard {
			want = "false false silent 0"
		}
		if got := w.receptions("dc1", old); got != want {
			t.Errorf("after %s the old token: %s, want %s", phase, got, want)
		}
		if got := w.receptions("dc1", w.token("dc1", 2)); got != "true true silent 0" {
			t.Errorf("after %s the new token: %s", phase, got)
		}
	}
	if r := w.prove(); r.Verdict() != geored.Pass {
		t.Error(r)
	}
	if text, err := w.rotate("dc1", 1); err == nil || !strings.Contains(err.Error(), "generation 2 is there already") {
		t.Errorf("back to an older one: %v\n%s", err, text)
	}
	for record, err := range w.journal.Records(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		w.hides(fmt.Sprintf("%+v", record))
	}
	text, err := json.Marshal(w.events)
	if err != nil {
		t.Fatal(err)
	}
	w.hides(string(text))
}

// Nothing is deleted while one API server goes on taking the old token.
func TestStaleCacheHoldsRevocationUp(t *testing.T) {
	w := newWorld(t, 2)
	w.install()
	old := w.token("dc1", 1)
	w.receptions("dc1", old) // both have seen it
	w.clusters["dc1"].Break(credstest.StaleCache(1))
	w.impatient()
	text, err := w.rotate("dc1", 2)
	if err == nil || !strings.Contains(text, "apiserver 192.0.2.2:6443 still takes it") {
		t.Fatalf("%v\n%s", err, text)
	}
	if got := w.receptions("dc1", old); got != "false true silent 0" {
		t.Errorf("the fault does not bite: %s", got)
	}
	w.token("dc1", 1) // it is still there to prove it with
	w.clusters["dc1"].Mend(credstest.StaleCache(1))
	w.patience = 6 * time.Hour
	if text, err = w.rotate("dc1", 2); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}

// An API server that is silent may be the one that takes the token.
func TestSilentServerHoldsRevocationUp(t *testing.T) {
	w := newWorld(t, 2)
	w.install()
	stages, err := w.rotation("dc1", 2).Stages()
	if err != nil {
		t.Fatal(err)
	}
	if text, err := w.run(stages[:3]); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	old := w.token("dc1", 1)
	w.clusters["dc1"].Break(credstest.Unreachable(1))
	w.impatient()
	if got := w.receptions("dc1", old); got != "true silent 1" {
		t.Errorf("the fault does not bite: %s", got)
	}
	text, err := w.run(stages)
	if err == nil || !strings.Contains(err.Error(), "apiserver 192.0.2.2:6443 did not answer") {
		t.Errorf("%v\n%s", err, text)
	}
	w.token("dc1", 1)
	if v := verdict(w.prove(), credskube.CheckAccepted); v != geored.Unknown {
		t.Errorf("with a silent API server: %s", v)
	}
}

func TestFaultsStopTheInstallation(t *testing.T) {
	cases := map[string]struct {
		spoil func(*world)
		want  string
	}{
		"not filled": {func(w *world) { w.clusters["dc1"].Break(credstest.NotFilled()) }, "waits for the token controller"},
		"refused":    {func(w *world) { w.clusters["dc1"].Break(credstest.Refused()) }, "refuses the token"},
		"foreign CA": {func(w *world) { w.clusters["dc1"].Break(credstest.ForeignCA()) }, "certificate signed by unknown authority"},
		"slow":       {func(w *world) { w.clusters["dc1"].Break(credstest.Slow(100 * time.Hour)) }, "no answer within its time budget"},
		"loopback":   {func(w *world) { w.server("https://127.0.0.1:6443") }, "no route to host"},
		"wrong site": {func(w *world) { w.server(w.clusters["dc2"].URL()) }, "site dc1: ca.crt: did not sign what the server shows"},
		"no probe":   {func(w *world) { w.receivers["dc2"] = credskube.Receiver{Cluster: w.receivers["dc2"].Cluster} }, "there is no probe to ask from there"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 2)
			w.impatient()
			c.spoil(w)
			text, err := w.rotate("dc1", 1)
			if err == nil || !strings.Contains(err.Error()+text, c.want) {
				t.Errorf("%v\n%s\nwant %s", err, text, c.want)
			}
			if _, err := w.receivers["dc2"].Cluster.Client().CoreV1().Secrets("kube-system").Get(t.Context(), "dc1", metav1.GetOptions{}); err == nil {
				t.Error("it was copied all the same")
			}
		})
	}
}

func (w *world) server(url string) {
	s := w.sources["dc1"]
	s.Server = url
	w.sources["dc1"] = s
}

// Where no grant is left, copies that somebody forgot are looked for everywhere.
func TestCopiesThatOutliveTheLastGrantAreFound(t *testing.T) {
	w := newWorld(t, 2)
	w.install()
	proof := credskube.Proof{Receivers: w.receivers}
	for _, want := range []geored.Verdict{geored.Warn, geored.Unknown} {
		report, err := geored.Prove(t.Context(), geored.CheckConfig{Budget: time.Minute}, proof.Checks()...)
		if err != nil {
			t.Fatal(err)
		}
		if got := verdict(report, credskube.CheckPrivilege); got != want {
			t.Errorf("%s, want %s: %+v", got, want, report)
		}
		for _, c := range w.clusters {
			c.Break(credstest.Unreachable(0))
			c.Break(credstest.Unreachable(1))
		}
	}
}

// A copy in a namespace that no grant is for any more is found; who may not look there does not know.
func TestCopiesOfARevokedConsumerAreFound(t *testing.T) {
	w := newWorld(t, 2)
	w.install()
	proof := credskube.Proof{Grants: w.grants, Sources: slices.Collect(maps.Values(w.sources)), Receivers: maps.Clone(w.receivers)}
	judged := func() geored.Finding {
		t.Helper()
		report, err := geored.Prove(t.Context(), geored.CheckConfig{Budget: time.Minute}, proof.Checks()...)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range report.Findings {
			if f.Check == credskube.CheckPrivilege && f.Site == "dc2" {
				return f
			}
		}
		t.Fatalf("no finding: %+v", report)
		return geored.Finding{}
	}
	if f := judged(); f.Verdict != geored.Pass {
		t.Fatalf("%+v", f)
	}
	secrets := w.receivers["dc2"].Cluster.Client().CoreV1()
	left, err := secrets.Secrets("kube-system").Get(t.Context(), "dc1", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := secrets.Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "cassandra"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	left.ObjectMeta = metav1.ObjectMeta{Namespace: "cassandra", Name: "dc1"}
	if _, err := secrets.Secrets("cassandra").Create(t.Context(), left, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if f := judged(); f.Verdict != geored.Warn || !strings.Contains(fmt.Sprint(f.Evidence), "cassandra/dc1") {
		t.Errorf("%+v", f)
	}
	config := w.receivers["dc2"].Cluster.Config()
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return forbidding{next} })
	limited, err := kube.New("dc2", config)
	if err != nil {
		t.Fatal(err)
	}
	proof.Receivers["dc2"] = credskube.Receiver{Cluster: limited, Probe: w.receivers["dc2"].Probe}
	if f := judged(); f.Verdict != geored.Unknown || !strings.Contains(f.Message, "only namespaces kube-system could be searched") {
		t.Errorf("%+v", f)
	}
}

// forbidding lets nobody list the secrets of all namespaces.
type forbidding struct{ http.RoundTripper }

func (f forbidding) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet || r.URL.Path != "/api/v1/secrets" {
		return f.RoundTripper.RoundTrip(r)
	}
	text := `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","message":"you may not","code":403}`
	return &http.Response{StatusCode: http.StatusForbidden, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

func TestProofSeesDrift(t *testing.T) {
	change := func(f func(*corev1.Secret)) func(*world) {
		return func(w *world) {
			secrets := w.receivers["dc2"].Cluster.Client().CoreV1().Secrets("kube-system")
			live, err := secrets.Get(w.Context(), "dc1", metav1.GetOptions{})
			if err != nil {
				w.Fatal(err)
			}
			f(live)
			if _, err := secrets.Update(w.Context(), live, metav1.UpdateOptions{}); err != nil {
				w.Fatal(err)
			}
		}
	}
	cases := map[string]struct {
		spoil func(*world)
		check geored.CheckID
		want  geored.Verdict
		says  string
	}{
		"deleted": {func(w *world) {
			if err := w.receivers["dc2"].Cluster.Client().CoreV1().Secrets("kube-system").Delete(w.Context(), "dc1", metav1.DeleteOptions{}); err != nil {
				w.Fatal(err)
			}
		}, credskube.CheckCopies, geored.Fail, "is not there"},
		"key taken":   {change(func(s *corev1.Secret) { delete(s.Data, "config") }), credskube.CheckCopies, geored.Fail, "config: is missing"},
		"key added":   {change(func(s *corev1.Secret) { s.Data["x"] = []byte("y") }), credskube.CheckCopies, geored.Fail, "has keys that are not ours"},
		"token gone":  {change(func(s *corev1.Secret) { delete(s.Data, "token") }), credskube.CheckAccepted, geored.Fail, "there is no token to show"},
		"refused":     {func(w *world) { w.clusters["dc1"].Break(credstest.Refused()) }, credskube.CheckAccepted, geored.Fail, "refuses the token"},
		"foreign CA":  {func(w *world) { w.clusters["dc1"].Break(credstest.ForeignCA()) }, credskube.CheckServer, geored.Fail, "cannot trust"},
		"unreachable": {func(w *world) { w.clusters["dc1"].Break(credstest.Unreachable(0)) }, credskube.CheckServer, geored.Unknown, "did not answer"},
		"surplus": {func(w *world) {
			receiver, token := w.receivers["dc2"], w.token("dc1", 1)
			own := creds.Export{Name: "dc2", Server: "https://x", CA: []byte("x"), Account: coredns, Token: token}.Kubemcsa()
			data := map[string][]byte{}
			for key, value := range own.Data {
				data[key] = []byte(value.Reveal())
			}
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "dc2"}, Type: corev1.SecretTypeOpaque, Data: data}
			if _, err := receiver.Cluster.Client().CoreV1().Secrets("kube-system").Create(w.Context(), secret, metav1.CreateOptions{}); err != nil {
				w.Fatal(err)
			}
		}, credskube.CheckPrivilege, geored.Warn, "access as kube-system/coredns"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 2)
			w.install()
			c.spoil(w)
			r := w.prove()
			if got := verdict(r, c.check); got != c.want || !strings.Contains(fmt.Sprintf("%+v", r), c.says) {
				t.Errorf("%s, want %s with %q in\n%+v", got, c.want, c.says, r)
			}
			if strings.HasPrefix(name, "key") || name == "deleted" || name == "token gone" {
				if text, err := w.rotate("dc1", 1); err != nil || w.prove().Verdict() != geored.Pass {
					t.Errorf("not mended by running it again: %v\n%s", err, text)
				}
			}
		})
	}
}

// A copy is unknown when the site that has it is silent, and when the one that it is of is.
func TestCopiesOfASilentSiteAreUnknown(t *testing.T) {
	w := newWorld(t, 3)
	w.install()
	w.clusters["dc1"].Break(credstest.Unreachable(0))
	found := map[geored.Verdict]int{}
	for _, f := range w.prove().Findings {
		if f.Check != credskube.CheckCopies {
			continue
		}
		found[f.Verdict]++
		if silent := f.Site == "dc1" || f.To == "dc1"; silent != (f.Verdict == geored.Unknown) {
			t.Errorf("%s of %s: %s: %s", f.Site, f.To, f.Verdict, f.Message)
		}
	}
	if found[geored.Unknown] != 4 || found[geored.Pass] != 2 {
		t.Errorf("%v", found)
	}
}

func TestRenewal(t *testing.T) {
	w := newWorld(t, 2)
	g := w.grants[0]
	g.Consumer.Reading, g.Consumer.MountPath = creds.ReadsFile, "/etc/creds/dc1"
	renewal := credskube.Renewal{From: w.sources["dc1"], To: w.receivers["dc2"], Grant: g, Life: 10 * time.Hour}
	task, err := renewal.Task()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		after time.Duration
		want  string
	}{{0, "changed"}, {7 * time.Hour, "unchanged"}, {2 * time.Hour, "changed"}, {30 * time.Hour, "changed"}} {
		w.clock.Advance(c.after)
		text, err := w.run([]geored.Stage{geored.StageOf("renew", task)})
		if err != nil || !strings.Contains(text, " "+c.want+": token ") {
			t.Errorf("after %s: %v %s, want %s", c.after, err, text, c.want)
		}
	}
	live, err := w.receivers["dc2"].Cluster.Client().CoreV1().Secrets("kube-system").Get(t.Context(), "dc1", metav1.GetOptions{})
	if err != nil || !strings.Contains(string(live.Data["config"]), "tokenFile: /etc/creds/dc1/token") {
		t.Error(err)
	}
	w.clock.Advance(9 * time.Hour)
	w.clusters["dc1"].Break(credstest.BornExpired())
	w.impatient()
	if text, err := w.run([]geored.Stage{geored.StageOf("renew", task)}); err == nil || !strings.Contains(err.Error(), "token: expired at") {
		t.Errorf("born expired: %v\n%s", err, text)
	}
	renewal.Grant = w.grants[0]
	if _, err := renewal.Task(); err == nil {
		t.Error("a consumer that reads once cannot be renewed")
	}
	if _, err := w.sources["dc1"].Request(t.Context(), time.Minute, ""); err == nil || !strings.Contains(err.Error(), "below the 10m0s") {
		t.Error(err)
	}
}

// A token that is revoked is deleted when every API server refuses it, and not before.
func TestRevokedTokensAreRefusedBeforeTheyAreDeleted(t *testing.T) {
	w := newWorld(t, 2)
	w.install()
	token := w.token("dc1", 1)
	source := w.sources["dc1"]
	w.clusters["dc1"].Break(credstest.StaleCache(1))
	var err error
	for range 5 {
		if err = source.Revoke(t.Context(), "coredns-token-1"); err == nil || !geored.IsRetriable(err) {
			t.Fatalf("one API server still takes it: %v", err)
		}
		if err := w.clock.Sleep(t.Context(), 10*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(err.Error(), "still takes it") {
		t.Error(err)
	}
	w.clusters["dc1"].Mend(credstest.StaleCache(1))
	if _, err := source.Cluster.Client().CoreV1().Secrets("kube-system").Get(t.Context(), "coredns-token-1", metav1.GetOptions{}); err != nil {
		t.Fatalf("the only proof was deleted: %v", err)
	}
	for range 200 {
		if err = source.Revoke(t.Context(), "coredns-token-1"); err == nil {
			break
		}
		if err := w.clock.Sleep(t.Context(), time.Second); err != nil {
			t.Fatal(err)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	answers, err := source.Receive(t.Context(), token)
	if err != nil || len(answers.Unanswered()) > 0 {
		t.Fatal(err, answers.Unanswered())
	}
	for target, r := range answers.All() {
		if r.Accepted {
			t.Errorf("%s takes a token that was revoked", target.Name)
		}
	}
	if generation, err := source.Generation(t.Context()); err != nil || generation != 0 {
		t.Errorf("generation %d is there: %v", generation, err)
	}
	if err := source.Revoke(t.Context(), "coredns-token-1"); err != nil {
		t.Errorf("a token that is gone: %v", err)
	}
}

// A version that nobody told is no old version: the Secret, the only proof, is neither marked nor deleted.
func TestNothingIsRevokedWhileTheVersionIsUnknown(t *testing.T) {
	w := newWorld(t, 2)
	w.install()
	c, source := w.clusters["dc1"], w.sources["dc1"]
	var err error
	if source.Cluster, err = kube.New("dc1", &rest.Config{Host: c.URL(), BearerToken: c.Admin.Reveal(), Dial: c.Dial, TLSClientConfig: rest.TLSClientConfig{CAData: c.Authority.PEM()},
		ContentConfig: rest.ContentConfig{ContentType: "application/json"}, WrapTransport: func(next http.RoundTripper) http.RoundTripper {
			return roundTrip(func(r *http.Request) (*http.Response, error) {
				if r.URL.Path == "/version" {
					return nil, errors.New("connection reset")
				}
				return next.RoundTrip(r)
			})
		}}); err != nil {
		t.Fatal(err)
	}
	if err := source.Revoke(t.Context(), "coredns-token-1"); err == nil || !geored.IsRetriable(err) || !strings.Contains(err.Error(), "the version of the API server") {
		t.Errorf("%v", err)
	}
	secret, err := source.Cluster.Client().CoreV1().Secrets("kube-system").Get(t.Context(), "coredns-token-1", metav1.GetOptions{})
	if err != nil || secret.Labels[credskube.InvalidSince] != "" {
		t.Errorf("%v, labels %v", err, secret.Labels)
	}
}

// Older tokens are what still works when the new one does not: they stay.
func TestNothingIsRefusedForATokenThatDoesNotWork(t *testing.T) {
	w := newWorld(t, 2)
	w.install()
	stages, err := w.rotation("dc1", 2).Stages()
	if err != nil {
		t.Fatal(err)
	}
	if text, err := w.run(stages[:3]); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	old := w.token("dc1", 1)
	secrets := w.sources["dc1"].Cluster.Client().CoreV1().Secrets("kube-system")
	mark := fmt.Sprintf(`{"metadata":{"labels":{%q:"2026-01-01"}}}`, credskube.InvalidSince)
	if _, err := secrets.Patch(t.Context(), "coredns-token-2", types.MergePatchType, []byte(mark), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	w.impatient()
	if text, err := w.run(stages[3:4]); err == nil {
		t.Errorf("the older tokens were given up:\n%s", text)
	}
	if got := w.receptions("dc1", old); got != "true true silent 0" {
		t.Errorf("the old token: %s", got)
	}
}
