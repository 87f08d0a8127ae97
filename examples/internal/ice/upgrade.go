package ice

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka"
	meshkube "github.com/georedkit/georedkit/mesh/kube"
)

// CheckSkew is the check of the versions that run at the same time.
const CheckSkew geored.CheckID = "ice/skew"

// Upgrading is an upgrade of the product (ICE guide, 6).
type Upgrading struct {
	*Deployment
	Backups []Backup // none: a person must confirm that there is none
	// Patience is how long the gates behind a site's upgrade may take before it is rolled back. Zero: the applications'
	// timeout.
	Patience time.Duration
	Clock    geored.Clock // zero: the machine's
}

// gates are the checks that must pass before a site is touched and behind it.
var gates = []geored.CheckID{meshkube.CheckHandshake, meshkube.CheckServices, CheckNameServers, "dns/remote-only", "dns/own-api",
	cassandra.CheckNodes, cassandra.CheckView, cassandra.CheckGossip, cassandra.CheckSchema, cassandra.CheckReplication, CheckRows,
	kafka.CheckStatus, kafka.CheckPosition, checkObjects, CheckPods, CheckMultiCassKop, CheckPassword}

// gated are the gates with all that they need.
func (u Upgrading) gated() []geored.Check {
	all, wanted := u.Deployment.Checks(), slices.Clone(gates)
	for i := 0; i < len(wanted); i++ {
		for _, c := range all {
			if c.ID == wanted[i] {
				wanted = append(wanted, c.Needs...)
			}
		}
	}
	checks := slices.DeleteFunc(all, func(c geored.Check) bool { return !slices.Contains(wanted, c.ID) })
	return append(checks, u.skewCheck())
}

// Runbook upgrades one site after the other, with gates before, between and behind, does what the guide asks for at the end of
// an installation (ICE guide, 4.4.8), and records what stands then.
func (u Upgrading) Runbook() geored.Runbook {
	book := geored.Runbook{Name: "ice-upgrade", Stages: []geored.Stage{u.before()}}
	for _, site := range u.Topology.Sites {
		book.Stages = append(book.Stages, u.site(site.Name))
	}
	record := u.recordStage()
	bind := record.Bind
	record.Bind = func(ctx context.Context) ([]geored.Task, error) {
		tasks, err := bind(ctx)
		for i := range tasks { // it was there before: to take the upgrade back is to record what stands then
			tasks[i].Undo, tasks[i].Gone, tasks[i].Permanent = nil, nil, keepsRecord
		}
		return tasks, err
	}
	for i := range record.Outline {
		record.Outline[i].Permanent, record.Outline[i].ManualUndo = keepsRecord, nil
	}
	book.Stages = append(book.Stages, u.waiting(u.finish()), record)
	return book
}

const keepsRecord = "it tells of what stands, which is kept"

func (u Upgrading) version() string { return u.charts.version(ProductChart) }

// before asks for the backup, and for sites that are whole: an upgrade does not heal.
func (u Upgrading) before() geored.Stage {
	backup := geored.Step{ID: "before/backup", Target: "a backup of every store", Action: geored.Await, Reason: "what an upgrade does to the schema is not taken back by rolling the release back (ICE guide, 6)"}
	detail := "a person answers for that there is none"
	if len(u.Backups) == 0 {
		backup.Confirm = "no-backup-before-" + u.version()
	} else {
		var told []string
		for _, b := range u.Backups {
			told = append(told, fmt.Sprintf("%s of %s, %.19s…", b.Store, b.Time.UTC().Format(time.RFC3339), b.Digest))
		}
		detail = strings.Join(told, "; ")
	}
	back := geored.Step{ID: "before/way-back", Target: "release " + productNamespace + "/" + productRelease + " in every site", Action: geored.Execute, Needs: []geored.StepID{backup.ID},
		Reason: "a way back that was killed or refused comes to its end first: no gate passes in the middle of one", Permanent: "it is a way back itself"}
	whole := geored.Step{ID: "before/gates", Target: "all sites", Action: geored.Await, Needs: []geored.StepID{back.ID},
		Reason: "mesh, DNS, ring, schema, rows, positions and objects are as they should be before anything is touched"}
	stage := geored.StageOf("before",
		geored.Task{Step: backup, Observe: func(context.Context) (geored.State, error) { return geored.State{Done: true, Detail: detail}, nil }},
		geored.Task{Step: back, Observe: u.noneIsOnItsWayBack, Apply: u.comeBack, Timeout: 2*u.patience() + time.Minute},
		geored.Task{Step: whole, Observe: func(ctx context.Context) (geored.State, error) {
			if begun, err := u.begun(ctx); err != nil || begun {
				return geored.State{Done: begun, Detail: "a site has " + u.version() + " already: its own gates come next"}, err
			}
			return gatesPass(ctx, "all gates pass", append(u.gated(), u.undrifted(ctx)...)...)
		}})
	bind := stage.Bind
	stage.Bind = func(ctx context.Context) ([]geored.Task, error) {
		if err := tooOld(u.Backups, u.clock().Now()); err != nil {
			if begun, unknown := u.begun(ctx); !begun { // else the backup to go back to is the one from before
				return nil, errors.Join(err, unknown)
			}
		}
		return bind(ctx)
	}
	return stage
}

// undrifted are the checks that hold the sites against their record: what an upgrade finds it records at its end, and what
// somebody changed by hand must not pass for meant. Of values alone that are upgraded a killed run may have left half.
func (u Upgrading) undrifted(ctx context.Context) []geored.Check {
	areas := u.areas()
	recorded, err := u.recordedChart(ctx, u.Topology.Sites[0].Name)
	values := err == nil && recorded == u.wanted()
	return slices.DeleteFunc(u.driftChecks(), func(c geored.Check) bool {
		return values && c.ID == CheckDriftReleases || !slices.ContainsFunc(areas, func(a area) bool { return a.check == c.ID })
	})
}

// wanted is the chart that is upgraded to.
func (u Upgrading) wanted() string { return ProductChart + "-" + u.version() }

// begun says whether sites were upgraded by a run that was killed: the first ones have the very chart, and one of them was not
// recorded with it. The gates of the sites decide then, and lead back when they fail: the ones before the upgrade would wait for
// what only the way back mends. What somebody upgraded by hand, or out of the order, is no such run.
func (u Upgrading) begun(ctx context.Context) (bool, error) {
	chart, err := u.charts.get(ctx, ProductChart)
	if err != nil {
		return false, err
	}
	unrecorded, behind := false, false
	for _, site := range u.Topology.Names() {
		have, found, err := u.releases(site).Installed(ctx, productRelease, productNamespace)
		if err != nil {
			return false, fmt.Errorf("site %s: %w", site, err)
		}
		if !found || have.Chart != u.wanted() {
			behind = true
			continue
		}
		if behind || !have.Of(chart) {
			return false, nil
		}
		without, err := u.unrecorded(ctx, site)
		if err != nil {
			return false, err
		}
		unrecorded = unrecorded || without
	}
	return unrecorded, nil
}

// unrecorded says that a site was not recorded with the version.
func (u Upgrading) unrecorded(ctx context.Context, site geored.SiteName) (bool, error) {
	recorded, err := u.recordedChart(ctx, site)
	if err != nil {
		return false, fmt.Errorf("site %s: its record: %w", site, err)
	}
	return recorded != u.wanted(), nil
}

// recordedChart is the product's when the last installation or upgrade came to its end. Zero: no record tells.
func (u Upgrading) recordedChart(ctx context.Context, site geored.SiteName) (string, error) {
	record, found, err := u.readRecord(ctx, site)
	if err != nil || !found {
		return "", err
	}
	for _, t := range record.Things {
		if t.Name == "release "+productNamespace+"/"+productRelease {
			return t.Facts["chart"], nil
		}
	}
	return "", nil
}

func (u Upgrading) patience() time.Duration {
	if u.Patience > 0 {
		return u.Patience
	}
	return u.Topology.Applications.Timeout
}

// site upgrades one site and proves it: what does not pass in time is rolled back, and ends the run.
func (u Upgrading) site(site geored.SiteName) geored.Stage {
	stage := "upgrade-" + string(site)
	install := u.productStep(stage, site, "ice/ice_"+string(site)+".json", "one site after the other: the others serve meanwhile (ICE guide, 6)", u.productValues(site))
	install.Permanent = "it is rolled back when a gate behind it does not pass"
	proof := geored.Step{ID: stepID(stage, site, "gates"), Site: site, Target: "release " + productNamespace + "/" + productRelease, Action: geored.Execute, Needs: []geored.StepID{install.ID},
		Reason:    "the site is whole on the new version, and so is what it shares with the others; else it goes back to the old one",
		Permanent: "a proof has nothing to take back", Manual: []string{u.Clusters[site].Helm("-n " + productNamespace + " rollback " + productRelease)}}
	return geored.Stage{Name: stage, Outline: []geored.Step{install, proof}, Bind: func(ctx context.Context) ([]geored.Task, error) {
		task, err := u.productTask(ctx, install, u.productValues(site))
		if err != nil {
			return nil, err
		}
		have, found, err := u.releases(site).Installed(ctx, productRelease, productNamespace)
		if err == nil && !found {
			err = fmt.Errorf("site %s: %s is not installed: there is nothing to upgrade", site, productRelease)
		}
		g := gate{u, site, u.oldChart(ctx, site, have.Chart)}
		task.Apply, task.Timeout = g.orFailed(task.Apply), 2*u.patience()+time.Minute
		proven := geored.Task{Step: proof, Observe: g.lasting, Apply: func(ctx context.Context) error { return g.orBack(ctx, g.woken) }, Timeout: 2*u.patience() + time.Minute}
		if have.Chart == u.wanted() { // a run that was killed did that
			proven.Observe = g.goesOn
		}
		return []geored.Task{task, proven}, err
	}}
}

// orFailed takes a site back whose release Helm left half-way: no gate behind it would be asked.
func (g gate) orFailed(apply func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		limited, cancel := context.WithTimeout(ctx, g.patience()) // Helm waits for hooks as long as that, and no longer
		defer cancel()
		err := apply(limited)
		if err == nil || ctx.Err() != nil {
			return err
		}
		have, found, unknown := g.releases(g.site).Installed(ctx, productRelease, productNamespace)
		if unknown != nil || !found || have.Status != "failed" || have.Chart != g.wanted() {
			return err
		}
		return errors.Join(fmt.Errorf("the release of %s failed on %s: %w", g.site, g.version(), err), g.back(ctx))
	}
}

// oldChart is what a site had before: of a run that goes on after the installation, what the sites behind it still have, or
// what was recorded before.
func (u Upgrading) oldChart(ctx context.Context, site geored.SiteName, have string) string {
	wanted := u.wanted()
	if have != wanted {
		return have
	}
	for _, other := range u.others(site) {
		if i, found, err := u.releases(other).Installed(ctx, productRelease, productNamespace); err == nil && found && i.Chart != wanted {
			return i.Chart
		}
	}
	if before, err := u.recordedChart(ctx, site); err == nil && before != wanted {
		return before
	}
	return "" // all sites are upgraded
}

// gate is the proof of one site's upgrade.
type gate struct {
	Upgrading
	site geored.SiteName
	old  string // chart that it is rolled back to; "": it cannot be told
}

func (g gate) observe(ctx context.Context) (geored.State, error) { return g.look(ctx, gatesPass) }

// goesOn observes the gates of a site that an earlier run upgraded: they must go on passing, as for the run that upgrades. Where
// that run had begun a site behind it, they passed then: those of the last such site decide, which are over all sites. What is
// wrong there is no reason to take this one back.
func (g gate) goesOn(ctx context.Context) (geored.State, error) {
	if next, err := g.begunBehind(ctx); err != nil || next != "" {
		return geored.State{Done: next != "", Detail: fmt.Sprintf("they passed before %s was upgraded, whose gates decide now", next)}, err
	}
	return g.lasting(ctx)
}

func (g gate) lasting(ctx context.Context) (geored.State, error) { return g.lasts(ctx, g.observe) }

// lasts is what is there at once and stays for as long as it must: what crashes again and again passes in between.
func (u Upgrading) lasts(ctx context.Context, look func(context.Context) (geored.State, error)) (geored.State, error) {
	state, err := look(ctx)
	if err != nil || !state.Done {
		return state, err
	}
	return u.holds(ctx, look)
}

// begunBehind is a site behind this one that has the version and was not recorded with it. Zero: there is none.
func (g gate) begunBehind(ctx context.Context) (geored.SiteName, error) {
	names := g.Topology.Names()
	for _, site := range names[slices.Index(names, g.site)+1:] {
		have, found, err := g.releases(site).Installed(ctx, productRelease, productNamespace)
		if err != nil {
			return "", fmt.Errorf("site %s: %w", site, err)
		}
		if !found || have.Chart != g.wanted() {
			continue
		}
		without, err := g.unrecorded(ctx, site)
		if err != nil {
			return "", err
		}
		if without {
			return site, nil
		}
	}
	return "", nil
}

// gatesPass is [proven] for checks that read whole stores.
func gatesPass(ctx context.Context, done string, checks ...geored.Check) (geored.State, error) {
	return prove(ctx, geored.CheckConfig{Budget: GateBudget}, checks, func(geored.Report) string { return done }, inWords)
}

// GateBudget is for one check of the gates, and of the proof at the end: they read whole stores. A step's own time ends it too.
const GateBudget = 30 * time.Minute

// evidence is what is observed, where what cannot be told is an error.
func (g gate) evidence(ctx context.Context) (geored.State, error) { return g.look(ctx, provenOrSilent) }

// woken is the evidence, with the pods of rallypoint that do not run deleted until it is there (ICE guide, 4.4.5).
func (g gate) woken(ctx context.Context) (geored.State, error) {
	state, err := g.evidence(ctx)
	if err != nil || state.Done {
		return state, err
	}
	if err := g.stillHeld(ctx); err != nil {
		return state, err
	}
	if err := g.rallypointTask(geored.Step{Site: g.site}).Apply(ctx); err != nil {
		state.Detail += "; rallypoint: " + err.Error()
	}
	return state, nil
}

func (g gate) look(ctx context.Context, proven func(context.Context, string, ...geored.Check) (geored.State, error)) (geored.State, error) {
	jobs, err := g.jobs(ctx, g.site)
	if err != nil {
		return geored.State{}, err
	}
	if state := judgeModelManager(jobs); !state.Done {
		return state, nil
	}
	return proven(ctx, "all gates pass on "+g.version(), g.gated()...)
}

// provenOrSilent is [proven], but when no check fails, and some cannot tell, that is an error.
func provenOrSilent(ctx context.Context, done string, checks ...geored.Check) (geored.State, error) {
	var silent error
	state, err := prove(ctx, geored.CheckConfig{Budget: GateBudget}, checks, func(geored.Report) string { return done }, func(f geored.Finding) string {
		if f.Verdict == geored.Unknown {
			silent = errors.New(inWords(f))
		}
		return inWords(f)
	})
	return state, errors.Join(err, silent)
}

// orBack waits for the gates, and for them to pass for a while: what crashes again and again passes in between. When they do
// not in time, and it can be told why, the release goes back to what it was. Silence is no reason to: then nothing is changed,
// and the run ends where it is.
func (g gate) orBack(ctx context.Context, look func(context.Context) (geored.State, error)) error {
	end := g.clock().Now().Add(g.patience())
	state, err := g.awaited(ctx, end, look)
	for state.Done && err == nil {
		if state, err = g.holds(ctx, look); state.Done && err == nil {
			return nil
		}
		if g.clock().Now().Before(end) {
			state, err = g.awaited(ctx, end, look)
		}
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("the gates of %s cannot be asked, and nothing was rolled back: %w", g.site, err)
	}
	return errors.Join(fmt.Errorf("a gate of %s does not pass on %s: %s", g.site, g.version(), state.Detail), g.back(ctx))
}

// steady is how long gates must go on passing.
const steady = 10 * time.Second

func (u Upgrading) clock() geored.Clock {
	if u.Clock == nil {
		return geored.SystemClock()
	}
	return u.Clock
}

// stillHeld says that no other run took the lock over while this one waited.
func (g gate) stillHeld(ctx context.Context) error {
	lock := g.held()
	if lock == nil {
		return nil
	}
	return lock.Check(ctx)
}

// awaited looks again and again until what is waited for is there, or the end has come. It gives the last look.
func (u Upgrading) awaited(ctx context.Context, end time.Time, look func(context.Context) (geored.State, error)) (geored.State, error) {
	for {
		state, err := look(ctx)
		if err == nil && state.Done || !u.clock().Now().Before(end) || u.clock().Sleep(ctx, time.Second) != nil {
			return state, err
		}
	}
}

// holds looks again and again for as long as what is there must stay. It gives the first look that does not see it, or the last.
func (u Upgrading) holds(ctx context.Context, look func(context.Context) (geored.State, error)) (state geored.State, err error) {
	for until := u.clock().Now().Add(steady); ; {
		if err := u.clock().Sleep(ctx, time.Second); err != nil {
			return geored.State{}, err
		}
		if state, err = look(ctx); err != nil || !state.Done || !u.clock().Now().Before(until) {
			return state, err
		}
	}
}

// onItsWayBack are the sites with their charts whose rollback did not come to its end.
func (u Upgrading) onItsWayBack(ctx context.Context) ([]gate, error) {
	var gates []gate
	for _, site := range u.Topology.Names() {
		have, found, err := u.releases(site).Installed(ctx, productRelease, productNamespace)
		if err != nil {
			return nil, fmt.Errorf("site %s: %w", site, err)
		}
		if found && have.RollingBack {
			gates = append(gates, gate{u, site, have.Chart})
		}
	}
	return gates, nil
}

func (u Upgrading) noneIsOnItsWayBack(ctx context.Context) (geored.State, error) {
	gates, err := u.onItsWayBack(ctx)
	if err != nil || len(gates) == 0 {
		return geored.State{Done: err == nil, Detail: "no site is on its way back"}, err
	}
	return geored.State{Detail: fmt.Sprintf("the way of %s back to %s was interrupted", gates[0].site, gates[0].old)}, nil
}

func (u Upgrading) comeBack(ctx context.Context) error {
	gates, err := u.onItsWayBack(ctx)
	if err != nil {
		return geored.Retriable(err)
	}
	for _, g := range gates {
		if _, err := g.rollBack(ctx); err != nil {
			return err
		}
		if err := g.settled(ctx); err != nil {
			return err
		}
	}
	return nil
}

// rollBack brings the release back to the old chart, for whoever still holds the lock.
func (g gate) rollBack(ctx context.Context) (revision int, err error) {
	if err := g.stillHeld(ctx); err != nil {
		return 0, fmt.Errorf("it is not rolled back: %w", err)
	}
	if g.old == "" {
		return 0, errors.New("it is not rolled back: no site tells what it was before; type: " + g.Clusters[g.site].Helm("-n "+productNamespace+" rollback "+productRelease))
	}
	if revision, err = g.releases(g.site).RollBack(ctx, productRelease, productNamespace, g.old); err != nil {
		return 0, fmt.Errorf("roll back to %s: %w", g.old, err)
	}
	return revision, nil
}

func (g gate) back(ctx context.Context) error {
	revision, err := g.rollBack(ctx)
	if err != nil {
		return err
	}
	return errors.Join(fmt.Errorf("the release of %s was rolled back to revision %d, %s; no other site was touched after it", g.site, revision, g.old), g.settled(ctx))
}

// settled waits until what a site was rolled back to runs.
func (g gate) settled(ctx context.Context) error {
	state, err := g.awaited(ctx, g.clock().Now().Add(g.patience()), func(ctx context.Context) (geored.State, error) {
		jobs, err := g.jobs(ctx, g.site)
		if state := judgeModelManager(jobs); err != nil || !state.Done {
			return state, err
		}
		return g.podsRun(ctx, g.site, arcusNamespace)
	})
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("whether it runs again cannot be told: %w", err)
	case !state.Done:
		return fmt.Errorf("it does not run again yet: %s", state.Detail)
	}
	return nil
}

// Checks are those of the installation with the target's version.
func (u Upgrading) Checks() []geored.Check {
	return append(u.Deployment.Checks(), u.skewCheck())
}

func (u Upgrading) skewCheck() geored.Check {
	return geored.Check{ID: CheckSkew, Title: "no more than two versions of the product run at once, one after the other", Run: func(ctx context.Context) []geored.Finding {
		answers := geored.Ask(ctx, u.every("release"), func(ctx context.Context, t geored.Target) (string, error) {
			have, found, err := u.releases(t.Site).Installed(ctx, productRelease, productNamespace)
			if err == nil && !found {
				err = errors.New(productRelease + " is not installed")
			}
			return versionOf(have.Chart), err
		})
		return []geored.Finding{judgeSkew(answers, u.version())}
	}}
}

// judgeSkew allows two versions of one major and minor number, the newer of which is the one that is upgraded to.
func judgeSkew(answers geored.Answers[string], target string) geored.Finding {
	f := geored.Finding{Verdict: geored.Pass}
	found := map[string]bool{}
	for t, version := range answers.All() {
		found[version] = true
		f.Evidence = append(f.Evidence, fmt.Sprintf("%s has %s", t.Site, version))
		if line(version) != line(target) {
			f.Verdict, f.Message = geored.Fail, fmt.Sprintf("%s of %s and %s are too far apart to run together", version, t.Site, target)
			f.Remedy = "upgrade through the versions between, as the vendor's upgrade guide has it"
		}
		if isOlder(target, version) {
			f.Verdict, f.Message = geored.Fail, fmt.Sprintf("%s of %s is newer than %s: an upgrade does not lead back", version, t.Site, target)
			f.Remedy = "name " + version + " or a newer one with -chart-version"
		}
	}
	delete(found, target)
	switch {
	case f.Verdict == geored.Fail:
	case len(found) > 1:
		f.Verdict, f.Message, f.Remedy = geored.Fail, fmt.Sprintf("%d versions besides %s run", len(found), target), "bring all sites to one of them first"
	case len(found) == 1:
		f.Message = "two versions run, of one line"
	default:
		f.Message = "all sites have " + target
	}
	return answers.Conclude(f)
}

// line is the major and minor number of a version.
func line(version string) string {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 3 {
		return version
	}
	return parts[0] + "." + parts[1]
}
