package cassandra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
)

func TestRangesCoverEveryTokenOnce(t *testing.T) {
	for _, n := range []int{1, 2, 3, 7, 64, 1000} {
		parts := everything.cut(n)
		if len(parts) != n || parts[0].Start != math.MinInt64 || parts[n-1].End != math.MaxInt64 {
			t.Fatalf("%d parts: %v", n, parts)
		}
		for i := 1; i < n; i++ {
			if parts[i].Start != parts[i-1].End || parts[i].width() == 0 {
				t.Fatalf("%d parts: %v then %v", n, parts[i-1], parts[i])
			}
		}
	}
	if got := (Range{5, 7}).cut(10); !slices.Equal(got, []Range{{5, 6}, {6, 7}}) {
		t.Errorf("two tokens in ten parts: %v", got)
	}
}

// ring of nodes n1 and so on, of data centers and racks as given, with equally spaced tokens.
func testNodes(places ...string) []Node {
	var nodes []Node
	for i, place := range places {
		center, rack, _ := strings.Cut(place, "/")
		nodes = append(nodes, Node{HostID: fmt.Sprintf("n%d", i+1), DataCenter: center, Rack: rack, Tokens: []string{fmt.Sprint(100 * (i + 1))}})
	}
	return nodes
}

func TestPlacement(t *testing.T) {
	for _, test := range []struct {
		name        string
		places      []string
		replication map[string]string
		want        []string // per range from below the first token on: nodes by site
	}{
		{"one node a site holds everything", []string{"a/r", "b/r"}, map[string]string{"a": "1", "b": "1"}, []string{"[n1] [n2]"}},
		{"as many replicas as nodes", []string{"a/r", "b/r", "a/r", "b/r"}, map[string]string{"a": "2", "b": "3"},
			[]string{"[n1 n3] [n2 n4]"}},
		{"one replica of two nodes", []string{"a/r", "a/r", "b/r"}, map[string]string{"a": "1", "b": "1"},
			[]string{"[n1] [n3]", "[n2] [n3]", "[n1] [n3]"}},
		{"another rack first", []string{"a/r1", "a/r1", "a/r2"}, map[string]string{"a": "2"},
			[]string{"[n1 n3]", "[n2 n3]", "[n1 n3]"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := Keyspace{Class: networkTopology, Replication: test.replication}
			var sites []Site
			for _, s := range []Site{{Name: "a"}, {Name: "b"}} {
				if k.factor(string(s.Name)) > 0 {
					sites = append(sites, s)
				}
			}
			var got []string
			for _, p := range place(k, sites, testNodes(test.places...)) {
				var parts []string
				for _, nodes := range p.replicas {
					var names []string
					for _, n := range nodes {
						names = append(names, n.HostID)
					}
					parts = append(parts, fmt.Sprint(names))
				}
				got = append(got, strings.Join(parts, " "))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
	if place(Keyspace{}, nil, nil) != nil {
		t.Error("ranges without nodes")
	}
}

func TestDigestsAddUpInAnyOrder(t *testing.T) {
	rows := [][][]byte{{[]byte("a"), nil}, {[]byte("a"), {}}, {[]byte("aa")}, {[]byte("a"), []byte("a")}}
	var forth, back Digest
	var sums []Sum
	h := newHasher()
	for i := range rows {
		s, _ := h.row(rows[i], nil)
		r, _ := h.row(rows[len(rows)-1-i], nil)
		forth, back, sums = forth.plus(Digest{1, s}), back.plus(Digest{1, r}), append(sums, s)
	}
	if forth != back || forth.Rows != 4 {
		t.Errorf("%v, %v", forth, back)
	}
	for i := range sums {
		if slices.Contains(sums[i+1:], sums[i]) {
			t.Errorf("row %d has the sum of another: null, empty and neighbouring values must differ", i)
		}
	}
	if other, _ := newHasher().row(rows[0], nil); other == sums[0] || sums[0][0] == sums[0][1] {
		t.Error("hashes have no key of their own")
	}
	text, err := json.Marshal(forth)
	var read Digest
	if err != nil || json.Unmarshal(text, &read) != nil || read != forth {
		t.Errorf("%s becomes %v: %v", text, read, err)
	}
	if json.Unmarshal([]byte(`{"sum":"xyz"}`), &read) == nil {
		t.Error("a sum that is none was read")
	}
}

func TestConstants(t *testing.T) {
	for _, test := range []struct {
		cqlType string
		value   []byte
		want    string
	}{
		{"int", []byte{0xff, 0xff, 0xff, 0xfe}, "-2"}, {"bigint", []byte{0, 0, 0, 0, 0, 0, 1, 0}, "256"}, {"tinyint", []byte{0x80}, "-128"},
		{"varint", []byte{0xff}, "-1"}, {"varint", []byte{0x00, 0xff}, "255"}, {"varint", []byte{}, "0x"},
		{"text", []byte("it's"), "'it''s'"}, {"text", []byte{0xff}, "0xff"}, {"boolean", []byte{1}, "true"},
		{"inet", []byte{10, 0, 0, 1}, "'10.0.0.1'"}, {"date", []byte{0x80, 0, 0, 0}, "'1970-01-01'"}, {"date", []byte{0x7f, 0xff, 0xff, 0xff}, "'1969-12-31'"},
		{"timestamp", []byte{0, 0, 0, 0, 0, 0, 0, 1}, "'1970-01-01T00:00:00.001Z'"}, {"double", []byte{0x3f, 0xf8, 0, 0, 0, 0, 0, 0}, "1.5"},
		{"uuid", []byte{0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0, 0xc0, 0x4f, 0xd4, 0x30, 0xc8}, "6ba7b810-9dad-11d1-80b4-00c04fd430c8"},
		{"blob", []byte{1}, "0x01"}, {"frozen<list<int>>", []byte{1, 2}, "0x0102"}, {"int", []byte{1, 2, 3}, "0x010203"}, {"int", nil, "null"},
	} {
		if got := constant(test.cqlType, test.value); got != test.want {
			t.Errorf("%s % x: %s, want %s", test.cqlType, test.value, got, test.want)
		}
	}
}

func TestWhichColumnsAreStamped(t *testing.T) {
	for cqlType, want := range map[string]bool{
		"int": true, "duration": true, "list<int>": false, "set<text>": false, "map<text, int>": false, "frozen<list<int>>": true,
		"frozen<tuple<int, text>>": true, "address": false, "frozen<address>": true, "vector<float, 3>": true, "'org.example.Type'": true,
	} {
		if got := (column{cqlType: cqlType}).stamped(); got != want {
			t.Errorf("%s: %v", cqlType, got)
		}
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"3h": 3 * time.Hour, "10800000ms": 3 * time.Hour, "1d": 24 * time.Hour, "0s": 0, "5us": 5 * time.Microsecond, "5µs": 5 * time.Microsecond,
	} {
		if got, err := parseDuration(text); got != want || err != nil {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "3", "h", "-3h", "3 h", "3h30m", "1.5h", "3w", "99999999999999999999h", "9223372036854775807h"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("%q was read as %s", text, got)
		}
	}
}

func FuzzDuration(f *testing.F) {
	f.Add("3h")
	f.Add("10800000ms")
	f.Fuzz(func(t *testing.T, text string) {
		if d, err := parseDuration(text); d < 0 || err != nil && d != 0 {
			t.Errorf("%q: %s, %v", text, d, err)
		}
	})
}

// What comes over the wire never makes the readers panic, and keys come back as they were written.
func FuzzWire(f *testing.F) {
	f.Add("int", []byte{0, 0, 0, 1, 0, 0, 0, 1, 'a'})
	f.Fuzz(func(t *testing.T, cqlType string, data []byte) {
		row := Row{Columns: []Column{{"c"}}, Values: [][]byte{data}}
		row.textMap("c")
		row.time("c")
		row.uuid("c")
		if constant(cqlType, data) == "" && data != nil {
			t.Errorf("%s % x has no constant", cqlType, data)
		}
		value, rest := cutValue(appendValue(nil, data))
		if string(value) != string(data) || len(rest) > 0 {
			t.Errorf("% x came back as % x and % x", data, value, rest)
		}
		cutValue(data)
	})
}

// Without any answer nobody knows anything, but that the nodes are not there.
func TestFindingsWithoutAnyone(t *testing.T) {
	empty := Ring{Sites: []Site{{Name: "a"}, {Name: "b"}}, Silent: []geored.Silence{{Target: geored.Target{Site: "a", Name: "node"}, Reason: "gone"}}}
	heard := func(ctx context.Context, r Ring) []geored.Finding {
		return (&Cluster{Config: Config{Sites: r.Sites}}).heardSince(ctx, r, r)
	}
	for name, c := range map[string]struct {
		judge    func(context.Context, Ring) []geored.Finding
		findings int
		want     geored.Verdict
	}{
		"nodes": {judgeNodes, 2, geored.Fail}, "names": {judgeNames, 1, geored.Unknown}, "view": {judgeView, 4, geored.Unknown},
		"gossip": {heard, 4, geored.Unknown}, "schema": {judgeSchema, 1, geored.Unknown}, "tokens": {judgeTokens, 1, geored.Unknown},
		"versions": {judgeVersions, 1, geored.Unknown}, "replication": {judgeReplication, 1, geored.Unknown}, "hints": {judgeHints, 2, geored.Unknown},
	} {
		findings := c.judge(t.Context(), empty)
		if len(findings) != c.findings {
			t.Errorf("%s: %d findings, want %d", name, len(findings), c.findings)
		}
		for _, f := range findings {
			if f.Verdict != c.want {
				t.Errorf("%s: %s, want %s: %+v", name, f.Verdict, c.want, f)
			}
		}
	}
}

// toolbox is nodetool and the restarter of one node: what it says of its mode, or that it does not run.
type toolbox struct {
	mode  string
	calls []string
}

func (b *toolbox) Run(_ context.Context, _ Node, args ...string) (string, error) {
	b.calls = append(b.calls, args[0])
	if b.mode == "" {
		return "", errors.New("connection refused")
	}
	return "Mode: " + b.mode + "\n", nil
}

func (b *toolbox) Restart(context.Context, Node) error {
	b.calls = append(b.calls, "restart")
	return nil
}

// A node is drained and restarted once: one that is silent only when it is known to be drained, for else it may be on its way back.
func TestASilentNodeIsRestartedWhenItIsDrained(t *testing.T) {
	n, other := Node{Site: "dc1", HostID: "n1", Address: netip.MustParseAddrPort("127.0.0.1:9042")}, Node{Site: "dc2", HostID: "n2", Address: netip.MustParseAddrPort("127.0.0.2:9042")}
	for _, c := range []struct {
		silent []Node
		mode   string
		calls  string
		later  bool // it is tried again
	}{
		{nil, "NORMAL", "drain restart", false},
		{[]Node{n}, "DRAINED", "netstats restart", false},
		{[]Node{n}, "NORMAL", "netstats", true},
		{[]Node{n}, "DRAINING", "netstats", true},
		{[]Node{n}, "", "netstats", true},
		{[]Node{other}, "NORMAL", "", true},
	} {
		var ring Ring
		for _, s := range []Node{n, other} {
			if slices.Contains(addresses(c.silent), s.Address) {
				ring.Silent = append(ring.Silent, geored.Silence{Target: s.Target()})
			} else {
				ring.Views = append(ring.Views, View{Node: s})
			}
		}
		box := &toolbox{mode: c.mode}
		x := restarting{node: n, tool: box, restarter: box}
		err := x.restartNow(t.Context(), ring)
		if got := strings.Join(box.calls, " "); got != c.calls || (err != nil) != c.later || c.later && !geored.IsRetriable(err) {
			t.Errorf("silent %v, mode %q: %s, %v", c.silent, c.mode, got, err)
		}
	}
}

func addresses(nodes []Node) (all []netip.AddrPort) {
	for _, n := range nodes {
		all = append(all, n.Address)
	}
	return all
}

// A node whose address another one has by now is not there: that other one is left alone.
func TestANodeWhoseAddressIsAnothers(t *testing.T) {
	n := Node{Site: "dc1", HostID: "n1", Address: netip.MustParseAddrPort("127.0.0.1:9042")}
	taken := n
	taken.HostID = "n2"
	box := &toolbox{mode: "NORMAL"}
	x := restarting{node: n, tool: box, restarter: box}
	if err := x.restartNow(t.Context(), Ring{Views: []View{{Node: taken}}}); err == nil || !geored.IsRetriable(err) || len(box.calls) > 0 {
		t.Errorf("%v, %v", box.calls, err)
	}
	moved := n
	moved.Address = netip.MustParseAddrPort("127.0.0.9:9042")
	if node, silent, err := x.reach(Ring{Views: []View{{Node: taken}, {Node: moved}}}); err != nil || silent || node.Address != moved.Address {
		t.Errorf("%+v, %v, %v", node, silent, err)
	}
}

// An index is no table of its own: a snapshot of it is refused, and cleanup leaves something in it.
func TestIndexesAreNoTables(t *testing.T) {
	held, err := parseTableStats(`{"dev":{"tables":{"changeset":{"space_used_live":"7","memtable_cell_count":0},"changeset.by_name":{"space_used_live":"7","memtable_cell_count":0}}}}`, "dev")
	if err != nil || len(held) != 1 || held[0] != "changeset" {
		t.Errorf("%v, %v", held, err)
	}
}

// Hints that a node keeps for nobody of a data center are no hints.
func TestHintsThatAreKeptForNobody(t *testing.T) {
	for text, want := range map[string]bool{"": true, "[]": true, "null": true, "[dc2]": false, "{dc2, dc3}": false} {
		v := View{Settings: map[string]string{"hinted_handoff_enabled": "true", "max_hint_window": "3h", "hinted_handoff_disabled_datacenters": text}}
		s := new(Limits).site(Ring{Views: []View{v}}, "dc1")
		if s.Handoff != want || (v.noHints() == "") != want {
			t.Errorf("%q: %+v, %q", text, s, v.noHints())
		}
	}
}

// What a node did not tell of its keyspaces is not none.
func TestKeyspacesThatNobodyRead(t *testing.T) {
	told := View{Keyspaces: []Keyspace{{Name: "dev", Class: networkTopology, Replication: map[string]string{"dc1": "1", "dc2": "1"}}}}
	unread := View{Node: Node{Site: "dc2"}, Unread: []Unread{{keyspaceTable, "connection reset"}}}
	if err := (Ring{Views: []View{told, unread}}).tellsKeyspaces(); err == nil || !strings.Contains(err.Error(), "connection reset") {
		t.Errorf("%v", err)
	}
	if err := (Ring{Views: []View{told}}).tellsKeyspaces(); err != nil {
		t.Error(err)
	}
	if _, faults := (Ring{Views: []View{unread}}).keyspacesOn(Node{Site: "dc1"}); len(faults) != 1 || !strings.Contains(faults.Error(), "does not tell its keyspaces") {
		t.Errorf("%v", faults)
	}
	other := View{Node: Node{Site: "dc2"}, Keyspaces: []Keyspace{{Name: "dev", Class: networkTopology, Replication: map[string]string{"dc1": "2", "dc2": "1"}}}}
	if err := (Ring{Views: []View{told, other, unread}}).sameReplication(told.Keyspaces[0]); err == nil || !strings.Contains(err.Error(), "bring the nodes to one schema") {
		t.Errorf("%v", err)
	}
	if err := (Ring{Views: []View{told, told}}).sameReplication(told.Keyspaces[0]); err != nil {
		t.Error(err)
	}
}

// A range whose first look did not come to its end is not equal because nothing differs at the second one.
func TestALookThatWasCutProvesNothing(t *testing.T) {
	for _, cut := range []bool{true, false} {
		x := &comparing{result: &Comparison{Ranges: []RangeResult{{Equality: Unproven, Reason: "it differs"}}}}
		x.confirm(t.Context(), 0, looked{cut: cut}, nil)
		if got := x.result.Ranges[0].Equality; (got == Equal) == cut {
			t.Errorf("cut %t: %s", cut, got)
		}
	}
}
