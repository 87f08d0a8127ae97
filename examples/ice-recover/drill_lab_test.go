//go:build lab

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/examples/internal/ice"
	"github.com/georedkit/georedkit/geored"
	product "github.com/georedkit/georedkit/internal/laboratory/ice"
)

// drill is a fault of the whole product, with messages written meanwhile, and what must come of it.
type drill struct {
	name   string
	fault  string     // in words
	before func(*rig) // shortens limits, say
	strike func(*rig) // brings the fault about and returns when it bites
	during func(*rig) // what else happens while it lasts; nil: nothing
	mend   func(*rig)
	lasts  time.Duration     // from the strike to the mend, at least
	writes []geored.SiteName // where messages are written meanwhile; nil: everywhere
	leaky  bool              // what is written at one site may be at the other, or be gone
	early  bool              // nothing is written shortly before the end
	late   bool              // ice-recover is started when the fault is mended, not before
	args   func(*rig, time.Time) []string
	lost   func(*rig, result)    // what cannot be recovered, and must be told; nil: nothing
	does   []geored.StepID       // steps that must have changed something
	after  func(*rig)            // takes back what before did
	own    func(*rig, time.Time) // what is done between the mend and a late recovery; nil: nothing
}

// Each fault strikes while messages are written, the product is recovered, and what the guide's checks, ours and the proof
// say of it goes into docs/drills.json. The drills come one after another, each upon what the one before left.
func TestDrills(t *testing.T) {
	var order []string
	for _, d := range drills {
		order = append(order, d.name)
	}
	for _, d := range drills {
		t.Run(d.name, func(t *testing.T) {
			r := newRig(t)
			r.row = drilled{Drill: d.name, Fault: d.fault, Date: time.Now().UTC().Truncate(time.Second)}
			t.Cleanup(func() {
				r.row.Green, r.row.Load = !t.Failed(), load()
				if t.Failed() {
					r.forget()
				}
				if err := r.row.keep(order); err != nil {
					t.Error(err)
				}
			})
			r.carryOut(d)
			r.tellsNoSecret()
		})
	}
}

// forget lets the next drill begin anew where this one's recovery did not come to its end.
func (r *rig) forget() {
	for _, cluster := range r.Clusters {
		err := cluster.Client().CoreV1().ConfigMaps(metav1.NamespaceSystem).Delete(context.WithoutCancel(r.t.Context()), "ice-recover", metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			r.t.Error(err)
		}
	}
}

// pass says what some of the checks find, and whether all of them pass; those that they need are among them.
func (r *rig) pass(ids ...geored.CheckID) (string, bool) {
	r.t.Helper()
	checks := slices.DeleteFunc(r.d.Beside(), func(c geored.Check) bool { return !slices.Contains(ids, c.ID) })
	report, err := geored.Prove(r.t.Context(), geored.CheckConfig{}, checks...)
	r.must(err)
	return fmt.Sprint(report.Findings), report.Verdict() == geored.Pass
}

// same says whether the sites hold the same objects and the same rows: equal counts may be of others.
func (r *rig) same() (string, bool) {
	return r.pass("objectstore/equal", cassandra.CheckNodes, ice.CheckRows)
}

// unfinished makes good for a drill that did not come to its end: the product is recovered from what it left.
func (r *rig) unfinished() {
	r.t.Helper()
	note, found, err := ice.SiteNotes{r.Clusters[r.Names[0]], r.Clusters[r.Names[1]]}.Load(r.t.Context())
	r.must(err)
	if _, same := r.same(); same && (!found || !note.Done.IsZero()) {
		return
	}
	r.forget()
	c := r.recover("-outage", "1h")()
	r.t.Logf("recovered from what was left before: exit code %d\n%s", c.code, c.stderr)
	r.journal = r.t.TempDir()
	r.Await("the sites hold the same", r.same)
}

func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "not known"
	}
	return strings.Fields(string(text))[0]
}

func (r *rig) carryOut(d drill) {
	r.t.Helper()
	r.settled()
	if d.after != nil {
		defer d.after(r) // and not when the test has ended: it still asks the sites
	}
	if d.before != nil {
		d.before(r)
	}
	writers := d.writes
	if writers == nil {
		writers = r.Names
	}
	since := time.Now()
	d.strike(r)
	r.write(10, writers...)
	if d.during != nil {
		d.during(r)
	}
	r.row.Guide, r.row.Ours, _ = r.opinions()
	if rest := d.lasts - time.Since(since); rest > 0 {
		time.Sleep(rest)
	}
	if !d.early {
		r.write(10, writers...)
	}
	if !d.leaky {
		r.apart(writers)
	}
	flags := func() []string {
		if d.args != nil {
			return d.args(r, since)
		}
		return []string{"-since", since.UTC().Format(time.RFC3339)}
	}
	var wait func() call
	if !d.late {
		wait = r.recover(flags()...)
		r.waits()
	}
	d.mend(r)
	mended := time.Now()
	r.row.Lasted = geored.RoundDuration(mended.Sub(since)).String()
	if d.own != nil {
		d.own(r, since)
	}
	if wait == nil {
		wait = r.recover(flags()...)
	}
	c := wait()
	r.row.ToVerdict = geored.RoundDuration(c.ended.Sub(mended)).String()
	r.judge(d, c)
	_, _, r.row.After = r.opinions()
}

// settled waits until both sites hold the same, in all stores.
func (r *rig) settled() {
	r.t.Helper()
	r.unfinished()
	for _, site := range r.Names {
		if _, err := r.Counts(site); err != nil && strings.Contains(err.Error(), "index_not_found") {
			r.Write(site, 1) // the first document makes the index
		}
	}
	r.Await("the sites hold as much", func() (string, bool) {
		a, err := r.Counts(r.Names[0])
		b, err2 := r.Counts(r.Names[1])
		r.base = product.Counts{Rows: a.Rows, Objects: a.Objects, Documents: a.Rows} // the index holds what the rows name, and no more
		return fmt.Sprint(a, b, err, err2), err == nil && err2 == nil && a.Rows == b.Rows && a.Objects == b.Objects
	})
}

// apart wants each site that was written at to have what was written there, and none of the other's.
func (r *rig) apart(sites []geored.SiteName) {
	r.t.Helper()
	for _, site := range sites {
		found, err := r.Counts(site)
		if want := r.with(site); err != nil || found.Rows != want.Rows || found.Objects != want.Objects {
			r.t.Fatalf("%s has %+v (%v), want %+v: what is written at one site is not there alone, and the fault does not bite", site, found, err, want)
		}
	}
}

// waits gives ice-recover the time to look at everything while the sites are apart, and to begin to wait.
func (r *rig) waits() {
	r.t.Helper()
	r.Await("ice-recover has looked at the sites", func() (string, bool) {
		r.goesOn()
		return "", r.recorded(geored.Evidence, "measure/missing")
	})
}

// recorded says whether the journal of ice-recover has a record of a step.
func (r *rig) recorded(kind geored.RecordKind, step geored.StepID) bool {
	text, err := os.ReadFile(filepath.Join(r.journal, "ice-recover.journal"))
	return err == nil && strings.Contains(string(text), fmt.Sprintf(`"kind":%q,"step":%q`, kind, step))
}

// opinions are what the guide's checks and ours say of the same things now, and where they disagree.
func (r *rig) opinions() (guide, ours, disagree string) {
	r.t.Helper()
	report, err := geored.Prove(r.t.Context(), geored.CheckConfig{Budget: time.Minute}, r.d.Beside()...)
	r.must(err)
	verdicts := map[bool]map[geored.CheckID][]geored.Verdict{true: {}, false: {}}
	for _, f := range report.Findings {
		of := verdicts[strings.HasPrefix(string(f.Check), "guide/")]
		of[f.Check] = append(of[f.Check], f.Verdict)
	}
	var different []string
	for _, f := range r.d.Review(report).Findings {
		if strings.HasPrefix(f.Message, "disagreement") {
			different = append(different, strings.TrimPrefix(string(f.Check), "guide/"))
		}
	}
	slices.Sort(different)
	return inWords(verdicts[true]), inWords(verdicts[false]), strings.Join(slices.Compact(different), ", ")
}

// inWords names what passes by its number, and the rest by name.
func inWords(verdicts map[geored.CheckID][]geored.Verdict) string {
	named, passed := map[geored.Verdict][]string{}, 0
	for id, all := range verdicts {
		if v := geored.Join(all...); v == geored.Pass {
			passed++
		} else {
			named[v] = append(named[v], strings.TrimPrefix(string(id), "guide/"))
		}
	}
	parts := []string{fmt.Sprintf("%d of %d pass", passed, len(verdicts))}
	for _, v := range []geored.Verdict{geored.Fail, geored.Unknown, geored.Warn} {
		if len(named[v]) > 0 {
			slices.Sort(named[v])
			parts = append(parts, fmt.Sprintf("%s: %s", v, strings.Join(named[v], ", ")))
		}
	}
	return strings.Join(parts, "; ")
}

// mayWarn are the checks that warn of what is no loss: limits that nobody can tell, records that were copied twice, and the guide's
// check that disagrees because the operator looks at Connect every two minutes only.
var mayWarn = []geored.CheckID{ice.CheckDecisions, ice.CheckLosses, ice.CheckRecords, "guide/5.1.1-mirror"}

// judge holds what the program reports against what the drill expects, and against what the sites hold.
func (r *rig) judge(d drill, c call) {
	r.t.Helper()
	found := r.parsed(c)
	r.tell(found)
	for _, f := range found.Findings {
		switch {
		case f.Check == ice.CheckRPO || f.Check == ice.CheckRTO:
			if f.Verdict != geored.Pass || len(f.Evidence) == 0 {
				r.t.Errorf("%s is not measured with its bounds: %s: %s %q", f.Check, f.Verdict, f.Message, f.Evidence)
			}
		case d.lost == nil && f.Verdict != geored.Pass && !(f.Verdict == geored.Warn && slices.Contains(mayWarn, f.Check)):
			r.t.Errorf("%s %s %s: %s: %s %q", f.Check, f.Site, f.To, f.Verdict, f.Message, f.Evidence)
		}
	}
	for _, step := range d.does {
		if !slices.Contains(r.changed(found), string(step)) {
			r.t.Errorf("%s had nothing to do, or did not see it", step)
		}
	}
	if d.lost != nil {
		if c.code != 1 || found.Verdict() != geored.Fail {
			r.t.Errorf("something is lost: exit code %d, verdict %s", c.code, found.Verdict())
		}
		d.lost(r, found)
		return
	}
	if c.code != 0 {
		r.t.Errorf("exit code %d\n%s", c.code, c.stderr)
	}
	r.holds(r.with(r.Names...), r.Names...)
}

// changed are the steps that did something to the stores.
func (r *rig) changed(found result) (steps []string) {
	for _, s := range found.Run.Steps {
		own := slices.Contains([]geored.StepID{"begin/note", "measure/missing", "measure/again", "mesh/outage", "objects/conflicts", "end/note"}, s.ID)
		if s.Status == geored.Changed && !own {
			steps = append(steps, string(s.ID))
		}
	}
	return steps
}

// tell logs a run and puts it into the row.
func (r *rig) tell(found result) {
	r.t.Helper()
	for _, s := range found.Run.Steps {
		r.t.Logf("%8s %s: %s %s%s", geored.RoundDuration(s.Took), s.ID, s.Status, s.Detail, s.Error)
	}
	var measured, lost []string
	for _, f := range found.Findings {
		r.t.Logf("%s %s %s: %s: %s", f.Check, f.Site, f.To, f.Verdict, f.Message)
		message, _, _ := strings.Cut(f.Message, ": the oldest of")
		switch {
		case f.Check == ice.CheckRPO && strings.Contains(message, "RPO"):
			measured = append(measured, fmt.Sprintf("%s to %s %s", f.Site, f.To, message))
		case f.Check == ice.CheckRTO:
			measured = append(measured, f.Message)
			if len(f.Evidence) > 0 {
				measured = append(measured, f.Evidence[0])
			}
		case f.Verdict == geored.Fail:
			lost = append(lost, fmt.Sprintf("%s: %s", f.Check, f.Message))
		}
	}
	r.row.Recovery, r.row.Measured = strings.Join(r.changed(found), ", "), strings.Join(measured, "; ")
	r.row.Proof = strings.Join(append([]string{string(found.Verdict())}, lost...), "; ")
}
