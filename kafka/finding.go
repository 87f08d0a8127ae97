package kafka

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// shown is how many partitions a finding lists.
const shown = 20

// PositionFinding judges how far a mirror has copied, and names the partitions that are not as they should be. Partitions
// that could not be asked are in Unanswered.
func PositionFinding(s Sample, history History, limits Limits) geored.Finding {
	m := Mirror{From: s.From, To: s.To}
	remedy := "mend topics and topics.exclude of " + m.Connector(SourceConnector)
	if s.selectsNothing() {
		return geored.Finding{Verdict: geored.Fail, Message: "the mirror selects no topic of its source", Evidence: s.unmatched(), Remedy: remedy}
	}
	seen := history.Of(m).byPartition()
	f := geored.Finding{Verdict: geored.Pass}
	var waiting int64
	var oldest time.Duration
	topics := map[string]bool{}
	bad := 0
	for _, p := range s.Positions {
		topics[p.Topic] = true
		standing := p.Stand(s.ReadCommitted, s.Time, seen[p.Partition].movedAt(p), limits)
		waiting += standing.Waiting
		oldest = max(oldest, standing.Age)
		f.Verdict = worse(f.Verdict, standing.Verdict)
		if p.Problem != "" {
			f.Unanswered = append(f.Unanswered, geored.Silence{Target: geored.Target{Site: s.From, To: s.To, Name: p.String()}, Reason: p.Problem})
			continue
		}
		if standing.Verdict == geored.Pass {
			continue
		}
		if bad++; bad <= shown {
			f.Evidence = append(f.Evidence, standing.String())
		}
	}
	f.Message = fmt.Sprintf("%d partitions of %d topics, %d records wait", len(s.Positions), len(topics), waiting)
	if oldest > 0 {
		f.Message += fmt.Sprintf(", the oldest for %s", geored.RoundDuration(oldest))
	}
	if bad > 0 {
		f.Message += fmt.Sprintf("; %d partitions are not as they should be", bad)
		f.Remedy = "look at the source's brokers, at the way to them and at the tasks; RUNNING says nothing of either"
	}
	if bad > shown {
		f.Evidence = append(f.Evidence, fmt.Sprintf("and %d more", bad-shown))
	}
	if unmatched := s.unmatched(); len(unmatched) > 0 {
		f.Verdict, f.Evidence = worse(f.Verdict, geored.Warn), append(f.Evidence, unmatched...)
		f.Remedy = cmp.Or(f.Remedy, remedy)
	}
	return f
}

// selectsNothing is also true of a mirror of heartbeats alone, which are copied whatever topics says.
func (s Sample) selectsNothing() bool {
	return len(s.Positions) == 0 || len(s.Unmatched) > 0 && !slices.ContainsFunc(s.Positions, func(p Position) bool {
		return p.Topic != heartbeats && !strings.HasSuffix(p.Topic, "."+heartbeats)
	})
}

func (s Sample) unmatched() []string {
	var lines []string
	for _, pattern := range s.Unmatched {
		lines = append(lines, fmt.Sprintf("topics: %q matches no topic of %s that the mirror may copy", pattern, s.From))
	}
	return lines
}

// LossFinding says what became known of losses: before is the history that the sample was added to, after the one that
// it is in. Without a past it is unknown, for then lag 0 excludes nothing.
func LossFinding(s Sample, before, after History) geored.Finding {
	m := Mirror{From: s.From, To: s.To}
	past, now := before.Of(m), after.Of(m)
	f := geored.Finding{Verdict: geored.Pass}
	for _, i := range now.Incidents {
		f.Verdict = worse(f.Verdict, i.Verdict())
		f.Evidence = append(f.Evidence, i.String())
	}
	f.Message = fmt.Sprintf("%d incidents", len(now.Incidents))
	if len(s.Positions) == 0 && len(now.Incidents) == 0 {
		f.Verdict = worse(f.Verdict, geored.Unknown)
		f.Evidence = append(f.Evidence, "no partition was looked at")
	}
	unknown := 0
	anonymous := 0
	known := past.byPartition()
	for _, p := range s.Positions {
		if p.Problem != "" {
			f.Unanswered = append(f.Unanswered, geored.Silence{Target: geored.Target{Site: s.From, To: s.To, Name: p.String()}, Reason: p.Problem})
		} else if _, ok := known[p.Partition]; !ok && p.mayHavePast() {
			unknown++
		}
		if p.ID.IsZero() {
			anonymous++
		}
	}
	if len(now.Incidents) == 0 {
		f.Message = "nothing was lost since " + now.Since.UTC().Format(time.RFC3339)
	} else if f.Verdict == geored.Fail {
		f.Remedy = "mirror the topics again, then settle the incidents; what retention removed at the source is lost"
	}
	if unknown > 0 {
		f.Verdict = worse(f.Verdict, geored.Unknown)
		f.Evidence = append(f.Evidence, fmt.Sprintf("%d partitions were not looked at before: it cannot be excluded that a gap was jumped over, "+
			"that a topic was made anew or that a source was truncated", unknown))
	}
	if anonymous > 0 {
		f.Verdict = worse(f.Verdict, geored.Unknown)
		f.Evidence = append(f.Evidence, fmt.Sprintf("%d partitions have no topic ID (brokers before 2.8): one that was made anew cannot be told", anonymous))
	}
	return f
}

// mayHavePast is false while nothing was ever written to either side.
func (p Position) mayHavePast() bool { return p.Source.End > 0 || p.Target.End > 0 }
