package metrics_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/metrics"
	"github.com/georedkit/georedkit/geored/watch"
)

var then = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func state() watch.State {
	told := func(check geored.CheckID, to geored.SiteName, v geored.Verdict) watch.Told {
		return watch.Told{Place: watch.Place{Check: check, Site: "dc1", To: to}, Verdict: v, At: then, Since: then.Add(-time.Hour), Took: time.Second}
	}
	return watch.State{Every: 30 * time.Second, Stale: time.Minute, Began: then.Add(-time.Hour), Rounds: 3, Round: then, Took: 2 * time.Second,
		Told: []watch.Told{told("mesh/pods", "dc2", geored.Pass), told("mesh/services", "dc2", geored.Unknown), told("dns/fetch", "", geored.Skipped), told("x/y", "", "nonsense")}}
}

// value finds a metric by its name and labels.
func gauge(t *testing.T, families []*dto.MetricFamily, name string, labels ...string) float64 {
	t.Helper()
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
	metrics:
		for _, m := range f.Metric {
			for i := 0; i < len(labels); i += 2 {
				has := false
				for _, l := range m.Label {
					has = has || l.GetName() == labels[i] && l.GetValue() == labels[i+1]
				}
				if !has {
					continue metrics
				}
			}
			return m.GetGauge().GetValue()
		}
	}
	t.Errorf("there is no %s %v", name, labels)
	return -1
}

// Each place has exactly one verdict, and unknown is never shown as pass.
func TestOneVerdictOfEachPlace(t *testing.T) {
	for age, want := range map[time.Duration]map[string]geored.Verdict{
		10 * time.Second: {"mesh/pods": geored.Pass, "mesh/services": geored.Unknown, "dns/fetch": geored.Skipped, "x/y": geored.Unknown},
		61 * time.Second: {"mesh/pods": geored.Unknown, "mesh/services": geored.Unknown, "dns/fetch": geored.Unknown, "x/y": geored.Unknown},
	} {
		families := metrics.Watched("ice-install", state(), then.Add(age))
		for check, verdict := range want {
			for _, v := range []geored.Verdict{geored.Pass, geored.Warn, geored.Fail, geored.Unknown, geored.Skipped} {
				got := gauge(t, families, "georedkit_watch_verdict", "check", check, "verdict", string(v), "site", "dc1", "report", "ice-install")
				if (got == 1) != (v == verdict) {
					t.Errorf("after %v: %s %s is %v", age, check, v, got)
				}
			}
		}
		if got := gauge(t, families, "georedkit_watch_age_seconds"); got != age.Seconds() {
			t.Errorf("age %v", got)
		}
		if got := gauge(t, families, "georedkit_watch_stale"); (got == 1) != (age > time.Minute) {
			t.Errorf("after %v: stale %v", age, got)
		}
		if gauge(t, families, "georedkit_watch_overall_verdict", "verdict", "unknown") != 1 || gauge(t, families, "georedkit_watch_overall_verdict", "verdict", "pass") != 0 {
			t.Error("the overall verdict is not unknown")
		}
	}
	fresh := metrics.Watched("x", watch.New(watch.Config{}).State(), time.Now())
	if gauge(t, fresh, "georedkit_watch_overall_verdict", "verdict", "unknown") != 1 || gauge(t, fresh, "georedkit_watch_stale") != 1 {
		t.Error("before the first round something is known")
	}
}

func TestMetricsAreServed(t *testing.T) {
	server := httptest.NewServer(metrics.Gatherer(func() []*dto.MetricFamily { return metrics.Watched("ice-install", state(), then) }))
	t.Cleanup(server.Close)
	for accept, want := range map[string]string{"": "text/plain", "application/openmetrics-text;version=1.0.0": "application/openmetrics-text"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Accept", accept)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || !strings.HasPrefix(answer.Header.Get("Content-Type"), want) || !strings.Contains(string(text), `verdict="unknown"`) {
			t.Errorf("%s: %v\n%s", answer.Header, err, text)
		}
		if accept != "" {
			if !strings.HasSuffix(string(text), "# EOF\n") {
				t.Errorf("OpenMetrics does not end: %q", text[len(text)-20:])
			}
			continue
		}
		var parser expfmt.TextParser
		read, err := parser.TextToMetricFamilies(strings.NewReader(string(text)))
		if err != nil || len(read) != 11 {
			t.Errorf("%d families, %v", len(read), err)
		}
	}
	answer, err := http.Post(server.URL, "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusMethodNotAllowed {
		t.Error(answer.Status)
	}
	if _, err := metrics.Gatherer(func() []*dto.MetricFamily { return nil }).Gather(); err != nil {
		t.Error(err)
	}
}
