package ice

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/geored"
)

// CheckReplicas is the check of how many copies of its rows a site holds.
const CheckReplicas geored.CheckID = "ice/replicas"

// replicas asks each site how many copies it keeps. The guide's one (ICE guide, appendices A and C) makes the restart of a
// single pod an outage of the site, and leaves nothing beside it to read from.
func (p *ringProof) replicas(ctx context.Context) []geored.Finding {
	opened := p.open(ctx)
	if opened.err != nil {
		return []geored.Finding{{Verdict: geored.Unknown, Message: "the ring cannot be asked: " + opened.err.Error()}}
	}
	ring, err := p.opened.Ring(ctx)
	answers := geored.Ask(ctx, p.every("cassandra"), func(_ context.Context, t geored.Target) (int, error) {
		n, unknown := copies(ring, t.Site)
		return n, errors.Join(err, unknown)
	})
	meant := p.Topology.Applications.OneCopy
	return answers.Each(func(t geored.Target, n int) geored.Finding { return judgeReplicas(t.Site, n, meant) })
}

// copies is the least number of replicas of the product's keyspace in a site that one of its nodes tells of. All must tell.
func copies(ring cassandra.Ring, site geored.SiteName) (int, error) {
	for _, silent := range ring.Silent {
		if silent.Target.Site == site {
			return 0, silent
		}
	}
	least, told := 0, false
	for _, v := range ring.Views {
		if v.Node.Site != site {
			continue
		}
		i := slices.IndexFunc(v.Keyspaces, func(k cassandra.Keyspace) bool { return k.Name == keyspace })
		if i < 0 {
			return 0, fmt.Errorf("node %s tells nothing of keyspace %s", v.Node.Address, keyspace)
		}
		n, _ := strconv.Atoi(v.Keyspaces[i].Replication[v.Node.DataCenter]) // none written is none
		if !told || n < least {
			least, told = n, true
		}
	}
	if !told {
		return 0, errors.New("none of its nodes answers")
	}
	return least, nil
}

func judgeReplicas(site geored.SiteName, n int, meant bool) geored.Finding {
	switch {
	case n == 0:
		return geored.Finding{Verdict: geored.Fail, Message: fmt.Sprintf("keyspace %s has no replica in %s", keyspace, site), Remedy: "see cassandra/replication"}
	case n == 1 && !meant:
		return geored.Finding{Verdict: geored.Warn, Message: fmt.Sprintf("%s holds one copy of each row of %s: while its node restarts nobody reads it there, and after a loss only another site has it", site, keyspace),
			Remedy: "write cassandraNodes and replicationFactor of 3 into the topology, or replicationFactor: 1 when one copy is meant"}
	}
	return geored.Finding{Verdict: geored.Pass, Message: fmt.Sprintf("%s holds %d copies of each row of %s", site, n, keyspace)}
}
