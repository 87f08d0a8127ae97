package geotest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// JournalPlace is one place for a journal, for [JournalConformance].
type JournalPlace struct {
	// Open gives a journal at the place, with all that was appended there before. What it opened last is not used any
	// more once it is called again. Required.
	Open func(t *testing.T) geored.Journal
	// Many is how many records the suite writes where it wants many; zero: 5000. Each has 200 bytes or more.
	Many int
}

// JournalConformance holds an implementation of geored.Journal against what a run relies on. place gives a new, empty place
// for each test.
func JournalConformance(t *testing.T, place func(t *testing.T) JournalPlace) {
	for name, test := range map[string]func(*testing.T, JournalPlace){
		"every field comes back":          journalFields,
		"an empty one holds nothing":      journalEmpty,
		"many records, and opened again":  journalMany,
		"several append at once":          journalTogether,
		"reading can stop":                journalStops,
		"an ended context loses nothing":  journalEndedContext,
		"a run is told from its records":  journalRun,
		"the clock's order is not theirs": journalClockSetBack,
	} {
		t.Run(name, func(t *testing.T) { test(t, place(t)) })
	}
}

func records(t *testing.T, j geored.Journal) []geored.Record {
	t.Helper()
	var all []geored.Record
	for r, err := range j.Records(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

func appendAll(t *testing.T, j geored.Journal, all ...geored.Record) {
	t.Helper()
	for _, r := range all {
		if err := j.Append(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
}

// same compares the time as a moment: its zone is not kept.
func same(a, b geored.Record) bool {
	equal := a.Time.Equal(b.Time)
	a.Time, b.Time = time.Time{}, time.Time{}
	return equal && a == b
}

var journalStart = time.Date(2026, 3, 4, 5, 6, 7, 890_000_000, time.UTC)

func journalFields(t *testing.T, p JournalPlace) {
	wanted := []geored.Record{
		{Time: journalStart, Run: "r", Kind: geored.RunBegun, Plan: "sha256:0", Detail: "a book"},
		{Time: journalStart.Add(time.Nanosecond), Run: "r", Kind: geored.Intent, Step: "a/b.c", Site: "dc1", Detail: "line\nbreak \"quotes\" <&> äöü\u2028 \x00"},
		{Time: journalStart.Add(time.Hour), Run: "r", Kind: geored.Evidence, Step: "a/b.c", Site: "dc1", Detail: strings.Repeat("long ", 10_000)},
		{},
	}
	j := p.Open(t)
	appendAll(t, j, wanted...)
	for name, j := range map[string]geored.Journal{"the same": j, "opened again": p.Open(t)} {
		got := records(t, j)
		if len(got) != len(wanted) {
			t.Fatalf("%s: %d records, want %d", name, len(got), len(wanted))
		}
		for i := range got {
			if !same(got[i], wanted[i]) {
				t.Errorf("%s: record %d is %.200v, want %.200v", name, i, got[i], wanted[i])
			}
		}
	}
}

func journalEmpty(t *testing.T, p JournalPlace) {
	if got := records(t, p.Open(t)); len(got) != 0 {
		t.Errorf("%d records", len(got))
	}
}

func numbered(i int) geored.Record {
	return geored.Record{Time: journalStart, Run: "r", Kind: geored.Intent, Step: geored.StepID(fmt.Sprint(i)), Detail: strings.Repeat("x", 200)}
}

func journalMany(t *testing.T, p JournalPlace) {
	many := p.Many
	if many == 0 {
		many = 5000
	}
	j := p.Open(t)
	for i := range many {
		if i == many/2 {
			j = p.Open(t)
		}
		appendAll(t, j, numbered(i))
	}
	got := records(t, p.Open(t))
	if len(got) != many {
		t.Fatalf("%d records, want %d", len(got), many)
	}
	for i := range got {
		if got[i].Step != geored.StepID(fmt.Sprint(i)) {
			t.Fatalf("record %d is %s", i, got[i].Step)
		}
	}
}

func journalTogether(t *testing.T, p JournalPlace) {
	const writers, each = 20, 10
	j := p.Open(t)
	var running sync.WaitGroup
	for w := range writers {
		running.Add(1)
		go func() {
			defer running.Done()
			for i := range each {
				r := numbered(i)
				r.Site = geored.SiteName(fmt.Sprintf("dc%d", w))
				if err := j.Append(t.Context(), r); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	running.Wait()
	next := map[geored.SiteName]int{}
	for _, r := range records(t, p.Open(t)) {
		if r.Step != geored.StepID(fmt.Sprint(next[r.Site])) {
			t.Fatalf("of %s record %d is %s", r.Site, next[r.Site], r.Step)
		}
		next[r.Site]++
	}
	for w := range writers {
		if n := next[geored.SiteName(fmt.Sprintf("dc%d", w))]; n != each {
			t.Errorf("writer %d: %d records, want %d", w, n, each)
		}
	}
}

func journalStops(t *testing.T, p JournalPlace) {
	j := p.Open(t)
	appendAll(t, j, numbered(0), numbered(1))
	seen := 0
	for _, err := range j.Records(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		seen++
		break
	}
	if appendAll(t, j, numbered(2)); seen != 1 || len(records(t, j)) != 3 {
		t.Errorf("%d seen, %d there", seen, len(records(t, j)))
	}
}

// An Append that says that it worked has worked, and one that does not may have.
func journalEndedContext(t *testing.T, p JournalPlace) {
	j := p.Open(t)
	appendAll(t, j, numbered(0))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := j.Append(ctx, numbered(1))
	got := records(t, p.Open(t))
	if len(got) == 0 || got[0].Step != "0" || err == nil && len(got) != 2 {
		t.Errorf("%v, and %d records", err, len(got))
	}
}

func journalRun(t *testing.T, p JournalPlace) {
	j := p.Open(t)
	appendAll(t, j,
		geored.Record{Time: journalStart, Run: "one", Kind: geored.RunBegun, Plan: "p", Detail: "book"},
		geored.Record{Time: journalStart, Run: "one", Kind: geored.Intent, Step: "a"},
		geored.Record{Time: journalStart, Run: "one", Kind: geored.Evidence, Step: "a"},
		geored.Record{Time: journalStart, Run: "one", Kind: geored.Intent, Step: "b"})
	j = p.Open(t)
	last, err := geored.LastRun(t.Context(), j)
	if err != nil || !last.Interrupted() || last.Run != "one" || last.Plan != "p" || !last.Proven["a"] || !last.Applied["b"] || last.Proven["b"] {
		t.Errorf("%+v, %v", last, err)
	}
	applied, err := geored.Applied(t.Context(), j, "book")
	if err != nil || !applied["a"] || !applied["b"] || len(applied) != 2 {
		t.Errorf("%v, %v", applied, err)
	}
}

// What was appended last is last, whatever its time says.
func journalClockSetBack(t *testing.T, p JournalPlace) {
	j := p.Open(t)
	appendAll(t, j,
		geored.Record{Time: journalStart, Run: "one", Kind: geored.RunBegun},
		geored.Record{Time: journalStart.Add(-time.Hour), Run: "one", Kind: geored.RunEnded})
	j = p.Open(t)
	appendAll(t, j, geored.Record{Time: journalStart.Add(-2 * time.Hour), Run: "two", Kind: geored.RunBegun})
	last, err := geored.LastRun(t.Context(), p.Open(t))
	if err != nil || last.Run != "two" || !last.Interrupted() {
		t.Errorf("%+v, %v", last, err)
	}
}
