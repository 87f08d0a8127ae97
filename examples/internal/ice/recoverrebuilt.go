package ice

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/geored"
)

// What begins the names under which things are kept about a keyspace that is rebuilt: the plan, the repairs that others ended
// before, and where what was given up lies.
const (
	keptRebuild  = "rebuild/"
	keptRepaired = "repaired/"
	keptAside    = "aside/"
	keptTorn     = "torn/" // since when the sites were apart again for longer than hints are kept, while it was rebuilt
)

// mostRepairs are as many repairs as are remembered; a note has little room.
const mostRepairs = 50

// awaitRepairs lets repairs that run come to their end.
func awaitRepairs(err error) error {
	if cassandra.RepairsRun(err) {
		return geored.Retriable(err)
	}
	return err
}

// keepRepaired remembers what others repaired since the outage began, as a utility does that repairs continuously (ICE guide,
// 5.2): also a repair that failed or was stopped may have brought back what one site had forgotten to delete, and a rebuild takes
// that from where it came to. Nodes that restart forget their repairs, so that all keyspaces are looked at each time.
func (c *cassandraRecovery) keepRepaired(ctx context.Context, ring *cassandra.Cluster) error {
	seen, err := ring.Ring(ctx)
	if err != nil {
		return err
	}
	began := c.Note().Joined.Add(-c.Note().Outage.Most)
	found := map[string][]string{}
	for _, v := range seen.Views {
		repairs, err := ring.Repairs(ctx, v.Node)
		if err != nil {
			return geored.Retriable(err)
		}
		for _, r := range repairs {
			if !r.Preview && r.Began.After(began) {
				found[r.Keyspace] = append(found[r.Keyspace], strings.TrimSpace(fmt.Sprintf("repair %s of %s, begun on %s %s", r.ID, r.Keyspace, clockText(r.Began), r.Failure)))
			}
		}
	}
	for _, d := range c.decided(storeCassandra) {
		var known []string
		c.kept(keptRepaired+keyspaceOf(d), &known)
		all := unique(append(slices.Clone(known), found[keyspaceOf(d)]...))
		if d.Cure != RebuildCure || len(known) >= mostRepairs || len(all) == len(known) {
			continue
		}
		if err := c.keep(ctx, keptRepaired+keyspaceOf(d), all[:min(len(all), mostRepairs)]); err != nil {
			return err
		}
	}
	return nil
}

// keepAside remembers which nodes have what was given up in a snapshot.
func (c *cassandraRecovery) keepAside(ctx context.Context, ring *cassandra.Cluster, plan cassandra.RebuildPlan) error {
	seen, err := ring.Ring(ctx)
	if err != nil {
		return err
	}
	var lines []string
	for _, v := range seen.Views {
		if v.Node.Site != plan.Site {
			continue
		}
		kept, err := plan.KeptAside(ctx, c.Tool, v.Node)
		if err != nil {
			return geored.Retriable(err)
		}
		for _, name := range slices.Sorted(maps.Keys(kept)) {
			lines = append(lines, fmt.Sprintf("kept aside: snapshot %s of %s at node %s; nodetool clearsnapshot -t %[1]s there when nobody wants it any more", name, strings.Join(kept[name], ", "), v.Node.HostID))
		}
	}
	return c.keep(ctx, keptAside+plan.Keyspace, lines)
}

// judgeForgotten tells of a repair that went on while deletions began to be forgotten.
func judgeForgotten(f *geored.Finding, d Decision, note RecoveryNote) {
	var forgotten string
	if json.Unmarshal(note.Kept[keptForgotten+keyspaceOf(d)], &forgotten) != nil {
		return
	}
	f.Verdict, f.Remedy = geored.Join(f.Verdict, geored.Unknown), "look for deleted rows that are back; repair sooner after an outage, or raise gc_grace_seconds"
	f.Evidence = append(f.Evidence, "rows that were deleted may be back at every site: when the repair ended, "+forgotten)
}

// unfinishedRebuilds are the keyspaces that a site serves in part or not at all until a recovery goes on.
func unfinishedRebuilds(note RecoveryNote) []string {
	var lines []string
	for _, d := range note.Decisions {
		var plan cassandra.RebuildPlan
		if d.Store != storeCassandra || note.Kept["done/cassandra/"+strings.ReplaceAll(d.Part, " ", "/")+"/"+string(d.Cure)] != nil {
			continue
		}
		if json.Unmarshal(note.Kept[keptRebuild+keyspaceOf(d)], &plan) == nil && (plan.Taken != nil || plan.GivenUp) {
			lines = append(lines, fmt.Sprintf("keyspace %s is being rebuilt in %s, which serves none or only some of its rows until that goes on (by hand: %s)", plan.Keyspace, plan.Site, plan.GiveBack()))
		}
	}
	return lines
}

// judgeRebuilt tells where a rebuild left what it gave up, and what may have undone its purpose.
func judgeRebuilt(f *geored.Finding, d Decision, note RecoveryNote) {
	var aside, repairs []string
	if json.Unmarshal(note.Kept[keptAside+keyspaceOf(d)], &aside) == nil {
		f.Evidence = append(f.Evidence, aside...)
	}
	if json.Unmarshal(note.Kept[keptRepaired+keyspaceOf(d)], &repairs) == nil && len(repairs) > 0 {
		f.Verdict = geored.Join(f.Verdict, geored.Unknown)
		f.Evidence = append(append(f.Evidence, "rows that were deleted may be back at every site, for somebody repaired before the rebuild:"), repairs...)
		if f.Remedy == "" {
			f.Remedy = "look for deleted rows that are back; stop what repairs continuously before the link is mended"
		}
	}
}
