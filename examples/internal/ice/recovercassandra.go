package ice

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/geored"
)

// CassandraStore is Cassandra as a recovery sees it.
type CassandraStore struct {
	// Open connects to the ring, whose contact points are names: nodes that restart come back at other addresses. Required.
	Open func(ctx context.Context) (*cassandra.Cluster, error)
	// Tool and Restarter change nodes. Required.
	Tool      cassandra.Nodetool
	Restarter cassandra.Restarter
	// Away is the site whose rows are given up when a rebuild is needed. Zero: nobody said.
	Away geored.SiteName
	// Keep is the site whose schema stays when no version of it has most nodes. Zero: nobody said.
	Keep geored.SiteName
	// Settle is how long the ring and rows that differ are given to come by themselves. Zero: 20 seconds.
	Settle time.Duration
}

// cassandraRecovery is a store within its recovery.
type cassandraRecovery struct {
	CassandraStore
	*Recovery
}

// Cassandra makes the store of a recovery.
func (r *Recovery) Cassandra(s CassandraStore) Store {
	if s.Settle <= 0 {
		s.Settle = 20 * time.Second
	}
	c := &cassandraRecovery{s, r}
	return Store{Name: storeCassandra, Read: c.read, Measure: c.measure, Tasks: c.tasks, Beside: ofServer, Checks: c.checks}
}

// ofServer says whether a keyspace is the server's own, such as that of roles.
func ofServer(part string) bool { return strings.HasPrefix(part, "keyspace system") }

// with opens the ring for one thing.
func (c *cassandraRecovery) with(ctx context.Context, do func(*cassandra.Cluster) error) error {
	ring, err := c.Open(ctx)
	if err != nil {
		return err
	}
	defer ring.Close()
	return do(ring)
}

func (c *cassandraRecovery) read(ctx context.Context) ([]Evidence, decider) {
	var limits cassandra.Limits
	var given []string // host IDs of the nodes whose rows a rebuild gives up
	left := map[string]string{}
	err := c.with(ctx, func(ring *cassandra.Cluster) (err error) {
		limits, err = ring.Limits(ctx)
		seen, _ := ring.Ring(ctx) // a node that is silent now is asked again before anything is given up
		for _, v := range seen.Views {
			if v.Node.Site == c.Away {
				given = append(given, v.Node.HostID)
			}
		}
		left = c.left(ctx, ring, seen, limits)
		return err
	})
	if err != nil {
		limits.Unknown = append(limits.Unknown, geored.Silence{Target: geored.Target{Name: storeCassandra}, Reason: err.Error()})
	}
	return hintEvidence(limits), func(o Outage) ([]Decision, error) {
		if len(limits.Tables) == 0 {
			return nil, fmt.Errorf("no node tells its limits, nor which keyspaces there are: %v", limits.Unknown)
		}
		decisions := DecideCassandra(o, limits)
		for i, d := range decisions {
			if why, is := left[keyspaceOf(d)]; is {
				decisions[i] = decideLeft(keyspaceOf(d), why)
				continue
			}
			if d.Cure == RebuildCure && !slices.Contains(c.Sites, c.Away) {
				return decisions, fmt.Errorf("%s asks for a rebuild (%s): say with -away which site was away: its rows are given up and taken from another", d.Part, d.Because[0])
			}
			if d.Cure == RebuildCure {
				decisions[i].GivesUp = c.Away
				decisions[i].Confirm = confirmation(fmt.Sprintf("give-up-%s-in-%s", keyspaceOf(d), c.Away), append(given, o.Known)...)
			}
		}
		return decisions, nil
	}
}

// left says of keyspaces why the sites cannot be brought together in them, as of one that a utility keeps in its own site, or that
// has counters alone. One that is being rebuilt may be taken from its site.
func (c *cassandraRecovery) left(ctx context.Context, ring *cassandra.Cluster, seen cassandra.Ring, limits cassandra.Limits) map[string]string {
	why, asked := map[string]string{}, map[string]bool{}
	for _, t := range limits.Tables {
		if _, rebuilt := c.Note().Kept[keptRebuild+t.Keyspace]; rebuilt || asked[t.Keyspace] {
			continue
		}
		asked[t.Keyspace] = true
		if unshared := unshared(seen, t.Keyspace); unshared != "" {
			why[t.Keyspace] = unshared
		} else if len(seen.Silent) == 0 { // each would be waited for
			if _, err := ring.Tables(ctx, t.Keyspace); errors.Is(err, cassandra.ErrNoTables) {
				why[t.Keyspace] = err.Error()
			}
		}
	}
	return why
}

// unshared says how a keyspace is replicated that not every site holds, when all nodes that know it say the same; "": it is shared,
// or the schema is split, which is cured first.
func unshared(seen cassandra.Ring, keyspace string) string {
	sites := dataCenters(seen)
	why := ""
	for i, v := range seen.Views {
		at := slices.IndexFunc(v.Keyspaces, func(k cassandra.Keyspace) bool { return k.Name == keyspace })
		if at < 0 {
			return ""
		}
		k, lacks := v.Keyspaces[at], ""
		for _, dataCenter := range slices.Sorted(maps.Keys(sites)) {
			if slices.Contains([]string{"", "0"}, k.Replication[dataCenter]) {
				lacks = fmt.Sprintf("it is replicated by %s %v: %s holds none of it for itself", k.Class, k.Replication, sites[dataCenter])
			}
		}
		if lacks == "" || i > 0 && lacks != why {
			return ""
		}
		why = lacks
	}
	return why
}

// dataCenters are those of the sites, also of one that is silent, as its peers know it.
func dataCenters(seen cassandra.Ring) map[string]geored.SiteName {
	sites := map[string]geored.SiteName{}
	for _, v := range seen.Views {
		for _, n := range append([]cassandra.Node{v.Node}, v.Peers...) {
			if n.Site != "" {
				sites[n.DataCenter] = n.Site
			}
		}
	}
	return sites
}

// shared are the keyspaces that the sites are brought together in.
func (c *cassandraRecovery) shared() []Decision {
	return slices.DeleteFunc(c.decided(storeCassandra), func(d Decision) bool { return d.Cure == LeaveCure })
}

// hintEvidence takes the oldest hint of each site: it was written when its node was away already.
func hintEvidence(limits cassandra.Limits) []Evidence {
	var all []Evidence
	for _, s := range limits.Sites {
		e := Evidence{Source: "hints that " + string(s.Site) + " keeps", Says: "no finished file of them waits"}
		for _, h := range s.Waiting {
			if h.Files > 0 && !h.Oldest.IsZero() && (e.Apart.IsZero() || h.Oldest.Before(e.Apart)) {
				e.Apart, e.Says = h.Oldest, fmt.Sprintf("the oldest of %d files for node %s", h.Files, h.HostID)
			}
		}
		all = append(all, e)
	}
	for _, u := range limits.Unknown {
		all = append(all, Evidence{Source: "hints of " + u.Target.String(), Says: "not known: " + u.Reason})
	}
	return all
}

// measure compares all tables, and tells for each way what the one site lacks. What could not be read is an error of all
// ways: rows that nobody saw may be missing on any.
func (c *cassandraRecovery) measure(ctx context.Context) []Missing {
	began := c.clock().Now()
	found := map[[2]geored.SiteName]*Missing{}
	var order []*Missing
	for _, from := range c.Sites {
		for _, to := range c.Sites {
			if from != to {
				m := &Missing{Store: storeCassandra, From: from, To: to}
				found[[2]geored.SiteName{from, to}], order = m, append(order, m)
			}
		}
	}
	var unread []error
	var more int64
	var oldest time.Time // of these
	err := c.with(ctx, func(ring *cassandra.Cluster) error {
		for _, d := range c.shared() {
			comparisons, err := c.compare(ctx, ring, keyspaceOf(d), false)
			if err != nil {
				return err
			}
			for _, table := range comparisons {
				unread, more = append(unread, unreadIn(table)...), more+int64(table.Omitted)
				if at := table.OmittedOldest; !at.IsZero() && (oldest.IsZero() || at.Before(oldest)) {
					oldest = at
				}
				for _, difference := range table.Differences {
					countMissing(found, table.Table, difference)
				}
			}
		}
		return nil
	})
	if len(c.shared()) == 0 {
		err = errors.Join(err, errors.New("the sites share no keyspace"))
	}
	err = errors.Join(append(unread, err)...)
	var all []Missing
	for _, m := range order {
		m.Seen, m.Took, m.More = c.clock().Now(), c.clock().Now().Sub(began), more
		if !oldest.IsZero() && (m.Oldest.IsZero() || oldest.Before(m.Oldest)) {
			m.Oldest = oldest
		}
		if err != nil {
			m.Err = err.Error()
		}
		all = append(all, *m)
	}
	return all
}

// unreadIn are the parts of a table that were not read.
func unreadIn(x cassandra.Comparison) []error {
	var all []error
	if len(x.Ranges) == 0 {
		all = append(all, fmt.Errorf("table %s: %s", x.Table, strings.Join(x.Reasons, "; ")))
	}
	for _, r := range x.Ranges {
		for _, read := range r.Reads {
			if read.Err != "" {
				all = append(all, fmt.Errorf("table %s: range %s at %s: %s", x.Table, r.Range, read.Node, read.Err))
			}
		}
	}
	return all[:min(len(all), mostKeys)]
}

// mostMissing are as many keys as are remembered of what one site lacks; a note has little room.
const mostMissing = 200

// countMissing counts a row for each way on which the one has a version that the other lacks.
func countMissing(found map[[2]geored.SiteName]*Missing, table cassandra.Table, d cassandra.Difference) {
	for _, here := range d.Seen {
		for _, there := range d.Seen {
			m := found[[2]geored.SiteName{here.Site, there.Site}]
			if m == nil || !here.Present || there.Present && !here.Written.After(there.Written) {
				continue
			}
			if m.Count++; len(m.Keys) < mostMissing {
				m.Keys = append(m.Keys, fmt.Sprintf("%s: %s", table, d.Key))
			}
			if !here.Written.IsZero() && (m.Oldest.IsZero() || here.Written.Before(m.Oldest)) {
				m.Oldest = here.Written
			}
		}
	}
}

func keyspaceOf(d Decision) string { return d.Part[len("keyspace "):] }

// compare compares all tables of a keyspace.
func (c *cassandraRecovery) compare(ctx context.Context, ring *cassandra.Cluster, keyspace string, every bool) (cassandra.Comparisons, error) {
	tables, err := ring.Tables(ctx, keyspace)
	if err != nil {
		return nil, err
	}
	return ring.CompareAll(ctx, tables, cassandra.Comparing{EveryReplica: every, Settle: time.Second, MaxDifferences: 1000})
}

// equal is done when the sites hold the same rows in a keyspace.
func (c *cassandraRecovery) equal(ctx context.Context, keyspace string) (geored.State, error) {
	var found cassandra.Comparisons
	err := c.with(ctx, func(ring *cassandra.Cluster) (err error) {
		found, err = c.compare(ctx, ring, keyspace, true)
		return err
	})
	if errors.Is(err, cassandra.ErrNoTables) { // the proof says so
		return geored.State{Done: true, Detail: err.Error()}, nil
	}
	if err != nil {
		return geored.State{}, err
	}
	for _, table := range found {
		if table.Equality != cassandra.Equal {
			return geored.State{Detail: table.String()}, nil
		}
	}
	return geored.State{Done: true, Detail: fmt.Sprintf("%d tables are equal in all sites", len(found))}, nil
}
