package cassandratest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// preview begins a comparison of a node's rows with those of all others and gives what ends it.
func (r *Ring) preview(on *Node, away []string, keyspace string, tables []string, fail string) (end func()) {
	record := on.begin(keyspace)
	on.set(func() { record.preview, record.tables = true, tables })
	return func() {
		var others []*Node
		for _, o := range r.nodes {
			if o != on && !slices.Contains(away, string(o.site)) {
				others = append(others, o)
			}
		}
		message := r.compareTrees(on, others, keyspace, tables)
		on.set(func() {
			record.completed, record.failure, record.message = true, fail, message
			for _, o := range others {
				record.others = append(record.others, fmt.Sprintf("/%s:7000", o.internode()))
			}
		})
	}
}

// compareTrees says what differs, in the words of Cassandra: 5.0 names ranges, 4.1 does not.
func (r *Ring) compareTrees(on *Node, others []*Node, keyspace string, tables []string) string {
	version := on.describe().version
	r.mu.Lock()
	defer r.mu.Unlock()
	var lines []string
	total := 0
	for _, name := range tables {
		var tokens []int64
		if t := r.tables[keyspace+"."+name]; t != nil {
			for _, o := range others {
				tokens = append(tokens, unlike(t.rows[on], t.rows[o])...)
			}
		}
		slices.Sort(tokens)
		tokens = slices.Compact(tokens)
		total += len(tokens)
		lines = append(lines, fmt.Sprintf("%s.%s - %d ranges, 0 sstables, 0B bytes", keyspace, name, len(tokens)))
		if len(tokens) > 0 && strings.HasPrefix(version, "5") {
			named := "    Mismatching ranges: "
			for _, token := range tokens {
				named += fmt.Sprintf("(%d,%d],", token-1, token)
			}
			lines = append(lines, named)
		}
	}
	if total == 0 {
		return "Repair preview completed successfully; Previewed data was in sync"
	}
	return fmt.Sprintf("Repair preview completed successfully; Preview complete\nTotal estimated streaming: %d ranges, 0 sstables, 0B bytes\n%s\n",
		total, strings.Join(lines, "\n"))
}

// unlike are the tokens of the rows that only one of two nodes has, or that differ.
func unlike(a, b map[string]row) []int64 {
	var tokens []int64
	same := func(x, y row) bool {
		return slices.EqualFunc(x.values, y.values, bytes.Equal) && slices.Equal(x.written, y.written)
	}
	for key, row := range a {
		if other, ok := b[key]; !ok || !same(row, other) {
			tokens = append(tokens, row.token)
		}
	}
	for key, row := range b {
		if _, ok := a[key]; !ok {
			tokens = append(tokens, row.token)
		}
	}
	return tokens
}
