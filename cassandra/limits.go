package cassandra

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Limits are how long a site may be away before the others can no longer bring it up to date by themselves, as the
// servers say now.
type Limits struct {
	Sites   []SiteLimits     `json:"sites"`
	Tables  []TableLimits    `json:"tables"`            // of keyspaces that are replicated, by gc_grace, the shortest first
	Unknown []geored.Silence `json:"unknown,omitempty"` // who could not be asked for something, and why
}

// SiteLimits are those of one site's nodes, which keep hints for the others.
type SiteLimits struct {
	Site       geored.SiteName `json:"site"`
	HintWindow time.Duration   `json:"hintWindowNs"`        // the shortest of its nodes; zero: unknown, or hints are off
	Handoff    bool            `json:"handoff"`             // all its nodes keep hints
	HintBytes  int64           `json:"hintBytes,omitempty"` // what a node keeps of them for another at most (max_hints_size_per_host of 4.1); zero: any amount
	Waiting    []Hints         `json:"waiting,omitempty"`   // finished files only; none is no proof that all have arrived
}

// TableLimits is how long a table remembers deletions.
type TableLimits struct {
	Table
	GCGrace time.Duration `json:"gcGraceNs"` // the shortest of all sites
}

// Cure is what brings a site up to date that was away.
type Cure string

// The cures, from the lightest on.
const (
	AwaitHints  Cure = "await-hints" // the others kept everything for it: wait until none wait, then compare
	Repair      Cure = "repair"      // writes were lost: repair every node in full, then compare
	Rebuild     Cure = "rebuild"     // deletions may be forgotten: a repair could bring deleted rows back
	CureUnknown Cure = "unknown"     // the limits are not known
)

// Cure says what an outage of that length asks for, and why. It is cautious: hints count only as long as the shortest
// window of all sites, and for nothing where a site keeps none or keeps only so many bytes of them; a table without deletions may be repaired even after its gc_grace, but that nobody can tell here.
func (l Limits) Cure(outage time.Duration) (Cure, []string) {
	var reasons []string
	for _, t := range l.Tables {
		if outage > t.GCGrace {
			reasons = append(reasons, fmt.Sprintf("table %s forgets deletions after %s", t.Table, t.GCGrace))
		}
	}
	if len(reasons) > 0 {
		return Rebuild, reasons
	}
	for _, u := range l.Unknown {
		reasons = append(reasons, fmt.Sprintf("%s: %s", u.Target, u.Reason))
	}
	if len(reasons) > 0 || len(l.Sites) == 0 || len(l.Tables) == 0 {
		return CureUnknown, reasons
	}
	for _, s := range l.Sites {
		if !s.Handoff {
			reasons = append(reasons, fmt.Sprintf("site %s keeps no hints", s.Site))
		} else if outage > s.HintWindow {
			reasons = append(reasons, fmt.Sprintf("site %s keeps hints for %s", s.Site, s.HintWindow))
		} else if s.HintBytes > 0 {
			reasons = append(reasons, fmt.Sprintf("site %s keeps %d bytes of hints for a node (max_hints_size_per_host) and drops the rest", s.Site, s.HintBytes))
		}
	}
	if len(reasons) > 0 {
		return Repair, reasons
	}
	return AwaitHints, nil
}

// Limits reads the limits from every node. The error is the context's; what could not be read stands in Unknown.
func (c *Cluster) Limits(ctx context.Context) (Limits, error) {
	ring, err := c.Ring(ctx)
	l := Limits{Unknown: slices.Clone(ring.Silent)}
	for _, site := range c.Sites {
		l.Sites = append(l.Sites, l.site(ring.of(site.Name), site.Name))
	}
	grace := map[Table]time.Duration{}
	for _, v := range ring.Views {
		if err := c.graces(ctx, v, grace); err != nil {
			l.unknown(v.Node, err.Error())
		}
	}
	for table, d := range grace {
		l.Tables = append(l.Tables, TableLimits{table, d})
	}
	slices.SortFunc(l.Tables, func(a, b TableLimits) int {
		return cmp.Or(cmp.Compare(a.GCGrace, b.GCGrace), cmp.Compare(a.Table.String(), b.Table.String()))
	})
	return l, err
}

func (l *Limits) unknown(n Node, reason string) {
	l.Unknown = append(l.Unknown, geored.Silence{Target: n.Target(), Reason: reason})
}

func (l *Limits) site(part Ring, name geored.SiteName) SiteLimits {
	s := SiteLimits{Site: name, Handoff: len(part.Views) > 0}
	for i, v := range part.Views {
		window, err := hintWindow(v.Settings)
		if reason, unread := v.unread(settingsTable); unread {
			err = fmt.Errorf("read %s: %s", settingsTable, reason)
		}
		if err != nil {
			l.unknown(v.Node, err.Error())
		}
		if reason, unread := v.unread(hintsTable); unread {
			l.unknown(v.Node, fmt.Sprintf("read %s: %s", hintsTable, reason))
		}
		if i == 0 || window < s.HintWindow {
			s.HintWindow = window
		}
		most, err := hintBytes(v.Settings)
		if err != nil {
			l.unknown(v.Node, err.Error())
		}
		if most > 0 && (s.HintBytes == 0 || most < s.HintBytes) {
			s.HintBytes = most
		}
		s.Handoff = s.Handoff && v.Settings["hinted_handoff_enabled"] == "true" && v.unhinted() == ""
		s.Waiting = append(s.Waiting, v.Hints...)
	}
	return s
}

// unhinted are the data centers that a node keeps no hints for (nodetool disablehintsfordc); zero: none.
func (v View) unhinted() string {
	names := strings.Trim(v.Settings["hinted_handoff_disabled_datacenters"], "[]{} ")
	if names == "null" {
		return ""
	}
	return names
}

// hintWindow reads the setting under its name from 4.1 on, or the one before.
func hintWindow(settings map[string]string) (time.Duration, error) {
	if text, ok := settings["max_hint_window"]; ok {
		return parseDuration(text)
	}
	if text, ok := settings["max_hint_window_in_ms"]; ok {
		return parseDuration(text + "ms")
	}
	return 0, fmt.Errorf("the settings do not name max_hint_window")
}

// hintBytes reads how much a node keeps for another; zero: any amount, as before 4.1.
func hintBytes(settings map[string]string) (int64, error) {
	text, ok := settings["max_hints_size_per_host"]
	if !ok || text == "null" {
		return 0, nil
	}
	digits := strings.TrimRight(text, "BKMGi")
	n, err := strconv.ParseInt(digits, 10, 64)
	shift, ok := map[string]int{"": 0, "B": 0, "KiB": 10, "MiB": 20, "GiB": 30}[text[len(digits):]]
	if err != nil || !ok || n > (1<<63-1)>>shift {
		return 0, fmt.Errorf("max_hints_size_per_host: %q is no number of bytes", text)
	}
	return max(n, 0) << shift, nil // below 0 it is none too
}

// parseDuration reads a duration as Cassandra's settings write it: a whole number and one unit.
func parseDuration(text string) (time.Duration, error) {
	digits := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyzµ")
	n, err := strconv.ParseInt(digits, 10, 64)
	unit, ok := durationUnits[text[len(digits):]]
	if err != nil || !ok || n < 0 || n > int64((1<<63-1)/unit) {
		return 0, fmt.Errorf("%q is no duration", text)
	}
	return time.Duration(n) * unit, nil
}

var durationUnits = map[string]time.Duration{
	"d": 24 * time.Hour, "h": time.Hour, "m": time.Minute, "s": time.Second,
	"ms": time.Millisecond, "us": time.Microsecond, "µs": time.Microsecond, "ns": time.Nanosecond,
}

// graces reads gc_grace of every replicated table from one node, and keeps the shortest.
func (c *Cluster) graces(ctx context.Context, v View, shortest map[Table]time.Duration) error {
	q := Query{CQL: `SELECT keyspace_name, table_name, gc_grace_seconds FROM system_schema.tables`}
	return c.query(ctx, v.Node.Address, q, func(r Row) error {
		t := Table{r.text("keyspace_name"), r.text("table_name")}
		if slices.Contains(ownKeyspaces, t.Keyspace) {
			return nil
		}
		grace := time.Duration(r.number("gc_grace_seconds")) * time.Second
		if known, ok := shortest[t]; !ok || grace < known {
			shortest[t] = grace
		}
		return nil
	})
}

// ownKeyspaces are Cassandra's: each node's own ones, and two whose tables only report.
var ownKeyspaces = append(slices.Clone(localKeyspaces), "system_traces", "system_distributed")
