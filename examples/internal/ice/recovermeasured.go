package ice

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Checks of a recovery as a whole.
const (
	CheckDecisions geored.CheckID = "recover/decisions"
	CheckRPO       geored.CheckID = "recover/rpo"
	CheckRTO       geored.CheckID = "recover/rto"
)

// Checks are the consistency proof: what was decided and why, what every store holds, what refers to what, and the
// measured times.
func (r *Recovery) Checks() []geored.Check {
	checks := []geored.Check{{ID: CheckDecisions, Title: "every store's limits are known, and so is what they ask for", Run: func(context.Context) []geored.Finding {
		return judgeDecisions(r.Note(), r.Sites)
	}}}
	for _, store := range r.Stores {
		checks = append(checks, store.Checks()...)
	}
	checks = append(checks, r.Proofs...)
	if r.ProveOnly {
		return checks
	}
	return append(checks,
		geored.Check{ID: CheckRPO, Title: "how much would have been lost is measured", Run: func(context.Context) []geored.Finding { return judgeRPO(r.Note()) }},
		geored.Check{ID: CheckRTO, Title: "how long the recovery took is measured", Run: func(context.Context) []geored.Finding {
			return []geored.Finding{judgeRTO(r.Note(), r.records, r.Sites)}
		}})
}

func asked(sites []geored.SiteName, what string) []geored.Target {
	var targets []geored.Target
	for _, site := range sites {
		targets = append(targets, geored.Target{Site: site, Name: what})
	}
	return targets
}

// judgeDecisions has a finding for each part of a store: what was decided, by which inequality, and what happens without.
func judgeDecisions(note RecoveryNote, sites []geored.SiteName) []geored.Finding {
	var findings []geored.Finding
	for _, d := range note.Decisions {
		f := geored.Finding{Verdict: geored.Pass, Message: fmt.Sprintf("%s, %s: %s", d.Store, d.Part, d.Cure), Asked: asked(sites, d.Store),
			Evidence: append([]string{"outage: " + note.Outage.String()}, d.Because...)}
		f.Evidence = append(f.Evidence, "left out: "+d.Without)
		for _, line := range d.Seen {
			f.Evidence = append(f.Evidence, "seen: "+line)
		}
		for _, line := range d.Unknown {
			f.Verdict = geored.Warn
			f.Evidence = append(f.Evidence, "not known: "+line)
		}
		for _, line := range d.Silent {
			f.Unanswered = append(f.Unanswered, geored.Silence{Target: geored.Target{Name: d.Store}, Reason: line})
		}
		if len(d.Silent) > 0 {
			f.Verdict = geored.Unknown
		}
		if d.Cure == LeaveCure {
			f.Verdict, f.Remedy = geored.Unknown, "compare it by hand; a keyspace that all sites are to hold is replicated to each of them (NetworkTopologyStrategy)"
			f.Unanswered = []geored.Silence{{Target: geored.Target{Name: d.Part}, Reason: strings.Join(d.Because, "; ")}}
		}
		judgeLoss(&f, d, note)
		findings = append(findings, f)
	}
	if len(findings) == 0 {
		return []geored.Finding{{Verdict: geored.Unknown, Message: "nothing was decided"}}
	}
	for _, cut := range note.Before {
		findings = append(findings, cut.losses(note, sites)...)
	}
	if len(note.Evidence) > 0 && note.Outage.Most > 0 {
		findings = append(findings, lengthTold(note, sites))
	}
	return findings
}

// losses are what was lost before the recovery was halted: the stores do not show it any more.
func (cut BeforeCut) losses(note RecoveryNote, sites []geored.SiteName) []geored.Finding {
	var findings []geored.Finding
	for _, d := range cut.Decisions {
		f := geored.Finding{Verdict: geored.Pass, Message: fmt.Sprintf("%s, %s: %s, before the recovery was halted on %s", d.Store, d.Part, d.Cure, clockText(cut.Halted)),
			Asked: asked(sites, d.Store), Evidence: d.Because}
		judgeLoss(&f, d, RecoveryNote{Missing: cut.Missing, Kept: cut.knew(note.Kept)})
		if f.Verdict != geored.Pass {
			findings = append(findings, f)
		}
	}
	return findings
}

// knew is what steps kept, without the rebuilds when the cut came before anything was measured: an earlier one tells of those.
func (cut BeforeCut) knew(kept map[string]json.RawMessage) map[string]json.RawMessage {
	if cut.Missing != nil {
		return kept
	}
	kept = maps.Clone(kept)
	maps.DeleteFunc(kept, func(name string, _ json.RawMessage) bool { return strings.HasPrefix(name, keptRebuild) })
	return kept
}

// lengthTold says how long the outage was taken for, and all that was looked at to tell.
func lengthTold(note RecoveryNote, sites []geored.SiteName) geored.Finding {
	f := geored.Finding{Verdict: geored.Pass, Message: fmt.Sprintf("the outage is taken for %s at most: %s", geored.RoundDuration(note.Outage.Most), note.Outage), Asked: asked(sites, "evidence")}
	for _, e := range note.Evidence {
		f.Evidence = append(f.Evidence, e.String())
	}
	return f
}

// judgeLoss: what is gone for good is a failure however well the rest came back, and whoever accepted it.
func judgeLoss(f *geored.Finding, d Decision, note RecoveryNote) {
	if d.Store == storeCassandra {
		judgeForgotten(f, d, note)
	}
	switch d.Cure {
	case LostCure:
		f.Verdict, f.Remedy = geored.Fail, "write again at the other site what was lost; raise retention.ms above the longest outage"
	case RebuildCure:
		if m := note.toldOf(d); m == 0 && note.Kept[keptRebuild+keyspaceOf(d)] != nil {
			f.Verdict = geored.Unknown
			f.Evidence = append(f.Evidence, "how many rows were given up is not known: nobody counted them")
		}
		for _, m := range note.Missing {
			if m.Store != d.Store || m.From != d.GivesUp || m.Count+m.More == 0 && m.Err == "" {
				continue
			}
			f.Verdict, f.Remedy = geored.Fail, "write again what is still wanted of these rows; run ice-recover sooner than gc_grace after an outage"
			f.Evidence = append(f.Evidence, fmt.Sprintf("given up: %s rows of all keyspaces that %s alone had, or had later versions of", m.counted(), m.From))
			if m.Err != "" {
				f.Evidence = append(f.Evidence, "not known of all: "+m.Err)
			}
			f.Evidence = append(f.Evidence, m.Keys...)
			if more := m.Count - int64(len(m.Keys)); more > 0 {
				f.Evidence = append(f.Evidence, fmt.Sprintf("and %d more", more))
			}
		}
		judgeRebuilt(f, d, note)
	}
}

// toldOf counts the ways of which was measured what the site has alone that is given up.
func (n RecoveryNote) toldOf(d Decision) (ways int) {
	for _, m := range n.Missing {
		if m.Store == d.Store && m.From == d.GivesUp {
			ways++
		}
	}
	return ways
}

// judgeRPO says for each store and way how old the oldest write was that the other site lacked when the sites came
// together. It is best looked at while they are apart still; what mirrors had carried over before a later look is not in
// it, which is why it tells when that was.
func judgeRPO(note RecoveryNote) []geored.Finding {
	var findings []geored.Finding
	for _, cut := range note.Before {
		for _, f := range measuredRPO(RecoveryNote{Apart: cut.Apart, Joined: cut.Joined, Missing: cut.Missing}) {
			f.Message += ", before the recovery was halted on " + clockText(cut.Halted)
			findings = append(findings, f)
		}
	}
	now := measuredRPO(note)
	if len(now) == 0 {
		now = []geored.Finding{{Verdict: geored.Unknown, Message: "nothing was measured"}}
	}
	return append(findings, now...)
}

func measuredRPO(note RecoveryNote) []geored.Finding {
	var findings []geored.Finding
	for _, m := range note.Missing {
		f := geored.Finding{Site: m.From, To: m.To, Verdict: geored.Pass, Asked: []geored.Target{{Site: m.From, To: m.To, Name: m.Store}}}
		late := m.Seen.Sub(note.Joined)
		switch {
		case m.Err != "":
			f.Verdict, f.Message = geored.Unknown, fmt.Sprintf("%s: not measured: %s", m.Store, m.Err)
			f.Unanswered = []geored.Silence{{Target: f.Asked[0], Reason: m.Err}}
		case note.Joined.IsZero():
			f.Verdict, f.Message = geored.Unknown, m.Store+": when the sites came together is not known"
		case m.Count+m.More == 0:
			f.Message = fmt.Sprintf("%s: nothing was missing %s", m.Store, beside(late))
			none := m.None
			if m.none().Before(note.Joined) {
				none = m.none()
			}
			if !none.IsZero() {
				f.Message = fmt.Sprintf("%s: RPO at most %s: nothing was missing on %s, and what was written until the sites came together may have been", m.Store, geored.RoundDuration(note.Joined.Sub(none)), clockText(none))
			}
		case m.Oldest.IsZero():
			f.Verdict, f.Message = geored.Unknown, fmt.Sprintf("%s: %s writes were missing, and none bears a time", m.Store, m.counted())
		default:
			f.Message = fmt.Sprintf("%s: RPO %s: the oldest of %s missing writes is of %s", m.Store, geored.RoundDuration(note.Joined.Sub(m.Oldest)), m.counted(), clockText(m.Oldest))
		}
		f.Evidence = []string{joinedText(note), fmt.Sprintf("looked at within %s, until %s; %s", geored.RoundDuration(m.Took), beside(late), uncounted(late)),
			"write times are those of the servers' and producers' clocks: the check site/clock says how far they are apart; what was deleted bears none, and is not counted"}
		findings = append(findings, f)
	}
	return findings
}

// counted is how many there are; what was not looked at may be of any way.
func (m Missing) counted() string {
	if m.More > 0 {
		return fmt.Sprintf("%d to %d", m.Count, m.Count+m.More)
	}
	return fmt.Sprint(m.Count)
}

// beside says when a look ended.
func beside(late time.Duration) string {
	if late < 0 {
		return geored.RoundDuration(-late).String() + " before the sites were seen together"
	}
	return geored.RoundDuration(late).String() + " after the sites were seen together"
}

func uncounted(late time.Duration) string {
	if late < 0 {
		return "what was written later is not counted"
	}
	return "what was carried over meanwhile is not counted"
}

// joinedText says when the sites came together, and how exactly that is known.
func joinedText(note RecoveryNote) string {
	if note.Apart.IsZero() {
		return fmt.Sprintf("the sites were together when they were first looked at, on %s: they may have been so for long, and the true RPO is smaller by as much", clockText(note.Joined))
	}
	return fmt.Sprintf("the sites came together on %s, at most %s earlier", clockText(note.Joined), geored.RoundDuration(note.Joined.Sub(note.Apart)))
}

// judgeRTO takes the times of the run's steps from its journal.
func judgeRTO(note RecoveryNote, records []geored.Record, sites []geored.SiteName) geored.Finding {
	f := geored.Finding{Verdict: geored.Pass, Asked: asked(sites, "journal")}
	var last time.Time
	var lines []string // stages run side by side: a step that was only waited for has no beginning of its own
	begun := map[geored.StepID]time.Time{}
	for _, record := range records {
		switch record.Kind {
		case geored.Intent:
			if begun[record.Step].IsZero() {
				begun[record.Step] = record.Time
			}
		case geored.Evidence:
			if record.Time.Before(note.Joined) {
				continue
			}
			line := fmt.Sprintf("%s: proven %s after the sites came together", record.Step, geored.RoundDuration(record.Time.Sub(note.Joined)))
			if from := begun[record.Step]; !from.IsZero() {
				if from.Before(note.Joined) {
					from = note.Joined
				}
				line += ", took " + geored.RoundDuration(record.Time.Sub(from)).String()
			}
			lines, last = append(lines, line), record.Time
		}
	}
	switch {
	case note.Joined.IsZero() || last.IsZero():
		f.Verdict, f.Message = geored.Unknown, "no journal tells of a recovery after the sites came together"
		return f
	case note.Done.IsZero():
		f.Verdict, f.Message = geored.Unknown, fmt.Sprintf("the recovery is not done, %s after the sites came together", geored.RoundDuration(last.Sub(note.Joined)))
	default:
		f.Message = fmt.Sprintf("RTO %s from the sites being together to the last proof", geored.RoundDuration(note.Done.Sub(note.Joined)))
	}
	f.Evidence = []string{joinedText(note)}
	for _, cut := range note.Before {
		f.Evidence = append(f.Evidence, fmt.Sprintf("the sites had come together on %s too, and were apart again since %s: the time is that from the last coming together", clockText(cut.Joined), clockText(cut.Halted)))
	}
	f.Evidence = append(append(f.Evidence, "each time is that at which a look saw the step done: how late that was at most stands with each step in the JSON report"), lines...)
	return f
}
