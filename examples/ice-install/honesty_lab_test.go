//go:build lab

package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	credskube "github.com/georedkit/georedkit/creds/kube"
	"github.com/georedkit/georedkit/examples/internal/ice"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/internal/laboratory"
)

// Everything that the checks of a finished installation are told, stores and programs in pods too, comes through the API
// servers. With any of these answers taken away the check that asked for it is fail or unknown.
func TestEveryAnswerCounts(t *testing.T) {
	l := newLab(t)
	if name := os.Getenv("GEOREDKIT_DRILL_LAB"); name != "" { // one that stays up
		l = &lab{t, name, l.driver}
	}
	l.installed("-whole")
	for _, check := range newWitness(t, l).checks() {
		if check.ID == credskube.CheckAccepted { // it goes to the servers by itself, with tokens; creds/kube takes its answers away
			continue
		}
		t.Run(string(check.ID), func(t *testing.T) {
			t.Parallel()
			began, w := time.Now(), newWitness(t, l)
			whole := w.verdict(check.ID, "", 0)
			if whole != geored.Pass && whole != geored.Skipped && whole != geored.Warn {
				t.Fatalf("%s is %s with all answers: %s", check.ID, whole, w.said)
			}
			questions, missed := w.questions(check), 0
			for _, q := range questions {
				switch verdict := w.verdict(check.ID, q.text, q.before); {
				case !w.held():
					missed++
				case verdict != geored.Fail && verdict != geored.Unknown:
					t.Errorf("%s is %s without %s", check.ID, verdict, q.text)
				}
			}
			if missed > len(questions)/4 {
				t.Errorf("%d of %d questions were not asked again", missed, len(questions))
			}
			t.Logf("%s: %d answers taken away, %d not asked for again, in %s", check.ID, len(questions), missed, geored.RoundDuration(time.Since(began)))
		})
	}
}

// witness stands between the checks and the API servers of a laboratory.
type witness struct {
	t        *testing.T
	topology ice.Topology

	mu      sync.Mutex
	asked   map[string]int // how often each question was put
	removed string
	from    int // the removed question is answered so often
	hit     bool
	said    string // of the last proof
}

func newWitness(t *testing.T, l *lab) *witness {
	t.Helper()
	running, dir := l.in(t).running(), t.TempDir()
	text, err := os.ReadFile(running.Topology())
	if err != nil {
		t.Fatal(err)
	}
	w := &witness{t: t}
	if w.topology, err = ice.ParseTopology(append(text, ice.LaboratoryApplications...)); err != nil {
		t.Fatal(err)
	}
	w.topology = w.topology.In(filepath.Dir(running.Topology()))
	clusters := l.in(t).clusters()
	for i, site := range w.topology.Sites {
		file, name := filepath.Join(dir, string(site.Name)), string(site.Name)
		config := fmt.Sprintf("apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{name: c, cluster: {server: '%s'}}]\ncontexts: [{name: c, context: {cluster: c}}]\n", w.before(site.Name, clusters[name].Config()))
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		w.topology.Sites[i].Kube = geored.KubeRef{Kubeconfig: file}
	}
	return w
}

// before starts a server that passes on what the API server of a site is asked.
func (w *witness) before(site geored.SiteName, config *rest.Config) string {
	w.t.Helper()
	config.TLSClientConfig.NextProtos = []string{"http/1.1"} // or programs in pods have no way through
	transport, err := rest.TransportFor(config)
	if err != nil {
		w.t.Fatal(err)
	}
	to, err := url.Parse(config.Host)
	if err != nil {
		w.t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Transport: transport, FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0), Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !w.answers(site, r) {
			http.Error(rw, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"the answer was taken away","code":503}`, http.StatusServiceUnavailable)
			return
		}
		proxy.ServeHTTP(rw, r)
	}))
	w.t.Cleanup(server.Close)
	return server.URL
}

// answers notes what is asked and says whether it is answered.
func (w *witness) answers(site geored.SiteName, r *http.Request) bool {
	method := r.Method
	if r.Header.Get("Upgrade") != "" {
		method = "CONNECT" // one way of speaking to a program is tried after the other
	}
	question := string(site) + " " + method + " " + r.URL.Path
	if query := r.URL.Query().Encode(); query != "" {
		question += "?" + query
	}
	if r.Method == http.MethodPost && r.Header.Get("Upgrade") == "" {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return false
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		question += fmt.Sprintf(" %.4x", sha256.Sum256(body))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked[question]++
	taken := question == w.removed && w.asked[question] > w.from
	w.hit = w.hit || taken
	return !taken
}

func (w *witness) held() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hit
}

// checks are made anew: they remember what they were told.
func (w *witness) checks() []geored.Check {
	w.t.Helper()
	w.mu.Lock()
	w.removed, w.asked = "", map[string]int{}
	w.mu.Unlock()
	deployed, err := ice.Open(w.topology, ice.Options{ReadOnly: true, Images: ice.Images{Probe: laboratory.ProbeRef}})
	if err == nil {
		err = deployed.Complete(w.t.Context())
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return deployed.Checks()
}

// verdict is that of a check when a question gets no more than some answers; without a question: with all.
func (w *witness) verdict(id geored.CheckID, without string, answered int) geored.Verdict {
	w.t.Helper()
	checks := needed(id, w.checks())
	w.mu.Lock()
	w.removed, w.from, w.asked, w.hit = without, answered, map[string]int{}, false
	w.mu.Unlock()
	report, err := geored.Prove(w.t.Context(), geored.CheckConfig{Budget: ice.GateBudget}, checks...)
	if err != nil {
		w.t.Fatal(err)
	}
	var verdicts []geored.Verdict
	skipped := 0
	w.said = ""
	for _, f := range report.Findings {
		if f.Check == id {
			verdicts, w.said = append(verdicts, f.Verdict), w.said+"; "+f.Message
			if f.Verdict == geored.Skipped {
				skipped++
			}
		}
	}
	if skipped > 0 && skipped == len(verdicts) {
		return geored.Skipped
	}
	return geored.Join(verdicts...)
}

// most are as many questions as are taken of one kind.
const most = 3

// question is one that a check puts, and how often those put it that the check needs.
type question struct {
	text   string
	before int
}

// questions are those that the check puts after the checks that it needs had their answers.
func (w *witness) questions(check geored.Check) []question {
	w.t.Helper()
	asked, before := w.asked, map[string]int{}
	for _, need := range check.Needs {
		w.verdict(need, "", 0)
		for text, times := range w.asked {
			if !spare(need, text) {
				before[text] = max(before[text], times)
			}
		}
	}
	var all []question
	kinds := map[string]int{}
	for _, text := range slices.Sorted(maps.Keys(asked)) {
		kind := strings.Join(strings.Fields(text)[:3], " ")
		if kinds[kind]++; asked[text] > before[text] && !spare(check.ID, text) && (kinds[kind] <= most || !strings.Contains(text, " POST ")) {
			all = append(all, question{text, before[text]})
		}
	}
	return all
}

// spare are answers that a check may do without: what name servers were read for are the names that others ask for; a ring is
// found by any contact point; and a site is asked for the address of another's node, which that one knows.
func spare(id geored.CheckID, question string) bool {
	switch {
	case id == ice.CheckNameServers || id == "dns/own-api":
		return strings.HasSuffix(question, " GET /api/v1/services") || strings.HasSuffix(question, " GET /apis/discovery.k8s.io/v1/endpointslices")
	case id == ice.CheckRows && strings.Contains(question, "service-name%3Dice-"):
		return true
	}
	return strings.Contains(question, "status.podIP%3D")
}

// needed are a check and all that it needs, in their order.
func needed(id geored.CheckID, checks []geored.Check) []geored.Check {
	wanted := map[geored.CheckID]bool{id: true}
	for range checks {
		for _, c := range checks {
			for _, need := range c.Needs {
				wanted[need] = wanted[need] || wanted[c.ID]
			}
		}
	}
	return slices.DeleteFunc(checks, func(c geored.Check) bool { return !wanted[c.ID] })
}
