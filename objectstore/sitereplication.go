package objectstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// SiteReplicator is what a store with site replication tells of it. The client of package s3 is one.
type SiteReplicator interface {
	// SiteReplication fails with [ErrUnsupported] at a server that knows no such thing.
	SiteReplication(ctx context.Context) (SiteGroup, error)
}

// SiteGroup is what one server believes of the group of sites that it belongs to.
type SiteGroup struct {
	Enabled bool
	Peers   []SitePeer // all sites of the group, the asked one included, by name
	// Mismatches are buckets that not all sites have, or with other settings, one line each, sorted.
	Mismatches []string
	Queued     int64 // objects that wait at the asked server
	Unreached  bool  // the server could not ask all sites what they have
}

// SitePeer is one site of the group. What is told of the link to it is as the server last noticed, which it does late.
type SitePeer struct {
	Name, Endpoint string // as they were given when the group was made
	Linked         bool   // the server tells of a link; it has none to itself
	Online         bool
	LastOnline     time.Time // zero: the server does not tell
	Failed         int64     // objects in the last hour
}

// Finding judges what a server says of its group. A pass proves that nothing is known to be broken: that objects arrive
// is for a [Canary] to prove. Of a peer to which nothing was sent since the server started it tells no link.
func (s SiteGroup) Finding() geored.Finding {
	f := geored.Finding{Verdict: geored.Pass}
	if !s.Enabled || len(s.Peers) < 2 {
		return geored.Finding{Verdict: geored.Fail, Message: "the server belongs to no group of sites", Remedy: "mc admin replicate add SITE1 SITE2"}
	}
	var names []string
	for _, p := range s.Peers {
		names = append(names, p.Name)
		switch {
		case p.Linked && !p.Online:
			f.Verdict = geored.Fail
			f.Evidence = append(f.Evidence, fmt.Sprintf("%s (%s): offline%s", p.Name, p.Endpoint, p.seen()))
		case p.Failed > 0:
			f.Verdict = geored.Join(f.Verdict, geored.Warn)
			f.Evidence = append(f.Evidence, fmt.Sprintf("%s: %d objects failed in the last hour", p.Name, p.Failed))
		}
	}
	if len(s.Mismatches) > 0 {
		f.Verdict, f.Evidence = geored.Fail, append(f.Evidence, s.Mismatches...)
	}
	if s.Unreached && f.Verdict != geored.Fail {
		f.Verdict, f.Evidence = geored.Unknown, append(f.Evidence, "a site did not tell the server what it has")
	}
	f.Message = fmt.Sprintf("a group of %s; %d objects wait, which does not tell whether others arrive", strings.Join(names, ", "), s.Queued)
	if f.Verdict == geored.Fail {
		f.Remedy = "mend the way to the site; buckets that differ: mc admin replicate info, then mc admin replicate resync"
	}
	return f
}

func (p SitePeer) seen() string {
	if p.LastOnline.IsZero() {
		return ""
	}
	return ", last seen " + p.LastOnline.UTC().Format(time.RFC3339)
}

// ReplicatedSite is a site whose server is asked.
type ReplicatedSite struct {
	Name  geored.SiteName
	Store SiteReplicator
}

// CheckSiteReplication is the check of [SiteReplicationCheck].
const CheckSiteReplication geored.CheckID = "objectstore/site-replication"

// SiteReplicationCheck asks every server what it believes of its group.
func SiteReplicationCheck(sites ...ReplicatedSite) geored.Check {
	return geored.Check{ID: CheckSiteReplication, Title: "site replication knows of no fault", Run: func(ctx context.Context) []geored.Finding {
		targets := make([]geored.Target, len(sites))
		stores := map[geored.SiteName]SiteReplicator{}
		for i, s := range sites {
			targets[i], stores[s.Name] = geored.Target{Site: s.Name}, s.Store
		}
		answers := geored.Ask(ctx, targets, func(ctx context.Context, t geored.Target) (SiteGroup, error) {
			return stores[t.Site].SiteReplication(ctx)
		})
		return answers.Each(func(_ geored.Target, s SiteGroup) geored.Finding { return s.Finding() })
	}}
}
