//go:build lab

package cassandratest_test

import (
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/georedkit/georedkit/cassandra"
)

const ranges, workers = 64, 2

func (x *benchmark) drain(b *testing.B) {
	var all sync.WaitGroup
	for site := range x.Sites {
		s := x.sessions[site]
		next := make(chan int)
		for range workers {
			all.Add(1)
			go func() {
				defer all.Done()
				for i := range next {
					width := uint64(math.MaxUint64) / ranges
					from, to := int64(uint64(math.MaxInt64)+1+uint64(i)*width), int64(uint64(math.MaxInt64)+1+uint64(i+1)*width)
					if i == ranges-1 {
						to = math.MaxInt64
					}
					rows := s.Query("SELECT id, n, v, WRITETIME(n), WRITETIME(v) FROM dev.bench WHERE token(id) > ? AND token(id) <= ?", from, to).PageSize(5000).Iter().Scanner()
					for rows.Next() {
					}
					if err := rows.Err(); err != nil {
						b.Error(err)
					}
				}
			}()
		}
		go func() {
			for i := range ranges {
				next <- i
			}
			close(next)
		}()
	}
	all.Wait()
}

func (x *benchmark) compare(b *testing.B) {
	got, err := x.cluster.Compare(b.Context(), cassandra.Comparing{Reading: cassandra.Reading{Table: benched, Ranges: ranges, Concurrency: workers}})
	if err != nil || got.Equality != cassandra.Equal || got.Rows("dc1") != int64(x.rows) {
		b.Fatal(got, got.Rows("dc1"), err)
	}
	x.peak = max(x.peak, peakMB(b))
}

func peakMB(b *testing.B) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	if err != nil {
		b.Fatal(err)
	}
	return kb / 1024
}

func (x *benchmark) count(b *testing.B) {
	// cqlsh counts one site, so this does too.
	one := x.config
	one.Sites = one.Sites[:1]
	cluster := open(b, one)
	got, err := cluster.Count(b.Context(), cassandra.Reading{Table: benched})
	if err != nil || got.Sites[0].Rows != int64(x.rows) {
		b.Fatal(got, err)
	}
}

func (x *benchmark) cqlsh(b *testing.B) {
	host, _, _ := strings.Cut(x.Sites[0].Nodes[0].Address, ":")
	command := exec.Command("cqlsh", "--credentials", x.credentials, "--request-timeout", "600", host, "-e", "CONSISTENCY LOCAL_ONE; SELECT COUNT(*) FROM dev.bench")
	output, err := command.CombinedOutput()
	if err != nil || !strings.Contains(string(output), strconv.Itoa(x.rows)) {
		b.Fatalf("cqlsh: %v\n%s", err, output)
	}
}

func (x *benchmark) preview(b *testing.B) {
	if output := x.nodetool(b, 0, 0, "repair", "-full", "--preview", "dev", "bench"); !strings.Contains(output, "sync") {
		b.Fatal(output)
	}
}

// quick compares by Merkle trees, and reads nothing since they agree.
func (x *benchmark) quick(b *testing.B) {
	got, err := x.cluster.Compare(b.Context(), cassandra.Comparing{Reading: cassandra.Reading{Table: benched}, Trees: &subject{ring: x.ring}})
	if err != nil || got.Equality != cassandra.Equal || got.Rows("dc1") != 0 {
		b.Fatal(got, got.Trees, err)
	}
}
