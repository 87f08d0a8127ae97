//go:build lab

package cassandratest_test

import (
	"errors"
	"fmt"
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

func (x *benchmark) drain(*testing.B) error {
	var all sync.WaitGroup
	var mu sync.Mutex
	var errs error
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
					mu.Lock()
					errs = errors.Join(errs, rows.Err())
					mu.Unlock()
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
	return errs
}

func (x *benchmark) compare(b *testing.B) error {
	got, err := x.cluster.Compare(b.Context(), cassandra.Comparing{Reading: cassandra.Reading{Table: benched, Ranges: ranges, Concurrency: workers}})
	if err != nil || got.Equality != cassandra.Equal || got.Rows("dc1") != int64(x.rows) {
		return fmt.Errorf("%s, %d rows: %v", got, got.Rows("dc1"), err)
	}
	x.peak = max(x.peak, peakMB(b))
	return nil
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

func (x *benchmark) count(b *testing.B) error {
	// cqlsh counts one site, so this does too.
	one := x.config
	one.Sites = one.Sites[:1]
	cluster, err := cassandra.Open(one) // as who types cqlsh opens it
	if err != nil {
		return err
	}
	defer cluster.Close()
	got, err := cluster.Count(b.Context(), cassandra.Reading{Table: benched})
	if err != nil || got.Sites[0].Rows != int64(x.rows) {
		return fmt.Errorf("%s: %v", got, err)
	}
	return nil
}

func (x *benchmark) cqlsh(*testing.B) error {
	host, _, _ := strings.Cut(x.Sites[0].Nodes[0].Address, ":")
	command := exec.Command("cqlsh", "--credentials", x.credentials, "--request-timeout", "600", host, "-e", "CONSISTENCY LOCAL_ONE; SELECT COUNT(*) FROM dev.bench")
	output, err := command.CombinedOutput()
	if err != nil || !strings.Contains(string(output), strconv.Itoa(x.rows)) {
		return fmt.Errorf("%w\n%s", err, output)
	}
	return nil
}

func (x *benchmark) preview(b *testing.B) error {
	if output := x.nodetool(b, 0, 0, "repair", "-full", "--preview", "dev", "bench"); !strings.Contains(output, "sync") {
		return errors.New(output)
	}
	return nil
}

// quick compares by Merkle trees, and reads nothing since they agree.
func (x *benchmark) quick(b *testing.B) error {
	got, err := x.cluster.Compare(b.Context(), cassandra.Comparing{Reading: cassandra.Reading{Table: benched}, Trees: &subject{ring: x.ring}})
	if err != nil || got.Equality != cassandra.Equal || got.Rows("dc1") != 0 {
		return fmt.Errorf("%s, %s: %v", got, got.Trees, err)
	}
	return nil
}
