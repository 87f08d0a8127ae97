package ice

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/drift"
	"github.com/georedkit/georedkit/geored/geotest"
	"github.com/georedkit/georedkit/geored/kube/helm"
)

func upgrading(t *testing.T, n int, backups ...Backup) Upgrading {
	t.Helper()
	return Upgrading{Deployment: productOf(t, n), Backups: backups}
}

// Without a backup a person must say so, by the value that the plan names; with one nobody is asked.
func TestAnUpgradeWithoutABackupIsRefused(t *testing.T) {
	book := upgrading(t, 2).Runbook()
	result, err := book.Run(t.Context(), geored.RunConfig{Confirmed: map[geored.StepID]string{"before/backup": "yes"}})
	if err == nil || !strings.Contains(err.Error(), "before/backup=no-backup-before-3.5.41629") || result.Count(geored.Changed) > 0 {
		t.Errorf("%v, %+v", err, result)
	}
	for _, step := range upgrading(t, 2, Backup{Store: "cassandra"}).Runbook().Steps() {
		if step.Confirm != "" {
			t.Errorf("%s asks for %s", step.ID, step.Confirm)
		}
	}
}

func TestOneSiteAfterTheOther(t *testing.T) {
	book := upgrading(t, 3).Runbook()
	if err := book.Validate(); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, step := range book.Steps() {
		if !strings.HasPrefix(string(step.ID), "finish/") { // an installation has them too
			ids = append(ids, string(step.ID))
		}
	}
	if last := book.Stages[len(book.Stages)-2].Name; last != "finish" {
		t.Errorf("%s comes before the record", last)
	}
	want := []string{"before/backup", "before/way-back", "before/gates", "upgrade-dc1/dc1/install", "upgrade-dc1/dc1/gates", "upgrade-dc2/dc2/install", "upgrade-dc2/dc2/gates", "upgrade-dc3/dc3/install", "upgrade-dc3/dc3/gates",
		"record/dc1/configmap", "record/dc2/configmap", "record/dc3/configmap"}
	if !slices.Equal(ids, want) {
		t.Errorf("%v", ids)
	}
	for i, stage := range book.Stages {
		if stage.After != nil {
			t.Errorf("stage %d does not wait for the one before it", i)
		}
	}
}

// The gates before the upgrade wait for nothing that an upgrade brings about: they have the time of every step.
func TestTheGatesBeforeHaveNoPatience(t *testing.T) {
	tasks, err := upgrading(t, 2).before().Bind(t.Context())
	if err != nil || len(tasks) != 3 || tasks[2].ID != "before/gates" || tasks[2].Timeout != 0 {
		t.Errorf("%v, %v", tasks, err)
	}
}

// Every gate is a check that there is, with all that it needs.
func TestGatesAreChecks(t *testing.T) {
	u := upgrading(t, 2)
	found := map[geored.CheckID]bool{}
	for _, c := range u.gated() {
		found[c.ID] = true
	}
	for _, id := range append(slices.Clone(gates), CheckSkew) {
		if !found[id] {
			t.Errorf("%s is no check", id)
		}
	}
	for _, c := range u.gated() {
		for _, need := range c.Needs {
			if !found[need] {
				t.Errorf("%s needs %s, which is not asked", c.ID, need)
			}
		}
		if strings.HasPrefix(string(c.ID), "guide/") {
			t.Errorf("%s decides", c.ID)
		}
	}
}

func TestTheUpgradeKilledAnywhere(t *testing.T) {
	book := upgrading(t, 2, Backup{Store: "cassandra"}).Runbook()
	points := geotest.KillAnywhere(t, func(testing.TB) geotest.Rehearsal {
		var world geotest.World
		var locks geored.MemoryLocks
		return geotest.Rehearsal{Runbook: func() geored.Runbook { return world.Like(book) },
			Config: geored.RunConfig{Lock: locks.Lock("it", geored.Holder{})}, Effects: world.Effects, State: world.State}
	})
	if points < 5*len(book.Steps()) {
		t.Errorf("only %d points for %d steps", points, len(book.Steps()))
	}
}

func TestParseBackup(t *testing.T) {
	now := time.Date(2026, 11, 21, 18, 0, 0, 0, time.UTC)
	digest := "sha256:" + strings.Repeat("ab", 32)
	right := "backups:\n  - {store: cassandra, time: 2026-11-21T12:00:00Z, digest: \"" + digest + "\"}\n  - {store: minio, time: 2026-11-21T12:00:00Z, digest: \"" + digest + "\"}\n"
	if all, err := ParseBackup([]byte(right), now); err != nil || len(all) != 2 {
		t.Errorf("%v, %v", all, err)
	}
	for name, c := range map[string][3]string{
		"a store is missing": {"store: minio", "store: cassandra", "tell nothing of minio"},
		"a store of nobody":  {"store: minio", "store: tape", "is none of"},
		"no time":            {"2026-11-21T12:00:00Z", "today", "is no time"},
		"the future":         {"2026-11-21T12", "2026-11-22T12", "is in the future"},
		"no digest":          {digest, "sha256:abc", "is no digest"},
		"an unknown key":     {"store: minio", "store: minio, tape: 3", "unknown key"},
	} {
		if _, err := ParseBackup([]byte(strings.Replace(right, c[0], c[1], 1)), now); err == nil || !strings.Contains(err.Error(), c[2]) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ParseBackup(nil, now); err == nil || !strings.Contains(err.Error(), "-backup: file: is empty") {
		t.Errorf("an empty file is a backup, or nobody says whose: %v", err)
	}
	for age, want := range map[time.Duration]bool{time.Hour: false, 24 * time.Hour: false, 25 * time.Hour: true} {
		if err := tooOld([]Backup{{Store: "cassandra", Time: now.Add(-age)}}, now); (err != nil) != want || want && !strings.Contains(err.Error(), "is more than") {
			t.Errorf("taken %s before: %v", age, err)
		}
	}
}

func TestJudgeSkew(t *testing.T) {
	for name, c := range map[string]struct {
		versions [3]string
		want     geored.Verdict
	}{
		"all old":         {[3]string{"3.5.1", "3.5.1", "3.5.1"}, geored.Pass},
		"one is upgraded": {[3]string{"3.5.2", "3.5.1", "3.5.1"}, geored.Pass},
		"all are":         {[3]string{"3.5.2", "3.5.2", "3.5.2"}, geored.Pass},
		"two old ones":    {[3]string{"3.5.2", "3.5.1", "3.5.0"}, geored.Fail},
		"another line":    {[3]string{"3.5.2", "3.4.9", "3.5.2"}, geored.Fail},
		"a way back":      {[3]string{"3.5.10", "3.5.2", "3.5.2"}, geored.Fail},
	} {
		answers := map[geored.Target]string{{Site: "dc1"}: c.versions[0], {Site: "dc2"}: c.versions[1], {Site: "dc3"}: c.versions[2]}
		targets := []geored.Target{{Site: "dc1"}, {Site: "dc2"}, {Site: "dc3"}}
		asked := geored.Ask(t.Context(), targets, func(_ context.Context, t geored.Target) (string, error) { return answers[t], nil })
		if f := judgeSkew(asked, "3.5.2"); f.Verdict != c.want {
			t.Errorf("%s: %+v", name, f)
		}
	}
	same := map[geored.Target]string{{Site: "dc1"}: "3.5.2", {Site: "dc2"}: "3.5.2"}
	geotest.HonestAnswers(t, CheckSkew, same, func(a geored.Answers[string]) []geored.Finding { return []geored.Finding{judgeSkew(a, "3.5.2")} })
}

// The patience is that of the clock: what comes in time is waited for, what does not is told with its last look.
func TestWhatAnUpgradeWaitsFor(t *testing.T) {
	u := upgrading(t, 2)
	u.Patience, u.Clock = 20*time.Minute, geotest.NewClock(t, noon)
	for name, c := range map[string]struct {
		after int // looks
		err   error
		done  bool
	}{
		"at once":            {0, nil, true},
		"after a while":      {100, nil, true},
		"not in time":        {5000, nil, false},
		"it gives no answer": {5000, errors.New("silent"), false},
	} {
		looks := 0
		state, err := u.awaited(t.Context(), u.clock().Now().Add(u.patience()), func(context.Context) (geored.State, error) {
			looks++
			return geored.State{Done: looks > c.after, Detail: "as it stands"}, c.err
		})
		if state.Done != c.done || !errors.Is(err, c.err) || state.Detail == "" || c.done && looks != c.after+1 || !c.done && looks > 1202 {
			t.Errorf("%s: %+v, %v after %d looks", name, state, err, looks)
		}
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if state, err := u.awaited(ended, u.clock().Now().Add(u.patience()), func(context.Context) (geored.State, error) { return geored.State{}, nil }); state.Done || err != nil {
		t.Errorf("a run that ends: %+v, %v", state, err)
	}
	g := gate{Upgrading: u, site: "dc1"}
	if err := g.settled(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("a run that ends: %v", err)
	}
	if err := g.orBack(ended, g.observe); !errors.Is(err, context.Canceled) {
		t.Errorf("a run that ends: %v", err)
	}
}

// Only a gate that fails leads back. Where all that is left is silence, nothing is changed.
func TestSilenceLeadsNobodyBack(t *testing.T) {
	d, servers := onServers(t, withApplications(2), Options{})
	g := gate{Upgrading{Deployment: d, Patience: time.Minute, Clock: geotest.NewClock(t, noon)}, "dc1", ProductChart + "-3.5.1"}
	check := func(id geored.CheckID, v geored.Verdict) geored.Check {
		return geored.Check{ID: id, Run: func(context.Context) []geored.Finding {
			return []geored.Finding{{Verdict: v, Asked: []geored.Target{{Site: "dc1"}}}}
		}}
	}
	for _, c := range []struct {
		found []geored.Check
		want  string // in the error
		asked bool   // for the revisions of the release
	}{
		{[]geored.Check{check("a", geored.Pass)}, "", false},
		{[]geored.Check{check("a", geored.Pass), check("b", geored.Unknown)}, "b unknown", false},
		{[]geored.Check{check("a", geored.Unknown), check("b", geored.Fail)}, "roll back to " + g.old, true},
	} {
		err := g.orBack(t.Context(), func(ctx context.Context) (geored.State, error) { return provenOrSilent(ctx, "", c.found...) })
		asked := len(servers["dc1"].requests()) > 0
		if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) || asked != c.asked {
			t.Errorf("%v, asked %t, want %q", err, asked, c.want)
		}
		if c.want != "" && !c.asked && !strings.Contains(err.Error(), "cannot be asked, and nothing was rolled back") {
			t.Error(err)
		}
	}
}

// Gates that pass between two crashes do not let an upgrade go on; gates that pass for a while do.
func TestGatesPassForAWhile(t *testing.T) {
	for name, c := range map[string]struct {
		passes func(look int) bool
		want   bool
	}{
		"at once, and on":         {func(int) bool { return true }, true},
		"after a while, and on":   {func(look int) bool { return look > 20 }, true},
		"now and then":            {func(look int) bool { return look%5 > 0 }, false},
		"once, as it comes up":    {func(look int) bool { return look == 3 }, false},
		"from the last moment on": {func(look int) bool { return look > 55 }, true},
		"too late":                {func(look int) bool { return look > 65 }, false},
	} {
		d, _ := onServers(t, withApplications(2), Options{})
		g := gate{Upgrading{Deployment: d, Patience: time.Minute, Clock: geotest.NewClock(t, noon)}, "dc1", ""}
		looks := 0
		err := g.orBack(t.Context(), func(context.Context) (geored.State, error) {
			looks++
			return geored.State{Done: c.passes(looks), Detail: "as it stands"}, nil
		})
		if (err == nil) != c.want {
			t.Errorf("%s: %v after %d looks", name, err, looks)
		}
	}
}

// Nor do gates that pass at the first look alone.
func TestOneLookIsNoGate(t *testing.T) {
	for name, c := range map[string]struct {
		passes func(look int) bool
		want   bool
	}{
		"at once, and on": {func(int) bool { return true }, true},
		"once":            {func(look int) bool { return look == 1 }, false},
		"not at all":      {func(int) bool { return false }, false},
	} {
		looks := 0
		u := Upgrading{Clock: geotest.NewClock(t, noon)}
		state, err := u.lasts(t.Context(), func(context.Context) (geored.State, error) {
			looks++
			return geored.State{Done: c.passes(looks)}, nil
		})
		if err != nil || state.Done != c.want || c.want && looks < 10 {
			t.Errorf("%s: %+v, %v after %d looks", name, state, err, looks)
		}
	}
}

// A run whose lock another took over rolls nothing back.
func TestNobodyIsRolledBackWithoutTheLock(t *testing.T) {
	d, servers := onServers(t, withApplications(2), Options{})
	var locks geored.MemoryLocks
	lock := locks.Lock("it", geored.Holder{})
	d.lock = lock
	g := gate{Upgrading{Deployment: d}, "dc1", ProductChart + "-0.9.0"}
	if err := g.back(t.Context()); err == nil || !strings.Contains(err.Error(), "it is not rolled back: ") || len(servers["dc1"].requests()) > 0 {
		t.Errorf("%v", err)
	}
}

// What is gone back to is what was recorded before, when no other site tells; an upgrade that came to its end is recorded, and
// has nothing to go back to.
func TestWhatAnUpgradeGoesBackTo(t *testing.T) {
	d, servers := onServers(t, withApplications(2), Options{Charts: Charts{Versions: map[string]string{ProductChart: "1.0.0"}}})
	u, wanted := Upgrading{Deployment: d}, ProductChart+"-1.0.0"
	d.charts.have[ProductChart] = helm.Chart{Name: ProductChart, Version: "1.0.0", Digest: installedArchive}
	for _, server := range servers {
		installed(t, server)
	}
	recorded := func(site geored.SiteName, chart string) {
		r, err := drift.Record{Site: site, Salt: drift.NewSalt(), Things: []drift.Thing{{Area: "releases", Name: "release ice-release/ice-helm-operator", Facts: map[string]string{"chart": chart}}}}.Sealed()
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		servers[site].put("/api/v1/namespaces/kube-system/configmaps/ice-install", table{"kind": "ConfigMap", "apiVersion": "v1", "metadata": meta("ice-install", "kube-system"), "data": table{"record": string(text)}})
	}
	for _, c := range []struct {
		recorded, have, old string
		begun               bool
	}{
		{"", wanted, "", true},
		{ProductChart + "-0.9.0", wanted, ProductChart + "-0.9.0", true},
		{wanted, wanted, "", false},
		{wanted, ProductChart + "-0.8.0", ProductChart + "-0.8.0", false},
	} {
		if c.recorded != "" {
			recorded("dc1", c.recorded)
			recorded("dc2", c.recorded)
		}
		if old := u.oldChart(t.Context(), "dc1", c.have); old != c.old {
			t.Errorf("%+v: back to %q", c, old)
		}
		if begun, err := u.begun(t.Context()); err != nil || begun != c.begun {
			t.Errorf("%+v: begun %t, %v", c, begun, err)
		}
	}
	recorded("dc2", ProductChart+"-0.9.0") // killed between the records of two sites
	if begun, err := u.begun(t.Context()); err != nil || !begun {
		t.Errorf("the record of one site is missing, and nothing is under way: %v", err)
	}
	behind := func(site geored.SiteName) geored.State {
		t.Helper()
		next, err := gate{u, site, ""}.begunBehind(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return geored.State{Done: next != "", Detail: string(next)}
	}
	if dc1, dc2 := behind("dc1"), behind("dc2"); !dc1.Done || dc1.Detail != "dc2" || dc2.Done {
		t.Errorf("dc2 has the version and no record of it, and dc1 is to decide: %+v, %+v", dc1, dc2)
	}
	d.charts.have[ProductChart] = helm.Chart{Name: ProductChart, Version: "1.0.0", Digest: "sha256:" + strings.Repeat("0", 64)}
	if begun, err := u.begun(t.Context()); err != nil || begun {
		t.Errorf("somebody upgraded the first site by hand, and it is taken for a run that was killed: %v", err)
	}
	d.charts.have[ProductChart] = helm.Chart{Name: ProductChart, Version: "1.0.0", Digest: installedArchive}
	recorded("dc2", wanted)
	if dc1 := behind("dc1"); dc1.Done {
		t.Errorf("all sites are recorded with the version, and the gates of dc1 are not asked: %+v", dc1)
	}
	recorded("dc2", ProductChart+"-0.9.0")
	old := releaseThatIs(t, "deployed", "ice-helm-operator", "ice-release", "older-"+ProductChart, 4, table{})
	servers["dc1"].put("/api/v1/namespaces/ice-release/secrets/sh.helm.release.v1.ice-helm-operator.v4", old)
	if begun, err := u.begun(t.Context()); err != nil || begun {
		t.Errorf("somebody upgraded dc2 by hand, and it is taken for a run that was killed: %v", err)
	}
}

// A way back that was killed, or that a server refused, comes to its end before a gate is asked; what failed otherwise is left
// to the gates.
func TestAWayBackThatWasInterruptedGoesOn(t *testing.T) {
	for name, c := range map[string]struct {
		status, description string
		interrupted         bool
	}{
		"killed":           {"pending-rollback", "Rollback to 2", true},
		"refused":          {"failed", `Rollback "ice-helm-operator" failed: denied`, true},
		"marked as failed": {"failed", "was left pending-rollback by a run that was killed", true},
		"at its end":       {"deployed", "Rollback to 2", false},
		"an upgrade":       {"failed", "Upgrade failed: denied", false},
		"a killed upgrade": {"pending-upgrade", "Preparing upgrade", false},
	} {
		d, servers := onServers(t, withApplications(2), Options{})
		servers["dc2"].put("/api/v1/namespaces/ice-release/secrets/sh.helm.release.v1.ice-helm-operator.v4",
			releaseThatIs(t, c.status, "ice-helm-operator", "ice-release", ProductChart, 4, table{}, c.description))
		var locks geored.MemoryLocks
		d.lock = locks.Lock("it", geored.Holder{}) // which nobody took
		u := Upgrading{Deployment: d}
		state, err := u.noneIsOnItsWayBack(t.Context())
		if err != nil || state.Done == c.interrupted || c.interrupted && !strings.Contains(state.Detail, "dc2 back to "+ProductChart+"-1.0.0") {
			t.Errorf("%s: %+v, %v", name, state, err)
		}
		if err := u.comeBack(t.Context()); (err != nil) != c.interrupted {
			t.Errorf("%s: without the lock: %v", name, err)
		}
	}
	d, servers := onServers(t, withApplications(2), Options{})
	servers["dc2"].silent = true
	if state, err := (Upgrading{Deployment: d}).noneIsOnItsWayBack(t.Context()); err == nil || state.Done {
		t.Errorf("a silent site is not on its way back: %+v", state)
	}
}

// A release that Helm left half-way goes back at once; an error before it was sent leads nobody back.
func TestAReleaseThatFailedGoesBack(t *testing.T) {
	refused := errors.New("admission webhook denied the request")
	for status, back := range map[string]bool{"failed": true, "deployed": false} {
		d, servers := onServers(t, withApplications(2), Options{Charts: Charts{Versions: map[string]string{ProductChart: "1.0.0"}}})
		servers["dc1"].put("/api/v1/namespaces/ice-release/secrets/sh.helm.release.v1.ice-helm-operator.v3", releaseThatIs(t, status, "ice-helm-operator", "ice-release", ProductChart, 3, table{}))
		g := gate{Upgrading{Deployment: d}, "dc1", ProductChart + "-0.9.0"}
		err := g.orFailed(func(context.Context) error { return refused })(t.Context())
		if !errors.Is(err, refused) || strings.Contains(err.Error(), "roll back to "+ProductChart+"-0.9.0") != back {
			t.Errorf("%s: %v", status, err)
		}
		if err := g.orFailed(func(context.Context) error { return nil })(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// The sites are held against their record before anything is touched, and the record outlives a way back.
func TestAnUpgradeRecordsNoDrift(t *testing.T) {
	u := upgrading(t, 2)
	found := map[geored.CheckID]bool{}
	for _, c := range u.undrifted(t.Context()) {
		found[c.ID] = true
	}
	if len(found) != len(u.areas()) || !found[CheckDriftRBAC] || !found[CheckDriftReleases] || found[CheckDriftPlan] {
		t.Errorf("held against the record: %v", found)
	}
	stages := u.Runbook().Stages
	record := stages[len(stages)-1]
	tasks, err := record.Bind(t.Context())
	if err != nil || len(tasks) != 2 {
		t.Fatal(tasks, err)
	}
	for i, task := range tasks {
		if task.Undo != nil || task.Gone != nil || task.Permanent == "" || record.Outline[i].Permanent != task.Permanent || len(record.Outline[i].ManualUndo) > 0 {
			t.Errorf("%s is taken back", task.ID)
		}
	}
}

// Versions are numbers: an older one is refused for every site that is past it, and one that cannot be asked too.
func TestAnOlderProductIsRefused(t *testing.T) {
	for version, want := range map[string][]string{
		"0.9.10": {"site dc1: -chart-version 0.9.10: is older than 1.0.0", "give -chart-version " + ProductChart + "=1.0.0", "dc2 did not answer: whether 0.9.10 is older"},
		"1.0.0":  {"dc2 did not answer"}, "10.0.0": {"dc2 did not answer"},
	} {
		d, servers := onServers(t, withApplications(2), Options{Charts: Charts{Versions: map[string]string{ProductChart: version}}})
		installed(t, servers["dc1"])
		servers["dc2"].silent = true
		err := d.NotOlder(t.Context())
		if faults, _ := geored.AsFaults(err); (len(faults) == 1) != (len(want) > 1) {
			t.Errorf("%s: %v", version, err)
		}
		for _, text := range want {
			if err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("%s: %v, want %s", version, err, text)
			}
		}
	}
	d, servers := onServers(t, withApplications(2), Options{})
	if err := errors.Join(d.NotOlder(t.Context()), d.NotNewer(t.Context())); err != nil || len(servers["dc1"].requests()) == 0 {
		t.Errorf("where nothing is installed: %v", err)
	}
	for version, want := range map[string]string{"1.0.1": "site dc1: -chart-version 1.0.1: is newer than 1.0.0, which is installed", "1.0.0": "", "0.9.0": ""} {
		d, servers := onServers(t, withApplications(2), Options{Charts: Charts{Versions: map[string]string{ProductChart: version}}})
		installed(t, servers["dc1"])
		if err := d.NotNewer(t.Context()); (err != nil) != (want != "") || err != nil && (!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "ice-upgrade")) {
			t.Errorf("%s: %v", version, err)
		}
		if err := d.stillNotOlder(t.Context(), "dc1"); (err != nil) != (version == "0.9.0") || err != nil && !strings.Contains(err.Error(), "is installed at dc1 by now") {
			t.Errorf("%s, under the lock: %v", version, err)
		}
	}
	if isOlder("3.5.10", "3.5.9") || !isOlder("3.5.9", "3.5.10") || isOlder("3.5.9", "3.5.9") || isOlder("3.5.9", "") {
		t.Error("versions are compared by their letters")
	}
}
