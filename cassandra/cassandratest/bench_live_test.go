//go:build lab

package cassandratest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gocql/gocql"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/cassandra/cassandratest"
)

// rowsVariable says how many rows the benchmark reads, the smallest number first, with commas.
const rowsVariable = "GEOREDKIT_BENCH_ROWS"

// BenchmarkBesideOthers times comparison and count beside what else there is, in turns on the same ring, and reports
// ratios of medians: other machines and other loads give other times, but hardly other ratios. Run it with
// -benchtime 5x; each turn runs everything once.
//
// The drain is the floor of a comparison: a loop around the driver that reads the same ranges of both sites, with keys,
// values and write times, and throws them away.
func BenchmarkBesideOthers(b *testing.B) {
	text := os.Getenv(rowsVariable)
	if text == "" {
		text = "200000,1000000"
	}
	r := start(b, "-heap", "512m")
	config := r.config(b)
	bench := &benchmark{ring: r, config: config, cluster: open(b, config), credentials: credentials(b, config)}
	for site := range r.Sites { // open before, as the cluster's are
		bench.sessions = append(bench.sessions, session(b, r, config, site, gocql.LocalOne))
	}
	cassandratest.NewLive(b, config, 1).Exec("CREATE TABLE dev.bench (id bigint PRIMARY KEY, v text, n int) WITH compression = {'enabled': false}")
	for _, number := range strings.Split(text, ",") {
		rows, err := strconv.Atoi(number)
		if err != nil {
			b.Fatal(err)
		}
		b.Run("rows="+number, func(b *testing.B) {
			bench.load(b, rows)
			bench.turns(b)
		})
	}
}

// turns runs every contender once in each turn of the loop.
func (x *benchmark) turns(b *testing.B) {
	contenders := []struct {
		name string
		run  func(*testing.B) error
	}{
		{"drain", x.drain}, {"compare", x.compare}, {"count", x.count}, {"cqlsh", x.cqlsh}, {"preview", x.preview}, {"quick", x.quick},
	}
	took, cpu, failed := map[string][]float64{}, map[string][]float64{}, 0
	turn := func() {
		for _, c := range contenders {
			for try := range 3 { // cqlsh runs into time-outs now and then; only what comes to its end is timed
				began, before := time.Now(), ownCPU(b)
				err := c.run(b)
				if err == nil {
					took[c.name] = append(took[c.name], time.Since(began).Seconds())
					cpu[c.name] = append(cpu[c.name], (ownCPU(b) - before).Seconds())
					break
				}
				if c.name != "cqlsh" {
					b.Fatalf("%s: %v", c.name, err)
				}
				b.Logf("cqlsh failed, %d: %v", try+1, err)
				failed++
			}
		}
	}
	turn() // servers compile what they run often
	clear(took)
	clear(cpu)
	for b.Loop() {
		turn()
	}
	read := float64(2 * x.rows)
	ratio := func(over, under string) {
		if len(took[over]) > 0 {
			b.ReportMetric(median(took[over])/median(took[under]), over+"/"+under)
		}
	}
	ratio("compare", "drain")
	ratio("cqlsh", "count")
	ratio("compare", "preview")
	ratio("quick", "preview")
	b.ReportMetric(median(cpu["compare"])/read*1e6, "cpu-µs/row")
	b.ReportMetric(median(cpu["drain"])/read*1e6, "drain-cpu-µs/row")
	for name, all := range took {
		b.ReportMetric(median(all), name+"-s")
	}
	b.ReportMetric(float64(failed), "cqlsh-failures")
	b.ReportMetric(x.peak, "peak-MB")
	b.ReportMetric(machineLoad(b), "load")
}

// machineLoad is how many processes wanted a processor in the last minute.
func machineLoad(b *testing.B) float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		b.Fatal(err)
	}
	load, err := strconv.ParseFloat(strings.Fields(string(text))[0], 64)
	if err != nil {
		b.Fatal(err)
	}
	return load
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

// load fills the table on both sites up to that many rows.
func (x *benchmark) load(b *testing.B, rows int) {
	s := session(b, x.ring, x.config, 0, gocql.All)
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
	for from := x.rows; from < rows; from += batch {
		next <- from
	}
	close(next)
	writers.Wait()
	x.rows = rows
	for site := range x.Sites {
		x.nodetool(b, site, 0, "flush", "dev", "bench")
		x.nodetool(b, site, 0, "compact", "dev", "bench")
	}
}

func session(b *testing.B, r ring, config cassandra.Config, site int, consistency gocql.Consistency) *gocql.Session {
	b.Helper()
	c := gocql.NewCluster(r.Sites[site].Nodes[0].Address)
	c.ProtoVersion, c.Consistency, c.DisableInitialHostLookup, c.NumConns = 4, consistency, true, 2
	c.Authenticator = gocql.PasswordAuthenticator{Username: config.User, Password: config.Password.Reveal()}
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
	text := fmt.Sprintf("[PlainTextAuthProvider]\nusername = %s\npassword = %s\n", config.User, config.Password.Reveal())
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	return file
}
