//go:build lab

package cassandratest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gocql/gocql"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/cassandra/cassandratest"
)

// rowsVariable says how many rows the benchmark reads; without it 200,000.
const rowsVariable = "GEOREDKIT_BENCH_ROWS"

// BenchmarkBesideOthers times comparison and count beside what else there is, in turns on the same ring, and reports
// ratios of medians: other machines and other loads give other times, but hardly other ratios. Run it with
// -benchtime 5x; each turn runs everything once.
//
// The drain is the floor of a comparison: a loop around the driver that reads the same ranges of both sites, with keys,
// values and write times, and throws them away.
func BenchmarkBesideOthers(b *testing.B) {
	r := start(b, "-heap", "512m")
	config := r.config(b)
	rows := load(b, r, config)
	bench := &benchmark{ring: r, config: config, cluster: open(b, config), credentials: credentials(b, config), rows: rows}
	for site := range r.Sites { // open before, as the cluster's are
		bench.sessions = append(bench.sessions, session(b, r, config, site, gocql.LocalOne))
	}
	contenders := []struct {
		name string
		run  func(*testing.B)
	}{
		{"drain", bench.drain}, {"compare", bench.compare}, {"count", bench.count}, {"cqlsh", bench.cqlsh}, {"preview", bench.preview}, {"quick", bench.quick},
	}
	for _, c := range contenders { // servers compile what they run often
		c.run(b)
	}
	took := map[string][]float64{}
	cpu := map[string][]float64{}
	for b.Loop() {
		for _, c := range contenders {
			began, before := time.Now(), ownCPU(b)
			c.run(b)
			took[c.name] = append(took[c.name], time.Since(began).Seconds())
			cpu[c.name] = append(cpu[c.name], (ownCPU(b) - before).Seconds())
		}
	}
	read := float64(2 * rows)
	b.ReportMetric(median(took["compare"])/median(took["drain"]), "compare/drain")
	b.ReportMetric(median(took["cqlsh"])/median(took["count"]), "cqlsh/count")
	b.ReportMetric(median(took["compare"])/median(took["preview"]), "compare/preview")
	b.ReportMetric(median(took["quick"])/median(took["preview"]), "quick/preview")
	b.ReportMetric(median(cpu["compare"])/read*1e6, "cpu-µs/row")
	b.ReportMetric(median(cpu["drain"])/read*1e6, "drain-cpu-µs/row")
	for _, c := range contenders {
		b.ReportMetric(median(took[c.name]), c.name+"-s")
	}
	b.ReportMetric(bench.peak, "peak-MB")
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

func ownCPU(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

type benchmark struct {
	ring
	config      cassandra.Config
	cluster     *cassandra.Cluster
	credentials string           // file
	sessions    []*gocql.Session // of the drain, by site
	rows        int
	peak        float64 // MB of memory this process ever held, after a comparison
}

var benched = cassandra.Table{Keyspace: "dev", Name: "bench"}

// load fills the table on both sites.
func load(b *testing.B, r ring, config cassandra.Config) int {
	rows := 200_000
	if text := os.Getenv(rowsVariable); text != "" {
		var err error
		if rows, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	live := cassandratest.NewLive(b, config, 1)
	live.Exec("CREATE TABLE dev.bench (id bigint PRIMARY KEY, v text, n int) WITH compression = {'enabled': false}")
	s := session(b, r, config, 0, gocql.All)
	const batch = 50
	next := make(chan int)
	var writers sync.WaitGroup
	for range 32 {
		writers.Add(1)
		go func() {
			defer writers.Done()
			for from := range next {
				all := s.NewBatch(gocql.UnloggedBatch)
				for id := from; id < from+batch; id++ {
					all.Query("INSERT INTO dev.bench (id, v, n) VALUES (?, ?, ?)", int64(id), fmt.Sprintf("row-%012d-payload-abcdefghij", id), id%1000)
				}
				if err := s.ExecuteBatch(all); err != nil {
					b.Error(err)
				}
			}
		}()
	}
	for from := 0; from < rows; from += batch {
		next <- from
	}
	close(next)
	writers.Wait()
	for site := range r.Sites {
		r.nodetool(b, site, 0, "flush", "dev", "bench")
		r.nodetool(b, site, 0, "compact", "dev", "bench")
	}
	return rows
}

func session(b *testing.B, r ring, config cassandra.Config, site int, consistency gocql.Consistency) *gocql.Session {
	b.Helper()
	c := gocql.NewCluster(r.Sites[site].Nodes[0].Address)
	c.ProtoVersion, c.Consistency, c.DisableInitialHostLookup, c.NumConns = 4, consistency, true, 2
	c.Authenticator = gocql.PasswordAuthenticator{Username: config.User, Password: string(config.Password)}
	c.Timeout, c.ConnectTimeout, c.Logger = time.Minute, 10*time.Second, silent{}
	s, err := c.CreateSession()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Close)
	return s
}

// credentials writes a credentials file for cqlsh, so that no password stands in a command line.
func credentials(b *testing.B, config cassandra.Config) string {
	file := filepath.Join(b.TempDir(), "credentials")
	text := fmt.Sprintf("[PlainTextAuthProvider]\nusername = %s\npassword = %s\n", config.User, string(config.Password))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	return file
}
