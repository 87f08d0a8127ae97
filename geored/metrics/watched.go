package metrics

import (
	"fmt"
	"net/http"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/watch"
)

// Watched are the metrics of a watch, in a fixed order. There is one metric for each verdict of a place, and exactly one of
// them is 1: alert on verdict="fail" and on verdict="unknown", each by itself. When the state is stale each place is unknown.
func Watched(title string, s watch.State, now time.Time) []*dto.MetricFamily {
	m := &builder{report: title}
	verdicts := []geored.Verdict{geored.Pass, geored.Warn, geored.Fail, geored.Unknown, geored.Skipped}
	stale := s.IsStale(now)
	for _, t := range s.Told {
		is := t.Verdict
		if stale || geored.Join(is) == geored.Unknown && is != geored.Skipped {
			is = geored.Unknown
		}
		for _, v := range verdicts {
			m.gauge("georedkit_watch_verdict", "1 for the verdict that a check has at a site, or from it to another; 0 for the others.", one(v == is),
				append(placed(t.Place), "verdict", string(v))...)
		}
	}
	for _, t := range s.Told {
		m.gauge("georedkit_watch_check_timestamp_seconds", "When a check was last asked, in seconds since 1970.", unix(t.At), placed(t.Place)...)
	}
	for _, t := range s.Told {
		m.gauge("georedkit_watch_check_since_seconds", "When a check came to its verdict, in seconds since 1970.", unix(t.Since), placed(t.Place)...)
	}
	for _, t := range s.Told {
		m.gauge("georedkit_watch_check_duration_seconds", "How long a check took.", t.Took.Seconds(), placed(t.Place)...)
	}
	for _, v := range verdicts[:4] {
		m.gauge("georedkit_watch_overall_verdict", "1 for the verdict over all checks; 0 for the others.", one(v == s.Verdict(now)), "verdict", string(v))
	}
	m.gauge("georedkit_watch_rounds", "Rounds that came to their end since the watch began.", float64(s.Rounds))
	m.gauge("georedkit_watch_round_timestamp_seconds", "When the last round ended, in seconds since 1970; 0: none has.", unix(s.Round))
	m.gauge("georedkit_watch_round_duration_seconds", "How long the last round took.", s.Took.Seconds())
	m.gauge("georedkit_watch_interval_seconds", "Between the beginnings of rounds.", s.Every.Seconds())
	m.gauge("georedkit_watch_age_seconds", "How long ago the last round ended.", s.Age(now).Seconds())
	m.gauge("georedkit_watch_stale", "1 when a round is overdue: every verdict is unknown then.", one(stale))
	return m.families
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func placed(p watch.Place) []string {
	return []string{"check", string(p.Check), "site", string(p.Site), "to", string(p.To)}
}

// Gatherer gives metrics when it is asked. It is a Gatherer of Prometheus' client_golang too, for a registry of one's own.
type Gatherer func() []*dto.MetricFamily

// Gather never fails.
func (g Gatherer) Gather() ([]*dto.MetricFamily, error) { return g(), nil }

// ServeHTTP serves the metrics to Prometheus, in the format that it asks for.
func (g Gatherer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, fmt.Sprintf("%s is not served here", r.Method), http.StatusMethodNotAllowed)
		return
	}
	format := expfmt.NegotiateIncludingOpenMetrics(r.Header)
	w.Header().Set("Content-Type", string(format))
	encoder := expfmt.NewEncoder(w, format)
	for _, family := range g() {
		if err := encoder.Encode(family); err != nil {
			return // who asked went away
		}
	}
	if closer, ok := encoder.(expfmt.Closer); ok {
		_ = closer.Close() // as above
	}
}
