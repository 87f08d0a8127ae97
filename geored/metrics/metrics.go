// Package metrics tells Prometheus what a run did and what was proven: [WriteText] writes the text format, as the
// textfile collector of the node exporter and a push gateway take it, and [Families] gives the same for a registry of
// one's own.
//
// Verdicts are numbers, so that an alert can say "above 0": 0 pass, 1 warn, 2 unknown, 3 fail; skipped is -1. Every
// metric has the same labels in every report. Site and to are empty for what was found over all sites.
//
// [Watched] gives those of checks that are repeated, with one metric for each verdict, and [Gatherer] serves them.
package metrics

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/report"
)

// WriteText writes the metrics of a document in Prometheus' text format.
func WriteText(w io.Writer, d report.Document) error {
	for _, family := range Families(d) {
		if _, err := expfmt.MetricFamilyToText(w, family); err != nil {
			return fmt.Errorf("metrics: %w", err)
		}
	}
	return nil
}

// Families are the metrics of a document, in a fixed order. What was not run or not proven has none.
func Families(d report.Document) []*dto.MetricFamily {
	d = d.Whole()
	m := &builder{report: d.Title}
	m.gauge("georedkit_report_verdict", "Joined verdict of the report: 0 pass, 1 warn, 2 unknown, 3 fail.", code(d.Verdict()))
	m.gauge("georedkit_report_timestamp_seconds", "When the report was begun, in seconds since 1970.", unix(d.Started))
	m.gauge("georedkit_report_duration_seconds", "How long the run and the proof took.", d.Took.Seconds())
	if c := d.Client; c != (report.Usage{}) {
		m.gauge("georedkit_client_cpu_seconds", "Processor time that the program itself took.", c.User.Seconds(), "mode", "user")
		m.gauge("georedkit_client_cpu_seconds", "Processor time that the program itself took.", c.System.Seconds(), "mode", "system")
		m.gauge("georedkit_client_memory_bytes", "Memory that the program itself had resident at most.", float64(c.PeakMemory))
	}
	for _, v := range []geored.Verdict{geored.Pass, geored.Warn, geored.Fail, geored.Unknown, geored.Skipped} {
		m.gauge("georedkit_findings", "Findings by verdict.", float64(d.Report.Count(v)), "verdict", string(v))
	}
	m.checks(d.Report)
	if len(d.Run.Outcomes) > 0 {
		m.run(d.Run)
	}
	return m.families
}

// code is a verdict as a number; what is no verdict is unknown.
func code(v geored.Verdict) float64 {
	switch v {
	case geored.Skipped:
		return -1
	case geored.Pass:
		return 0
	case geored.Warn:
		return 1
	case geored.Fail:
		return 3
	}
	return 2
}

// unix is a time in seconds since 1970; no time is 0.
func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

// builder collects metrics by family.
type builder struct {
	report   string
	families []*dto.MetricFamily
}

// gauge adds a metric to its family. Labels are names and values in turn.
func (b *builder) gauge(name, help string, value float64, labels ...string) {
	i := slices.IndexFunc(b.families, func(f *dto.MetricFamily) bool { return f.GetName() == name })
	if i < 0 {
		i = len(b.families)
		kind := dto.MetricType_GAUGE
		b.families = append(b.families, &dto.MetricFamily{Name: &name, Help: &help, Type: &kind})
	}
	metric := &dto.Metric{Gauge: &dto.Gauge{Value: &value}, Label: []*dto.LabelPair{pair("report", b.report)}}
	for l := 0; l < len(labels); l += 2 {
		metric.Label = append(metric.Label, pair(labels[l], labels[l+1]))
	}
	b.families[i].Metric = append(b.families[i].Metric, metric)
}

func pair(name, value string) *dto.LabelPair {
	value = strings.ToValidUTF8(value, "\uFFFD")
	return &dto.LabelPair{Name: &name, Value: &value}
}

// place is a check at a site, or on the way between two.
type place struct {
	check    geored.CheckID
	from, to geored.SiteName
}

// checks has one verdict for each check and place: the worst of its findings, and the longest time.
func (b *builder) checks(r geored.Report) {
	worst, longest := map[place]float64{}, map[place]time.Duration{}
	var places []place
	for _, f := range r.Findings {
		p := place{f.Check, f.Site, f.To}
		if _, seen := worst[p]; !seen {
			places = append(places, p)
			worst[p] = code(f.Verdict)
		}
		worst[p], longest[p] = max(worst[p], code(f.Verdict)), max(longest[p], f.Took)
	}
	for _, p := range places {
		b.gauge("georedkit_check_verdict", "Verdict of a check at a site, or from it to another: 0 pass, 1 warn, 2 unknown, 3 fail, -1 skipped.", worst[p],
			"check", string(p.check), "site", string(p.from), "to", string(p.to))
	}
	for _, p := range places {
		b.gauge("georedkit_check_duration_seconds", "How long a check took.", longest[p].Seconds(),
			"check", string(p.check), "site", string(p.from), "to", string(p.to))
	}
}

func (b *builder) run(r geored.Result) {
	b.gauge("georedkit_run_timestamp_seconds", "When the run began, in seconds since 1970.", unix(r.Began), "runbook", r.Runbook)
	b.gauge("georedkit_run_duration_seconds", "How long the run took.", r.Took.Seconds(), "runbook", r.Runbook)
	for _, status := range []geored.Status{geored.Pending, geored.Unchanged, geored.Changed, geored.Failed, geored.Interrupted, geored.Undone, geored.Kept} {
		b.gauge("georedkit_run_steps", "Steps of the run by what became of them.", float64(r.Count(status)), "runbook", r.Runbook, "status", string(status))
	}
	for _, o := range r.Outcomes {
		b.gauge("georedkit_step_duration_seconds", "How long a step took.", o.Took.Seconds(), "runbook", r.Runbook, "stage", o.Stage, "step", string(o.ID), "site", string(o.Site))
	}
	for _, o := range r.Outcomes {
		b.gauge("georedkit_step_attempts", "How often the effect of a step was applied.", float64(o.Attempts), "runbook", r.Runbook, "stage", o.Stage, "step", string(o.ID), "site", string(o.Site))
	}
}
