package ice

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/objectstore"
)

// Cure is what a store asks for after an outage. None is to do nothing, but for what the sites do not share: the lightest is to wait
// and to prove.
type Cure string

// The cures.
const (
	AwaitCure   Cure = "await"   // it comes by itself; wait, then prove
	ProveCure   Cure = "prove"   // a limit is not known: compare everything; what differs then stops the recovery
	RestartCure Cure = "restart" // it mirrors only once it is restarted
	RepairCure  Cure = "repair"  // writes were dropped: bring the sites together, then prove
	RebuildCure Cure = "rebuild" // deletions may be forgotten: one site is given up, with a person's confirmation
	RefillCure  Cure = "refill"  // it is made anew from another store
	ResetCure   Cure = "reset"   // what mirrors it must list everything again
	AgainCure   Cure = "again"   // topics were made anew under a mirror that goes on behind their end: they are copied from the beginning
	LostCure    Cure = "lost"    // part of it is gone for good: a person must accept that
	LeaveCure   Cure = "leave"   // the sites do not share it, or nobody can compare it: nothing is brought together, nor proven
)

// Decision is what one part of a store asks for, and why. It is plain data.
type Decision struct {
	Store   string   `json:"store"`
	Part    string   `json:"part"` // "keyspace dev", "mirror dc1 -> dc2"
	Cure    Cure     `json:"cure"`
	Because []string `json:"because"`           // the inequalities that decided, the limits as they were read
	Without string   `json:"without"`           // what happens when it is left out
	Seen    []string `json:"seen,omitempty"`    // what else was seen; it may change from minute to minute
	Unknown []string `json:"unknown,omitempty"` // limits that cannot be told, whoever is asked
	Silent  []string `json:"silent,omitempty"`  // who was asked for a limit and gave no answer, and why
	// Confirm is the value that a person must give before it is carried out. Zero: none is asked for.
	Confirm string            `json:"confirm,omitempty"`
	Empty   []geored.SiteName `json:"empty,omitempty"` // sites that lost all of it
	Again   []string          `json:"again,omitempty"` // topics to be copied from their beginning
	// MayLose says that the outage was longer than records are kept, or that nobody knows how long they are: what is gone may
	// not show.
	MayLose bool `json:"mayLose,omitempty"`
	// GivesUp is the site whose writes are given up. Zero: none is.
	GivesUp geored.SiteName `json:"givesUp,omitempty"`
}

// Reason is the decision in one line.
func (d Decision) Reason() string {
	return fmt.Sprintf("%s: %s; left out: %s", d.Cure, strings.Join(d.Because, "; "), d.Without)
}

// confirmation names what is given up, and stands for these things alone: another outage of others has another value.
func confirmation(what string, of ...string) string {
	return fmt.Sprintf("%s-%.4x", strings.ReplaceAll(what, " ", "-"), sha256.Sum256([]byte(strings.Join(of, "\x00"))))
}

// authKeyspace is Cassandra's own, and repaired whatever its gc_grace: it cannot be rebuilt. Beyond gc_grace a person must
// confirm that.
const authKeyspace = "system_auth"

// DecideCassandra decides for each keyspace. Limits that could not be read leave nothing but the proof.
func DecideCassandra(o Outage, limits cassandra.Limits) []Decision {
	var keyspaces []string
	for _, t := range limits.Tables {
		keyspaces = append(keyspaces, t.Keyspace)
	}
	slices.Sort(keyspaces)
	keyspaces = slices.Compact(keyspaces)
	if len(keyspaces) == 0 {
		keyspaces = []string{""}
	}
	var decisions []Decision
	for _, keyspace := range keyspaces {
		decisions = append(decisions, decideKeyspace(o, limits, keyspace))
	}
	return decisions
}

func decideKeyspace(o Outage, limits cassandra.Limits, keyspace string) Decision {
	d := Decision{Store: storeCassandra, Part: "keyspace " + keyspace}
	limits = limitsOf(keyspace, limits)
	cure, reasons := limits.Cure(o.Most)
	if grace := shortestGrace(limits); grace > 0 {
		d.Seen = append(d.Seen, fmt.Sprintf("deletions are remembered for %s: no repair brings them back if the sites were together after %s", grace, clockText(o.Asked.Add(-grace))))
	}
	for _, u := range limits.Unknown {
		d.Silent = append(d.Silent, u.Target.String()+": "+u.Reason)
	}
	_, always := limits.Cure(0)
	for _, reason := range reasons {
		if !slices.Contains(always, reason) { // else it holds however short the outage was
			reason = fmt.Sprintf("outage %s > %s", o, reason)
		}
		d.Because = append(d.Because, reason)
	}
	switch {
	case cure == cassandra.Rebuild && keyspace != authKeyspace:
		d.Cure, d.Without = RebuildCure, "a repair brings rows back that were deleted during the outage"
	case cure == cassandra.Repair || cure == cassandra.Rebuild:
		d.Cure, d.Without = RepairCure, "rows written during the outage stay missing at one site, and nobody is told"
		if cure == cassandra.Repair && mayHideOlder(o, d.Part, limits) {
			d.Because = append(d.Because, "nobody said how long the sites were apart, and nothing proves that they held the same before: of an older outage that nobody recovered from, a repair brings deleted rows back")
			d.Confirm = confirmation("no-older-outage", o.Known)
		}
		if cure == cassandra.Rebuild {
			d.Seen = append(d.Seen, "users and roles that were dropped during the outage may come back: look at LIST ROLES afterwards")
			d.Confirm = confirmation("dropped-roles-may-come-back", o.Known)
		}
	case cure == cassandra.AwaitHints:
		d.Cure, d.Without = AwaitCure, "hints that were dropped all the same stay unnoticed: servers do not tell of them"
		d.Because = []string{fmt.Sprintf("outage %s <= every hint window, the shortest %s", o, shortestWindow(limits))}
	default:
		d.Cure, d.Without = ProveCure, "rows may be missing at one site, and a cure chosen without its limits may bring deleted rows back"
		d.Because = []string{"the limits are not known, so that no cure is safe unless the sites are shown to be equal"}
	}
	return d
}

// decideLeft leaves a keyspace alone that is not to be had alike in all sites.
func decideLeft(keyspace, why string) Decision {
	return Decision{Store: storeCassandra, Part: "keyspace " + keyspace, Cure: LeaveCure, Because: []string{why}, Without: "it is left as it is: what one site alone has of it stays there"}
}

// mayHideOlder says that an outage whose length was found may have an older one behind it, of which deletions are forgotten: a
// handshake shows that the link was up, and not that the sites held the same.
func mayHideOlder(o Outage, part string, limits cassandra.Limits) bool {
	since, known := o.sinceProven(part)
	return o.Found && (!known || since > shortestGrace(limits))
}

// shortestGrace is the shortest gc_grace; zero: none is known.
func shortestGrace(limits cassandra.Limits) time.Duration {
	var shortest time.Duration
	for i, t := range limits.Tables {
		if i == 0 || t.GCGrace < shortest {
			shortest = t.GCGrace
		}
	}
	return shortest
}

// limitsOf are the limits with the tables of one keyspace alone.
func limitsOf(keyspace string, limits cassandra.Limits) cassandra.Limits {
	limits.Tables = slices.DeleteFunc(slices.Clone(limits.Tables), func(t cassandra.TableLimits) bool { return t.Keyspace != keyspace })
	return limits
}

func shortestWindow(limits cassandra.Limits) time.Duration {
	shortest := limits.Sites[0].HintWindow
	for _, s := range limits.Sites {
		shortest = min(shortest, s.HintWindow)
	}
	return shortest
}

// MirrorFacts are what is known of one mirror of Kafka.
type MirrorFacts struct {
	Mirror    kafka.Mirror
	Positions []kafka.Position
	Past      kafka.MirrorHistory        // how it stood when the last recovery ended; zero: not known
	Seen      kafka.MirrorHistory        // the same, and what was seen since
	Retention map[string]kafka.Retention // by topic; one that is missing is not known
	Status    geored.Finding             // what Connect says of its connectors
	Err       error                      // why the rest is not known
}

// DecideMirror decides for one mirror.
func DecideMirror(o Outage, f MirrorFacts) Decision {
	d := Decision{Store: storeKafka, Part: partOf(f.Mirror), Cure: AwaitCure,
		Because: []string{fmt.Sprintf("outage %s <= the retention of every mirrored topic", o)},
		Without: "a mirror that stands still is not noticed: Connect says RUNNING all the same"}
	var lost, short []string
	open, told := map[kafka.Partition]bool{}, map[kafka.Partition]int64{}
	for _, t := range f.Past.Tracks {
		told[t.Partition] = t.Next
	}
	for _, p := range f.Positions {
		if gone := p.Source.Start - max(p.Next, told[p.Partition]); p.Problem == "" && p.Next >= 0 && gone > 0 {
			open[p.Partition] = true
			lost = append(lost, fmt.Sprintf("%s: its log begins at %d > %d, the next offset to be copied", p.Partition, p.Source.Start, p.Next))
		}
		switch kept, ok := f.Retention[p.Topic]; {
		case p.Problem != "":
			d.Silent = append(d.Silent, p.String()+": "+p.Problem)
		case !ok:
			d.Silent = append(d.Silent, p.Topic+": its retention is not known")
		case kept.Delete && kept.Time >= 0 && o.Most > kept.Time:
			short = append(short, fmt.Sprintf("outage %s > retention.ms %s of %s", o, kept.Time, p.Topic))
		case kept.Compact && o.Most > kept.Tombstones:
			short = append(short, fmt.Sprintf("outage %s > delete.retention.ms %s of %s", o, kept.Tombstones, p.Topic))
		case kept.Delete && kept.Bytes >= 0:
			d.Unknown = append(d.Unknown, fmt.Sprintf("%s: retention.bytes %d removes records as fast as others are written", p.Topic, kept.Bytes))
		}
	}
	if f.Err != nil {
		d.Silent = append(d.Silent, f.Err.Error())
	}
	var again []string
	d.Again, again = madeAnew(f)
	lost, short = append(lost, lossesIn(f.Seen, open)...), unique(short)
	d.Unknown, d.Silent = unique(d.Unknown), unique(d.Silent)
	d.MayLose = len(short)+len(d.Unknown)+len(d.Silent) > 0 || len(f.Positions) == 0
	switch failed := f.Status.Verdict == geored.Fail; {
	case len(lost) > 0:
		d.Cure, d.Because, d.Without = LostCure, lost, "records that the source removed before they were copied are missing at the other site for good, and lag 0 hides it"
		d.Because = append(d.Because, again...)
	case len(again) > 0:
		d.Cure, d.Because, d.Without = AgainCure, again, "what the new topic holds up to the old one's position is never copied, and lag 0 hides it"
	case failed:
		d.Cure, d.Because = RestartCure, []string{"not every connector and task of it is RUNNING, and what FAILED stays so until it is restarted"}
		d.Without = "nothing is mirrored until somebody restarts it"
		d.Because = append(d.Because, short...)
	case len(d.Unknown)+len(d.Silent) > 0 || len(f.Positions) == 0 || len(short) > 0:
		d.Cure, d.Because = ProveCure, short
		d.Without = "records that were removed before they were copied stay unnoticed: lag is 0 after that too"
		if len(short) == 0 {
			d.Because = []string{"the retention of every topic and the position in it are not all known"}
		}
	}
	d.Seen = []string{f.Status.Message}
	return d
}

// SearchFacts are what is known of one site's index.
type SearchFacts struct {
	Site   geored.SiteName
	Job    string    // the CronJob that refills it; zero: there is none
	Filled time.Time // when it was last filled; zero: not known
	Err    error     // why the rest is not known
}

// DecideSearch decides for one site's index. It is filled from Cassandra, so that what was in it before Cassandra was
// brought together proves nothing.
func DecideSearch(o Outage, f SearchFacts) Decision {
	d := Decision{Store: storeSearch, Part: indexOf + string(f.Site), Cure: RefillCure,
		Without: "searches at one site do not find what was written at the other, until the job's own day comes"}
	switch {
	case f.Err != nil:
		d.Silent, d.Because = []string{f.Err.Error()}, []string{"when it was filled is not known"}
	case f.Filled.IsZero():
		d.Because = []string{"it is not known to have been filled ever"}
	default:
		d.Because = []string{"it was filled before Cassandra was brought together after the outage " + o.String()}
		d.Seen = []string{"last filled " + clockText(f.Filled)}
	}
	if f.Job == "" {
		d.Cure, d.Because = ProveCure, []string{"no job refills it: it can only be held against Cassandra"}
	}
	return d
}

// ObjectFacts are what is known of the mirrors of objects.
type ObjectFacts struct {
	Mechanism  objectstore.Mechanism
	Started    map[geored.SiteName]time.Time // each site's mirror; zero or missing: not known
	Sites      []geored.SiteName
	Removes    bool
	Versioning objectstore.Versioning
	Conflicts  []string          // objects that both sites changed
	Absent     []geored.SiteName // sites that have no such bucket any more
	Err        error             // why the differences are not known
}

// DecideObjects decides for the buckets.
func DecideObjects(o Outage, f ObjectFacts) (Decision, error) {
	d := Decision{Store: storeObjects, Part: "bucket " + filesBucket, Cure: AwaitCure}
	var survived []string
	for _, site := range f.Sites {
		if started := f.Started[site]; started.IsZero() {
			survived = append(survived, fmt.Sprintf("when the mirror of %s began is not known", site))
		} else if !started.After(o.Began) {
			survived = append(survived, fmt.Sprintf("the mirror of %s began on %s, before the outage %s: it was never told of what it missed", site, clockText(started), o))
		}
	}
	outage := objectstore.Outage{Length: o.Most, Mechanism: f.Mechanism, MirrorSurvived: len(survived) > 0, Removes: f.Removes, Versioning: f.Versioning}
	r, err := outage.Recover()
	if err != nil {
		return d, err
	}
	d.Because, d.Without = []string{"every mirror began after the outage did, and lists everything when it begins"}, "objects of equal size that differ stay so: a mirror compares sizes and times"
	if n := len(f.Conflicts); n > 0 { // only a mirror that lists everything carries over what both have
		r.Reset = true
		survived = append(survived, fmt.Sprintf("%d objects were changed at both sites, such as %s: a restarted mirror keeps one version and does not say which", n, f.Conflicts[0]))
	}
	if r.Reset {
		d.Cure, d.Because, d.Without = ResetCure, survived, "what was written during the outage is not copied until a mirror happens to be restarted"
	}
	for _, site := range f.Absent {
		d.Cure, d.Empty = ResetCure, f.Absent
		d.Because = append(d.Because, fmt.Sprintf("%s has no bucket %s any more: what was there alone is gone", site, filesBucket))
	}
	for _, finding := range r.Findings {
		d.Seen = append(d.Seen, finding.Message)
	}
	if f.Err != nil {
		d.Silent = append(d.Silent, f.Err.Error())
	}
	return d, nil
}

func unique(lines []string) []string {
	slices.Sort(lines)
	return slices.Compact(lines)
}
