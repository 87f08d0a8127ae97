package ice

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/dnsfed/resolver"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/probe"
)

// wants holds the finding of one target to a verdict and a part of its message.
func wants(t *testing.T, f geored.Finding, want geored.Verdict, says string) {
	t.Helper()
	if f.Verdict != want || !strings.Contains(f.Message, says) || want == geored.Fail && f.Remedy == "" {
		t.Errorf("%s, want %s with %q: %+v", f.Verdict, want, says, f)
	}
}

// A name that leads to nobody, or to another site, fails; a pod that cannot be asked proves neither.
func TestFetchByName(t *testing.T) {
	for name, c := range map[string]struct {
		body    string
		err     error
		gone    bool
		verdict geored.Verdict
		says    string
	}{
		"its own site answers": {`{"site": "dc2"}`, nil, false, geored.Pass, "answered as dc2"},
		"another site answers": {`{"site": "dc1"}`, nil, false, geored.Fail, `answered by site "dc1", not by dc2`},
		"nobody is named":      {`{}`, nil, false, geored.Fail, `answered by site ""`},
		"the name is unknown":  {"", errors.New("no such host"), false, geored.Fail, "no such host"},
		"no probe answers":     {"<html>", nil, false, geored.Unknown, "did not answer"},
		"its pod is gone":      {"", nil, true, geored.Unknown, errGone.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			d, servers := onServers(t, good, Options{})
			fetches := func(body string, err error) program {
				return probing(t, func(string, string, []byte) (any, error) { return probe.HTTPAnswer{Status: 200, Body: body}, err })
			}
			servers["dc1"].runs(fetches(c.body, c.err))
			if c.gone {
				servers["dc1"].runs(func(string, []string, []byte) (string, error) { return "", errGone })
			}
			servers["dc2"].runs(fetches(`{"site": "dc1"}`, nil))
			found := foundBy(t, d.dnsChecks(), CheckFetch)
			wants(t, found["dc1 -> dc2"], c.verdict, c.says)
			wants(t, found["dc2 -> dc1"], geored.Pass, "probe-dc1")
		})
	}
}

// An API server that a site cannot reach fails; one behind the mesh is left to the credentials; a pod that cannot be asked
// proves nothing.
func TestAPIServersAreReached(t *testing.T) {
	for name, c := range map[string]struct {
		answer  program
		verdict geored.Verdict
		says    string
	}{
		"reached": {probing(t, func(_, question string, about []byte) (any, error) {
			var q probe.TCP
			if err := json.Unmarshal(about, &q); err != nil || question != "tcp" || q.Address != "192.168.1.106:6443" {
				return nil, fmt.Errorf("%s %s, %w", question, about, err)
			}
			return probe.TCPAnswer{}, nil
		}), geored.Pass, "dc1 reaches the API server of dc2 at 192.168.1.106:6443"},
		"refused":         {probing(t, func(string, string, []byte) (any, error) { return nil, errors.New("connection refused") }), geored.Fail, "connection refused"},
		"its pod is gone": {func(string, []string, []byte) (string, error) { return "", errGone }, geored.Unknown, errGone.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			d, servers := onServers(t, good, Options{})
			d.Topology.Sites[1].APIServer = "https://192.168.1.106:6443"
			servers["dc1"].runs(c.answer)
			found := foundBy(t, d.pathChecks(), CheckAPIServer)
			wants(t, found["dc1 -> dc2"], c.verdict, c.says)
			wants(t, found["dc2 -> dc1"], geored.Skipped, "lies behind the mesh")
		})
	}
}

// The job that makes the product's schema is judged by what the API server has of it.
func TestModelManagersAreJudged(t *testing.T) {
	const path = "/apis/batch/v1/namespaces/ice-arcus/jobs/modelmanager"
	d, servers := onServers(t, withApplications(2), Options{})
	put := func(site geored.SiteName, status table) {
		servers[site].put(path, table{"kind": "Job", "apiVersion": "batch/v1", "metadata": table{"name": "modelmanager", "namespace": arcusNamespace, "labels": table{"run": "modelmanager"}}, "status": status})
	}
	put("dc2", table{"succeeded": 1})
	look := func(want geored.Verdict, says string) {
		t.Helper()
		found := foundBy(t, d.applicationChecks(), CheckModelManager)
		wants(t, found["dc1"], want, says)
		wants(t, found["dc2"], geored.Pass, "1 completed")
	}
	look(geored.Fail, "there is no job")
	put("dc1", table{"active": 1})
	look(geored.Fail, "1 active")
	put("dc1", table{"failed": 1, "conditions": []table{{"type": "Failed", "status": "True", "message": "too often"}}})
	look(geored.Fail, "too often")
	put("dc1", table{"succeeded": 1})
	look(geored.Pass, "1 completed")
	servers["dc1"].silent = true
	look(geored.Unknown, "did not answer")
}

// What was asked while a site's name servers were replaced decides: from the first change to the last, at that site alone.
func TestAChangeOverIsWatched(t *testing.T) {
	for name, c := range map[string]struct {
		answer  resolver.SeriesAnswer
		fault   error // at the probe
		gone    bool
		verdict geored.Verdict
		says    string
	}{
		"all was answered":        {resolver.SeriesAnswer{Asked: 20}, nil, false, geored.Pass, "while the name servers were replaced"},
		"one was lost":            {resolver.SeriesAnswer{Asked: 20, Wrong: []string{"12:00 i/o timeout"}}, nil, false, geored.Fail, "answers lost"},
		"nothing was asked":       {resolver.SeriesAnswer{}, nil, false, geored.Unknown, "0 questions were asked"},
		"its probe cannot ask":    {resolver.SeriesAnswer{}, errors.New("too much"), false, geored.Unknown, "times nothing could be asked"},
		"its probe's pod is gone": {resolver.SeriesAnswer{}, nil, true, geored.Unknown, "times nothing could be asked"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, servers := onServers(t, good, Options{})
			began := make(chan string, 1)
			answers := probing(t, func(string, string, []byte) (any, error) { return c.answer, c.fault })
			servers["dc1"].runs(func(pod string, argv []string, input []byte) (string, error) {
				select {
				case began <- string(input):
				default:
					time.Sleep(50 * time.Millisecond) // a series lasts
				}
				if c.gone {
					return "", errGone
				}
				return answers(pod, argv, input)
			})
			look := func(want geored.Verdict, says string) {
				t.Helper()
				found := foundBy(t, d.dnsChecks(), CheckChangeOver)
				wants(t, found["dc1"], want, says)
				wants(t, found["dc2"], geored.Skipped, "replaced no name servers")
			}
			look(geored.Skipped, "replaced no name servers")
			task := d.watched(t.Context(), "dc1", geored.Task{Step: geored.Step{Action: geored.Delete}, Apply: func(context.Context) error { return nil },
				Observe: func(context.Context) (geored.State, error) { return geored.State{Done: true}, nil }})
			if err := task.Apply(t.Context()); err != nil {
				t.Fatal(err)
			}
			select {
			case question := <-began:
				if !strings.Contains(question, `"10.100.0.10:53"`) || !strings.Contains(question, `["10.100.0.1"]`) {
					t.Errorf("it was asked %s", question)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("nothing is asked when the first change was made")
			}
			if state, err := task.Observe(t.Context()); err != nil || !state.Done {
				t.Errorf("%+v, %v", state, err)
			}
			look(c.verdict, c.says)
		})
	}
}
