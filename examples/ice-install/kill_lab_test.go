//go:build lab

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// KillPart is how the steps at which the program is killed are chosen: "3/8" is every eighth from the third on. Without it:
// all of them.
const killPart = "GEOREDKIT_KILL_PART"

// Killed inside every step and behind it, and started again each time, the program comes to the end of one that was left
// alone, and asks no API server to do twice what was done.
func TestKilledInEveryStep(t *testing.T) {
	chosen := part(t)
	quiet := newLab(t)
	quiet.installed()
	want := quiet.effects()
	steps := quiet.planned()
	if err := quiet.running().Down(t.Context()); err != nil {
		t.Fatal(err)
	}

	l, journal, kills := newLab(t), t.TempDir(), 0
	for i, step := range steps {
		if !chosen(i) {
			continue
		}
		inside := geored.StepApplying
		if step.Action == geored.Await {
			inside = geored.StepStarted
		}
		for _, at := range []geored.EventKind{inside, geored.StepEnded} {
			if l.killedAt(step.ID, at, "-journal", journal) {
				kills++
			}
		}
	}
	if kills == 0 {
		t.Fatal("the program was never killed")
	}
	l.installed("-journal", journal)
	t.Logf("killed %d times at %d steps", kills, len(steps))
	compareEffects(t, want, l.effects())
}

func part(t *testing.T) func(int) bool {
	text := os.Getenv(killPart)
	if text == "" {
		return func(int) bool { return true }
	}
	var which, of int
	if _, err := fmt.Sscanf(text, "%d/%d", &which, &of); err != nil || of < 1 {
		t.Fatalf("%s %q: write PART/PARTS", killPart, text)
	}
	return func(i int) bool { return i%of == which%of }
}

// planned are the steps of the program's plan.
func (l *lab) planned() []geored.PlanStep {
	l.t.Helper()
	path := filepath.Join(l.t.TempDir(), "plan")
	if c := l.call("-plan", path); c.code != 0 {
		l.t.Fatal(c.stderr)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		l.t.Fatal(err)
	}
	plan, err := geored.ParsePlan(text)
	if err != nil {
		l.t.Fatal(err)
	}
	return plan.Steps()
}

// killedAt runs the program and kills it when it tells of an event of a step, or of the step's end; false when it came to
// its own end before.
func (l *lab) killedAt(step geored.StepID, at geored.EventKind, args ...string) bool {
	l.t.Helper()
	events := filepath.Join(l.t.TempDir(), "events")
	command, wait := l.start(append(args, "-events", events)...)
	ended := make(chan call, 1)
	go func() { ended <- wait() }()
	for {
		select {
		case <-ended:
			return false
		case <-time.After(2 * time.Millisecond):
		}
		if tellsOf(events, step, at) {
			_ = command.Process.Kill() // it may have ended by itself
			return (<-ended).code == -1
		}
	}
}

func tellsOf(path string, step geored.StepID, kind geored.EventKind) bool {
	file, err := os.Open(path)
	if err != nil {
		return false // not yet there
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var e geored.Event
		if json.Unmarshal(lines.Bytes(), &e) == nil && e.Step == step && (e.Kind == kind || e.Kind == geored.StepEnded) {
			return true
		}
	}
	return false
}

// effects counts what the API servers were asked to make and to delete, and did, by site, verb and object. What is under
// way for a moment only is left out: locks, volumes on trial, reviews, programs executed in pods.
func (l *lab) effects() map[string]int {
	l.t.Helper()
	counts := map[string]int{}
	for _, site := range []string{"dc1", "dc2"} {
		text, err := os.ReadFile(filepath.Join(l.running().Dir, site, "audit.log"))
		if err != nil {
			l.t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			var e struct {
				Verb, RequestURI, UserAgent string
				ObjectRef                   struct{ Resource, Subresource, Namespace, Name string }
				ResponseStatus              struct{ Code int }
			}
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				l.t.Fatal(err)
			}
			o := e.ObjectRef
			if e.Verb == "patch" && e.ResponseStatus.Code == 201 { // an object that was applied and was not there
				e.Verb = "create"
			}
			if !strings.Contains(e.UserAgent, "georedkit") || e.ResponseStatus.Code >= 300 || strings.Contains(e.RequestURI, "dryRun=All") ||
				e.Verb != "create" && e.Verb != "delete" || o.Subresource != "" || o.Name == "" || o.Name == "storage-trial" || o.Resource == "leases" {
				continue
			}
			counts[fmt.Sprintf("%s %s %s %s/%s", site, e.Verb, o.Resource, o.Namespace, o.Name)]++
		}
	}
	return counts
}

// compareEffects wants the same effects. A release that was killed half-way is repaired first, by another revision that takes
// back what the half brought: its objects may come twice when they went once more too.
func compareEffects(t *testing.T, want, got map[string]int) {
	t.Helper()
	if len(want) == 0 {
		t.Fatal("the audit log tells of nothing")
	}
	all := map[string]bool{}
	for what := range want {
		all[what] = true
	}
	for what := range got {
		all[what] = true
	}
	for what := range all {
		if got[what] == want[what] || isRevision(what) {
			continue
		}
		create, del := strings.Replace(what, " delete ", " create ", 1), strings.Replace(what, " create ", " delete ", 1)
		if !isOurs(what) && got[create]-got[del] == want[create]-want[del] {
			t.Logf("%s: %d times, because its release was repaired", what, got[what])
			continue
		}
		t.Errorf("%s: %d times, %d times when left alone", what, got[what], want[what])
	}
}

// isOurs says whether an object is no release's: tokens and their copies, accounts, the name servers that were there before.
func isOurs(what string) bool {
	return strings.Contains(what, " secrets ") || strings.Contains(what, " serviceaccounts ") || strings.HasSuffix(what, " deployments kube-system/coredns")
}

// isRevision says whether an object is Helm's record of one revision: sh.helm.release.v1.NAME.vN.
func isRevision(what string) bool {
	_, name, _ := strings.Cut(what, "/sh.helm.release.v1.")
	at := strings.LastIndex(name, ".v")
	if at < 0 {
		return false
	}
	_, err := strconv.Atoi(name[at+2:])
	return err == nil
}

// A comparison that sees nothing would let everything pass.
func TestEffectsAreCompared(t *testing.T) {
	token, peer := "dc1 create secrets kube-system/coredns-token-1", "dc2 create peers /dc1-1"
	want := map[string]int{token: 1, peer: 1}
	for name, c := range map[string]struct {
		got  map[string]int
		fail bool
	}{
		"alike":             {map[string]int{token: 1, peer: 1}, false},
		"a repaired peer":   {map[string]int{token: 1, peer: 2, "dc2 delete peers /dc1-1": 1, "dc2 create secrets default/sh.helm.release.v1.kilo-dc2.v3": 1}, false},
		"a doubled peer":    {map[string]int{token: 1, peer: 2}, true},
		"a second token":    {map[string]int{token: 2, peer: 1, "dc1 delete secrets kube-system/coredns-token-1": 1}, true},
		"something missing": {map[string]int{token: 1}, true},
	} {
		seen := &testing.T{}
		compareEffects(seen, want, c.got)
		if seen.Failed() != c.fail {
			t.Errorf("%s: failed %t, want %t", name, seen.Failed(), c.fail)
		}
	}
}
