package geored_test

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
)

const (
	benchSites = 500
	benchTasks = 10_000
)

func noopTasks() []geored.Task {
	tasks := make([]geored.Task, benchTasks)
	for i := range tasks {
		site := geored.SiteName(fmt.Sprintf("dc%d", i%benchSites))
		tasks[i] = geored.Task{
			Step:    geored.Step{ID: geored.StepID(fmt.Sprintf("%s/%d", site, i)), Site: site, Target: "nothing", Action: geored.Apply},
			Observe: func(context.Context) (geored.State, error) { return geored.State{Done: true, Detail: "was there"}, nil },
		}
	}
	return tasks
}

// plainLoop observes the same tasks and writes the same records, one after another.
func plainLoop(b *testing.B, tasks []geored.Task, journal geored.Journal) {
	b.Helper()
	record := func(r geored.Record) {
		r.Time, r.Run = time.Now(), "bench"
		if err := journal.Append(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
	record(geored.Record{Kind: geored.RunBegun, Detail: "bench"})
	for _, task := range tasks {
		state, err := task.Observe(b.Context())
		if err != nil || !state.Done {
			b.Fatal(state, err)
		}
		record(geored.Record{Kind: geored.Evidence, Step: task.ID, Site: task.Site, Detail: string(geored.Unchanged) + ": " + state.Detail})
	}
	record(geored.Record{Kind: geored.RunEnded, Detail: "done"})
}

// BenchmarkEngine runs 10,000 no-op tasks over 500 sites, beside a plain loop that writes the same records, on the file
// journal (every record on the disk before the next effect) and in memory.
func BenchmarkEngine(b *testing.B) {
	tasks := noopTasks()
	journals := map[string]func() geored.Journal{
		"file": func() geored.Journal {
			journal, err := geored.OpenFileJournal(filepath.Join(b.TempDir(), "journal"))
			if err != nil {
				b.Fatal(err)
			}
			return journal
		},
		"memory": func() geored.Journal { return &geored.MemoryJournal{} },
	}
	for name, open := range journals {
		b.Run(name, func(b *testing.B) {
			var engine, loop time.Duration
			runbook := geored.Runbook{Name: "bench", Stages: []geored.Stage{geored.StageOf("all", tasks...)}}
			for range b.N {
				began := time.Now()
				if _, err := runbook.Run(b.Context(), geored.RunConfig{RunID: "bench", Journal: open()}); err != nil {
					b.Fatal(err)
				}
				engine += time.Since(began)
				began = time.Now()
				plainLoop(b, tasks, open())
				loop += time.Since(began)
			}
			b.ReportMetric(engine.Seconds()/loop.Seconds(), "x-plain-loop")
			b.ReportMetric(engine.Seconds()/float64(b.N), "s/run")
		})
	}
}

// BenchmarkAsk asks 511 sites of 10 ms each at once, beside one alone.
func BenchmarkAsk(b *testing.B) {
	question := func(context.Context, geored.Target) (int, error) {
		time.Sleep(10 * time.Millisecond)
		return 1, nil
	}
	targets := make([]geored.Target, 511)
	for i := range targets {
		targets[i].Site = geored.SiteName(fmt.Sprintf("dc%d", i))
	}
	var all, one time.Duration
	for range b.N {
		began := time.Now()
		if silent := geored.Ask(b.Context(), targets, question, geored.AskLimit(len(targets))).Unanswered(); len(silent) > 0 {
			b.Fatal(silent)
		}
		all += time.Since(began)
		began = time.Now()
		geored.Ask(b.Context(), targets[:1], question)
		one += time.Since(began)
	}
	b.ReportMetric(all.Seconds()/one.Seconds(), "x-one-site")
}

// BenchmarkOverlaps finds that 100,000 prefixes share nothing, beside sorting them.
func BenchmarkOverlaps(b *testing.B) {
	const n = 100_000
	ranges := make([]geored.Range, n)
	prefixes := make([]netip.Prefix, n)
	for i := range ranges {
		at := (i * 7919) % n // not in their order
		addr := netip.AddrFrom4([4]byte{10, byte(at >> 16), byte(at >> 8), byte(at)})
		ranges[i] = geored.Range{Site: geored.SiteName(fmt.Sprintf("dc%d", i%benchSites)), Field: "podCIDR", Prefix: netip.PrefixFrom(addr, 32)}
		prefixes[i] = ranges[i].Prefix
	}
	var overlaps, sorting time.Duration
	for range b.N {
		began := time.Now()
		if found := geored.Overlaps(ranges); len(found) > 0 {
			b.Fatal(found[0])
		}
		overlaps += time.Since(began)
		sorted := slices.Clone(prefixes)
		began = time.Now()
		slices.SortFunc(sorted, func(a, b netip.Prefix) int {
			return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
		})
		sorting += time.Since(began)
	}
	b.ReportMetric(overlaps.Seconds()/sorting.Seconds(), "x-sorting")
	b.ReportMetric(overlaps.Seconds()/float64(b.N), "s/run")
}

// BenchmarkFileJournal appends records one after another, beside writing and syncing the same bytes.
func BenchmarkFileJournal(b *testing.B) {
	const n = 200
	record := geored.Record{Time: start, Run: "bench", Kind: geored.Intent, Step: "gateways/dc1/wireguard", Site: "dc1", Detail: "daemonset georedkit/gateway"}
	line, err := geored.EncodeRecord(record)
	if err != nil {
		b.Fatal(err)
	}
	line = append(line, '\n')
	var journal, plain time.Duration
	for range b.N {
		dir := b.TempDir()
		j, err := geored.OpenFileJournal(filepath.Join(dir, "journal"))
		if err != nil {
			b.Fatal(err)
		}
		file, err := os.Create(filepath.Join(dir, "plain"))
		if err != nil {
			b.Fatal(err)
		}
		for range n { // in turns, so that the disk treats both alike
			began := time.Now()
			if err := j.Append(b.Context(), record); err != nil {
				b.Fatal(err)
			}
			journal += time.Since(began)
			began = time.Now()
			if _, err := file.Write(line); err != nil {
				b.Fatal(err)
			}
			if err := file.Sync(); err != nil {
				b.Fatal(err)
			}
			plain += time.Since(began)
		}
		j.Close()
		file.Close()
	}
	b.ReportMetric(journal.Seconds()/plain.Seconds(), "x-append-and-sync")
}
