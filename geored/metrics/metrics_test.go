package metrics_test

import (
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/metrics"
	"github.com/georedkit/georedkit/geored/report"
)

var began = time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)

const hostile = "a \"label\"\nwith {everything} \\ in it \x1b\xff"

func document() report.Document {
	find := func(id geored.CheckID, from, to geored.SiteName, v geored.Verdict) geored.Finding {
		return geored.Finding{Check: id, Site: from, To: to, Verdict: v, Took: 2 * time.Second}
	}
	return report.Document{
		Report: geored.Report{Title: "ice-install", Started: began.Add(time.Minute), Took: 10 * time.Second, Findings: []geored.Finding{
			find("mesh/pods", "dc1", "dc2", geored.Pass), find("mesh/pods", "dc2", "dc1", geored.Fail),
			find("dns/ptr", "dc1", "", geored.Skipped), find("dns/ptr", "dc1", "", geored.Unknown), find("site/clock", "", "", geored.Warn),
			find(geored.CheckID(hostile), "dc1", "", geored.Pass),
		}},
		Run: geored.Result{Run: "1", Runbook: "ice-install", Began: began, Took: 50 * time.Second, Outcomes: []geored.Outcome{
			{Step: geored.Step{ID: "mesh/dc1", Site: "dc1"}, Stage: "mesh", Status: geored.Changed, Attempts: 2, Took: 3 * time.Second},
			{Step: geored.Step{ID: "mesh/dc2", Site: "dc2"}, Stage: "mesh", Status: geored.Failed},
		}},
	}
}

// parsed reads the text with Prometheus' own parser.
func parsed(t *testing.T, d report.Document) map[string]*dto.MetricFamily {
	t.Helper()
	var text strings.Builder
	if err := metrics.WriteText(&text, d); err != nil {
		t.Fatal(err)
	}
	var parser expfmt.TextParser
	families, err := parser.TextToMetricFamilies(strings.NewReader(text.String()))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text.String())
	}
	return families
}

// value finds the metric with exactly these labels besides the report.
func value(f *dto.MetricFamily, labels ...string) (float64, bool) {
	for _, m := range f.GetMetric() {
		have := map[string]string{}
		for _, l := range m.Label {
			have[l.GetName()] = l.GetValue()
		}
		match := len(have) == len(labels)/2+1 && have["report"] == "ice-install"
		for i := 0; i < len(labels); i += 2 {
			match = match && have[labels[i]] == labels[i+1]
		}
		if match {
			return m.GetGauge().GetValue(), true
		}
	}
	return 0, false
}

func TestTextIsWhatPrometheusReads(t *testing.T) {
	families := parsed(t, document())
	cases := []struct {
		name   string
		want   float64
		labels []string
	}{
		{"georedkit_report_verdict", 3, nil},
		{"georedkit_report_timestamp_seconds", float64(began.Unix()), nil},
		{"georedkit_report_duration_seconds", 70, nil},
		{"georedkit_findings", 2, []string{"verdict", "pass"}},
		{"georedkit_findings", 1, []string{"verdict", "skipped"}},
		{"georedkit_check_verdict", 0, []string{"check", "mesh/pods", "site", "dc1", "to", "dc2"}},
		{"georedkit_check_verdict", 3, []string{"check", "mesh/pods", "site", "dc2", "to", "dc1"}},
		{"georedkit_check_verdict", 2, []string{"check", "dns/ptr", "site", "dc1", "to", ""}},
		{"georedkit_check_verdict", 1, []string{"check", "site/clock", "site", "", "to", ""}},
		{"georedkit_check_verdict", 0, []string{"check", strings.ToValidUTF8(hostile, "\uFFFD"), "site", "dc1", "to", ""}},
		{"georedkit_check_duration_seconds", 2, []string{"check", "mesh/pods", "site", "dc1", "to", "dc2"}},
		{"georedkit_run_timestamp_seconds", float64(began.Unix()), []string{"runbook", "ice-install"}},
		{"georedkit_run_steps", 1, []string{"runbook", "ice-install", "status", "changed"}},
		{"georedkit_run_steps", 0, []string{"runbook", "ice-install", "status", "interrupted"}},
		{"georedkit_step_duration_seconds", 3, []string{"runbook", "ice-install", "stage", "mesh", "step", "mesh/dc1", "site", "dc1"}},
		{"georedkit_step_attempts", 2, []string{"runbook", "ice-install", "stage", "mesh", "step", "mesh/dc1", "site", "dc1"}},
	}
	for _, c := range cases {
		if got, ok := value(families[c.name], c.labels...); !ok || got != c.want {
			t.Errorf("%s%q is %v (there: %v), want %v", c.name, c.labels, got, ok, c.want)
		}
	}
	for name, f := range families {
		if f.GetHelp() == "" || f.GetType() != dto.MetricType_GAUGE {
			t.Errorf("%s has no help or is no gauge", name)
		}
	}
}

// A report of nothing is unknown, and has no metrics of a run.
func TestNothing(t *testing.T) {
	families := parsed(t, report.Document{Title: "ice-install"})
	if v, ok := value(families["georedkit_report_verdict"]); !ok || v != 2 {
		t.Errorf("verdict %v, %v", v, ok)
	}
	if families["georedkit_run_steps"] != nil || families["georedkit_check_verdict"] != nil {
		t.Error("there are metrics of what was not")
	}
}
