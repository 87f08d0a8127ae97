//go:build lab

package cassandratest_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gocql/gocql"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/cassandra/cassandratest"
)

func procCPU(pid int) float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+2:]))
	u, _ := strconv.ParseFloat(f[11], 64)
	s, _ := strconv.ParseFloat(f[12], 64)
	return (u + s) / 100
}

func BenchmarkTmpCPU(b *testing.B) {
	r := start(b, "-heap", "512m")
	config := r.config(b)
	bench := &benchmark{ring: r, config: config, cluster: open(b, config), credentials: credentials(b, config)}
	for site := range r.Sites {
		bench.sessions = append(bench.sessions, session(b, r, config, site, gocql.LocalOne))
	}
	cassandratest.NewLive(b, config, 1).Exec("CREATE TABLE dev.bench (id bigint PRIMARY KEY, v text, n int) WITH compression = {'enabled': false}")
	rows, _ := strconv.Atoi(os.Getenv("ROWS"))
	bench.load(b, rows)
	one := config
	one.Sites = one.Sites[:1]
	warm := open(b, one)
	type run struct {
		name string
		f    func() error
	}
	count := func(c func() *cassandra.Cluster, ranges, page, conc int) func() error {
		return func() error {
			got, err := c().Count(b.Context(), cassandra.Reading{Table: benched, Ranges: ranges, PageSize: page, Concurrency: conc})
			if err == nil && got.Sites[0].Rows != int64(rows) {
				err = fmt.Errorf("%s", got)
			}
			return err
		}
	}
	same := func() *cassandra.Cluster { return warm }
	cmp := func(ranges, page, conc int) func() error {
		return func() error {
			got, err := bench.cluster.Compare(b.Context(), cassandra.Comparing{Reading: cassandra.Reading{Table: benched, Ranges: ranges, Concurrency: conc, PageSize: page}})
			if got.Equality != cassandra.Equal {
				err = fmt.Errorf("%s %v", got, err)
			}
			return err
		}
	}
	runs := []run{
		{"cqlsh", func() error { return bench.cqlsh(b) }},
		{"count-new 64/5000", func() error { return bench.count(b) }},
		{"count 64/5000/2", count(same, 64, 5000, 2)},
		{"count 16/5000/2", count(same, 16, 5000, 2)},
		{"count 64/20000/2", count(same, 64, 20000, 2)},
		{"count 16/50000/2", count(same, 16, 50000, 2)},
		{"count 64/1000/2", count(same, 64, 1000, 2)},
		{"count 64/5000/4", count(same, 64, 5000, 4)},
		{"ring", func() error { _, err := bench.cluster.Ring(b.Context()); return err }},
		{"drain", func() error { return bench.drain(b) }},
		{"compare 64/5000/2", cmp(64, 5000, 2)},
		{"compare 16/5000/2", cmp(16, 5000, 2)},
		{"compare 64/1000/2", cmp(64, 1000, 2)},
		{"compare 64/20000/2", cmp(64, 20000, 2)},
		{"compare 64/5000/1", cmp(64, 5000, 1)},
	}
	p1, p2 := r.Sites[0].Nodes[0].Process, r.Sites[1].Nodes[0].Process
	for round := range 4 {
		for _, x := range runs {
			a1, a2, c, t := procCPU(p1), procCPU(p2), ownCPU(b), time.Now()
			err := x.f()
			wall := time.Since(t)
			if err != nil {
				b.Logf("%s: %.200v", x.name, err)
			}
			if round > 0 {
				b.Logf("%d %-22s wall %6.2f  n1 %5.2f  n2 %5.2f own %5.2f", round, x.name, wall.Seconds(), procCPU(p1)-a1, procCPU(p2)-a2, (ownCPU(b) - c).Seconds())
			}
		}
	}
}
