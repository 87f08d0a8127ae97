//go:build lab

package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/internal/laboratory/killed"
)

var update = flag.Bool("update", false, "write testdata/standing.txt anew")

func (l *lab) killable() killed.Program {
	return killed.Program{Path: program, Args: []string{"-lab", l.name, "-keep", "-output", "json"}}
}

// killedAlong runs the program to a proven end, killed at the chosen points on its way.
func (l *lab) killedAlong(args ...string) {
	l.t.Helper()
	at, last := l.killable().Along(l.t, killed.Chosen(l.t), args...)
	if len(at) == 0 {
		l.t.Fatalf("the program was never killed: exit code %d\n%s\n%s", last.Code, last.Stderr, last.Stdout)
	}
	l.t.Logf("killed %d times: %v", len(at), at)
	last = l.killable().Told(l.t, last)
	call{last.Code, last.Stdout, last.Stderr}.proven(l.t)
}

// Killed inside every step and behind it, and started again each time, the program comes to the end of one that was left
// alone, and asks no API server to do twice what was done.
func TestKilledInEveryStep(t *testing.T) {
	quiet := newLab(t)
	quiet.installed()
	want := quiet.effects()
	if err := quiet.running().Down(t.Context()); err != nil {
		t.Fatal(err)
	}
	l := newLab(t)
	l.killedAlong("-journal", t.TempDir())
	compareEffects(t, want, l.effects())
}

// The same for the whole product, which must then stand as one that was left alone: as many jobs, restarts, tokens and
// repairs.
func TestWholeKilledInEveryStep(t *testing.T) {
	l := newLab(t)
	l.killedAlong("-whole", "-journal", t.TempDir())
	compareStanding(t, l)
}

const standingFile = "testdata/standing.txt"

// compareStanding holds an installation against one that was left alone, which TestWholeInstall wrote down.
func compareStanding(t *testing.T, l *lab) {
	t.Helper()
	standing := killed.Look(t, l.running().Dir, "dc1", "dc2")
	if *update {
		if err := os.WriteFile(standingFile, []byte(standing.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(standingFile)
	if err != nil {
		t.Fatal(err)
	}
	standing.Same(t, killed.ParseStanding(t, string(text)))
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
			if code := e.ResponseStatus.Code; code == 0 || code >= 499 { // its client was killed before the answer: it may have been done
				e.Verb = "lost"
			}
			if !strings.Contains(e.UserAgent, "georedkit") || e.Verb != "lost" && e.ResponseStatus.Code >= 300 || strings.Contains(e.RequestURI, "dryRun=All") ||
				e.Verb != "create" && e.Verb != "delete" && e.Verb != "lost" || o.Subresource != "" || o.Name == "" || o.Name == "storage-trial" || o.Resource == "leases" {
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
		if got[what] == want[what] || isRevision(what) || strings.Contains(what, " lost ") {
			continue
		}
		lost := got[strings.NewReplacer(" create ", " lost ", " delete ", " lost ").Replace(what)]
		if got[what] < want[what] && got[what]+lost >= want[what] {
			t.Logf("%s: %d times, and %d answers were lost with those who asked", what, got[what], lost)
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
		"a lost answer":     {map[string]int{token: 1, "dc2 lost peers /dc1-1": 1}, false},
		"lost and doubled":  {map[string]int{token: 1, peer: 2, "dc2 lost peers /dc1-1": 1}, true},
	} {
		seen := &testing.T{}
		compareEffects(seen, want, c.got)
		if seen.Failed() != c.fail {
			t.Errorf("%s: failed %t, want %t", name, seen.Failed(), c.fail)
		}
	}
}
