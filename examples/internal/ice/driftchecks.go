package ice

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/drift"
)

// IDs of the checks that hold what is there against what the installation recorded.
const (
	CheckDriftRecord     geored.CheckID = "drift/record"
	CheckDriftPlan       geored.CheckID = "drift/plan"
	CheckDriftReleases   geored.CheckID = "drift/releases"
	CheckDriftPeers      geored.CheckID = "drift/peers"
	CheckDriftDNS        geored.CheckID = "drift/dns"
	CheckDriftRBAC       geored.CheckID = "drift/rbac"
	CheckDriftTokens     geored.CheckID = "drift/tokens"
	CheckDriftSeeds      geored.CheckID = "drift/seeds"
	CheckDriftConnectors geored.CheckID = "drift/connectors"
	CheckDriftMirrors    geored.CheckID = "drift/mirrors"
)

// errNoRecord is why nothing can be said of a site.
var errNoRecord = errors.New("nothing was recorded here: run ice-install, which writes down what stands when all of it is proven")

// driftChecks hold each site against its record.
func (d *Deployment) driftChecks() []geored.Check {
	checks := []geored.Check{
		{ID: CheckDriftRecord, Title: "every site holds the record of what was installed there", Run: d.recordsHeld},
		{ID: CheckDriftPlan, Title: "the topology asks for what was recorded", Run: d.planHeld},
	}
	for _, a := range d.areas() {
		checks = append(checks, geored.Check{ID: a.check, Title: a.title, Run: func(ctx context.Context) []geored.Finding { return d.areaHeld(ctx, a) }})
	}
	return checks
}

// record gives the record of a site; that there is none is an error.
func (d *Deployment) record(ctx context.Context, site geored.SiteName) (drift.Record, error) {
	r, found, err := d.readRecord(ctx, site)
	if err == nil && !found {
		err = errNoRecord
	}
	return r, err
}

// recordSeen is what was found where a site keeps its record.
type recordSeen struct {
	record drift.Record
	broken error
	uid    string
}

func (d *Deployment) recordsHeld(ctx context.Context) []geored.Finding {
	answers := geored.Ask(ctx, d.every("record"), func(ctx context.Context, t geored.Target) (recordSeen, error) {
		r, found, err := d.readRecord(ctx, t.Site)
		if !found {
			return recordSeen{}, errors.Join(err, errNoRecord)
		}
		uid, uidErr := d.Clusters[t.Site].UID(ctx)
		return recordSeen{r, err, uid}, uidErr
	})
	return answers.Each(judgeRecord)
}

func judgeRecord(t geored.Target, s recordSeen) geored.Finding {
	where := "configmap " + recordNamespace + "/" + recordName
	f := geored.Finding{Verdict: geored.Fail, Remedy: "see that the installation is as it should be, then run ice-install: it records it anew"}
	switch {
	case s.broken != nil:
		f.Message = fmt.Sprintf("%s cannot be used: %v", where, s.broken)
	case s.record.Site != t.Site || s.record.Cluster != s.uid:
		f.Message = fmt.Sprintf("%s is of site %s, and of another cluster or name", where, s.record.Site)
	default:
		return geored.Finding{Verdict: geored.Pass, Message: fmt.Sprintf("%d things were recorded on %s, %.19s…", len(s.record.Things), clockText(s.record.Taken), s.record.Digest)}
	}
	return f
}

// planHeld holds the topology, with its values and versions, against the plan that was carried out.
func (d *Deployment) planHeld(ctx context.Context) []geored.Finding {
	answers := geored.Ask(ctx, d.every("record"), func(ctx context.Context, t geored.Target) (drift.Record, error) { return d.record(ctx, t.Site) })
	return answers.Each(func(t geored.Target, r drift.Record) geored.Finding { return judgePlan(r, d.wantedAt(t.Site)) })
}

func judgePlan(r drift.Record, now map[geored.StepID]string) geored.Finding {
	var moved []string
	for _, id := range slices.Sorted(maps.Keys(now)) {
		if was, ok := r.Wanted[id]; !ok {
			moved = append(moved, fmt.Sprintf("%s: the topology asks for %.19s…, and nothing was recorded", id, now[id]))
		} else if was != now[id] {
			moved = append(moved, fmt.Sprintf("%s: the topology asks for %.19s…, recorded is %.19s…", id, now[id], was))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(r.Wanted)) {
		if _, ok := now[id]; !ok {
			moved = append(moved, fmt.Sprintf("%s: the topology does not ask for it, recorded is %.19s…", id, r.Wanted[id]))
		}
	}
	if len(moved) == 0 {
		return geored.Finding{Verdict: geored.Pass, Message: fmt.Sprintf("%d steps want what they wanted on %s", len(now), clockText(r.Taken))}
	}
	return geored.Finding{Verdict: geored.Fail, Message: fmt.Sprintf("the topology and the record disagree in %d steps: %s", len(moved), moved[0]), Evidence: moved,
		Remedy: "whoever gave the topology must say which is right: run ice-install with it, or check with the topology, -values and -chart-version of " + clockText(r.Taken)}
}

// compared is one area of a site, as recorded and as it is.
type compared struct {
	recorded, now []drift.Thing
	taken, at     time.Time
}

// areaHeld reads an area of every site and holds it against the site's record.
func (d *Deployment) areaHeld(ctx context.Context, a area) []geored.Finding {
	answers := geored.Ask(ctx, d.every("record"), func(ctx context.Context, t geored.Target) (compared, error) {
		r, err := d.record(ctx, t.Site)
		if err != nil {
			return compared{}, err
		}
		now, err := a.read(ctx, t.Site, r.Salt)
		if err != nil {
			return compared{}, err
		}
		recorded := slices.DeleteFunc(slices.Clone(r.Things), func(x drift.Thing) bool { return x.Area != a.name })
		return compared{recorded, a.named(now), r.Taken, time.Now()}, nil
	}, geored.AskBudget(30*time.Second))
	return answers.Each(func(_ geored.Target, c compared) geored.Finding { return judgeDrift(a, c) })
}

// judgeDrift says what is not as recorded, and who must mend it.
func judgeDrift(a area, c compared) geored.Finding {
	differences := drift.Compare(c.recorded, c.now)
	if len(differences) == 0 && len(c.recorded) == 0 {
		return geored.Finding{Verdict: geored.Unknown, Message: "nothing of " + a.name + " was recorded", Remedy: errNoRecord.Error()}
	}
	if len(differences) == 0 {
		return judgeLife(a, c)
	}
	f := geored.Finding{Verdict: geored.Fail, Message: differences[0].String()}
	if n := len(differences); n > 1 {
		f.Message += fmt.Sprintf(" (and %d more differences)", n-1)
	}
	var mends []string
	for _, d := range differences {
		f.Evidence = append(f.Evidence, d.String())
		if !slices.Contains(mends, d.Mends) {
			mends = append(mends, d.Mends)
		}
	}
	f.Remedy = strings.Join(mends, "; ")
	return f
}

// Tokens are told of before they die, so that there is time to make others.
const tokenWarn = 14 * 24 * time.Hour

// judgeLife passes what is as recorded, unless it is about to die.
func judgeLife(a area, c compared) geored.Finding {
	f := geored.Finding{Verdict: geored.Pass, Message: fmt.Sprintf("%d things are as they were recorded on %s", len(c.now), clockText(c.taken))}
	for _, thing := range c.now {
		end, err := time.Parse(time.RFC3339, thing.Facts[dies])
		if err != nil {
			continue // it does not die
		}
		left := end.Sub(c.at)
		switch {
		case left <= 0:
			f.Verdict = geored.Fail
		case left <= tokenWarn && f.Verdict == geored.Pass:
			f.Verdict = geored.Warn
		}
		f.Evidence = append(f.Evidence, fmt.Sprintf("%s dies on %s", thing.Name, clockText(end)))
		if left <= tokenWarn {
			f.Message, f.Remedy = fmt.Sprintf("the token of %s dies on %s", thing.Name, clockText(end)), thing.Mends
		}
	}
	return f
}
