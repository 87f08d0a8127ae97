//go:build lab

package cassandratest_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/cassandra/cassandratest"
)

// types holds a real ring to the types that the ring inside a test's process has not: a value of each that one site lacks is
// found, whether the driver knows the type or not.
func types(t *testing.T, r ring, more map[string]string) {
	live := cassandratest.NewLive(t, r.config(t), 1)
	live.Exec("CREATE TYPE IF NOT EXISTS dev.place (street text, number int)")
	literals := map[string]string{
		"decimal": "1.50", "duration": "12h30m", "tuple<int, text>": "(1, 'a')", "frozen<tuple<int, frozen<list<text>>>>": "(1, ['a'])",
		"place": "{street: 'x', number: 1}", "frozen<place>": "{street: 'x', number: 1}", "list<frozen<place>>": "[{street: 'x'}]",
		"map<int, frozen<set<decimal>>>": "{1: {1.5}}", "frozen<map<text, frozen<tuple<int, int>>>>": "{'a': (1, 2)}",
	}
	for name, literal := range more {
		literals[name] = literal
	}
	cluster := open(t, r.config(t))
	for number, name := range slices.Sorted(maps.Keys(literals)) {
		t.Run(name, func(t *testing.T) {
			table := cassandra.Table{Keyspace: "dev", Name: fmt.Sprintf("types_%d_%d", number, time.Now().UnixNano())}
			live.Exec(fmt.Sprintf("CREATE TABLE %s (id int PRIMARY KEY, v %s)", table, name))
			insert := func(id int, literal string) {
				live.Exec(fmt.Sprintf("INSERT INTO %s (id, v) VALUES (%d, %s)", table, id, literal))
			}
			insert(1, literals[name])
			insert(2, "null")
			compare := func() cassandra.Comparison {
				x, err := cluster.Compare(t.Context(), cassandra.Comparing{Reading: cassandra.Reading{Table: table, Ranges: 4}, Settle: time.Millisecond})
				if err != nil {
					t.Fatal(err)
				}
				return x
			}
			if x := compare(); x.Equality != cassandra.Equal || x.Rows("dc1") != 2 {
				t.Errorf("%s, %d rows", x, x.Rows("dc1"))
			}
			live.At("dc1", func() { insert(2, literals[name]) })
			if x := compare(); x.Equality != cassandra.Different || len(x.Differences) != 1 || x.Differences[0].Key != "id = 2" {
				t.Errorf("%s; %v", x, x.Differences)
			}
		})
	}
}
