package ice

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/probe"
	meshkube "github.com/georedkit/georedkit/mesh/kube"
)

// Checks prove what [Deployment.Install] brings about, and change nothing.
func (d *Deployment) Checks() []geored.Check {
	own := []geored.Check{
		{ID: "site/clock", Title: "the sites' clocks agree", Run: d.clocks},
		{ID: "dns/own-api", Title: "each site's DNS answers with its own API server", Run: d.ownAPI},
	}
	return append(own, meshkube.NewProof(d.mesh).Checks()...)
}

func (d *Deployment) targets() []geored.Target {
	var targets []geored.Target
	for _, site := range d.mesh.Network.Sites {
		targets = append(targets, geored.Target{Site: site.Name, Name: "probe"})
	}
	return targets
}

func (d *Deployment) probe(site geored.SiteName) probe.Client {
	end := d.mesh.Ends[site]
	return end.Probe.Probe(end.Gateways.Cluster)
}

// Limits of the difference between two sites' clocks. Beyond a minute Kilo takes nodes for dead (kilo
// pkg/mesh/backend.go, Node.Ready); long before that certificates and leases go wrong at their edges.
const (
	skewWarn = time.Second
	skewFail = 30 * time.Second
)

// clocks compares every site's clock with that of the first, each measured against the asker's.
func (d *Deployment) clocks(ctx context.Context) []geored.Finding {
	answers := geored.Ask(ctx, d.targets(), func(ctx context.Context, t geored.Target) (probe.Skew, error) {
		before := time.Now()
		answer, err := probe.Ask(ctx, d.probe(t.Site), probe.Clock{})
		return probe.SkewOf(answer, before, time.Now()), err
	})
	return []geored.Finding{judgeClocks(answers)}
}

// judgeClocks passes only what is apart by less than the limits however the margins fall.
func judgeClocks(answers geored.Answers[probe.Skew]) geored.Finding {
	f := geored.Finding{Verdict: geored.Pass}
	var least, most probe.Skew
	first := true
	for t, skew := range answers.All() {
		f.Evidence = append(f.Evidence, fmt.Sprintf("%s is %s ahead of this machine, give or take %s", t.Site, geored.RoundDuration(skew.Ahead), geored.RoundDuration(skew.Error)))
		if first || skew.Ahead < least.Ahead {
			least = skew
		}
		if first || skew.Ahead > most.Ahead {
			most = skew
		}
		first = false
	}
	apart, margin := most.Ahead-least.Ahead, most.Error+least.Error
	f.Message = fmt.Sprintf("the clocks are %s apart, give or take %s", geored.RoundDuration(apart), geored.RoundDuration(margin))
	switch {
	case apart-margin > skewFail:
		f.Verdict = geored.Fail
	case apart-margin > skewWarn:
		f.Verdict = geored.Warn
	case apart+margin > skewFail:
		f.Verdict = geored.Unknown // the answers took too long to tell
	}
	if f.Verdict != geored.Pass {
		f.Remedy = "let NTP set the clocks of all nodes (guide 000, 3.3.3.1)"
	}
	return answers.Conclude(f)
}

// ownAPI asks each site's DNS service for the API server, over UDP and TCP: a site that gets the other's address sends
// its tokens to the wrong cluster.
func (d *Deployment) ownAPI(ctx context.Context) []geored.Finding {
	answers := geored.Ask(ctx, d.targets(), func(ctx context.Context, t geored.Target) ([]dnsReply, error) {
		var replies []dnsReply
		for _, network := range []string{"udp", "tcp"} {
			server := fmt.Sprintf("%s:53", d.site(t.Site).DNSIP)
			answer, err := probe.Ask(ctx, d.probe(t.Site), probe.DNS{Server: server, Name: apiName, Network: network})
			if remote := new(probe.RemoteError); err != nil && !errors.As(err, &remote) {
				return nil, err
			}
			replies = append(replies, dnsReply{network, answer, err})
		}
		return replies, nil
	})
	return answers.Each(func(t geored.Target, replies []dnsReply) geored.Finding {
		return judgeOwnAPI(d.site(t.Site), replies)
	})
}

// apiName is the API server's name in every cluster: what it answers says whose DNS it is.
const apiName = "kubernetes.default.svc.cluster.local."

// dnsReply is what a site's DNS answered over one transport, or the probe's reason why it did not.
type dnsReply struct {
	network string
	answer  probe.DNSAnswer
	err     error
}

func judgeOwnAPI(site Site, replies []dnsReply) geored.Finding {
	want := site.APIServerIP.String()
	f := geored.Finding{Verdict: geored.Pass, Message: fmt.Sprintf("%s is %s over UDP and TCP", apiName, want)}
	for _, r := range replies {
		seen := fmt.Sprintf("%s: %s %v", r.network, r.answer.Code, r.answer.Records)
		if r.err != nil {
			seen = fmt.Sprintf("%s: %v", r.network, r.err)
		}
		f.Evidence = append(f.Evidence, seen)
		if r.err != nil || len(r.answer.Records) != 1 || r.answer.Records[0] != want {
			f.Verdict, f.Message = geored.Fail, fmt.Sprintf("%s is not %s in %s", apiName, want, site.Name)
			f.Remedy = fmt.Sprintf("see what answers at %s; a site's own cluster must come first in its DNS", site.DNSIP)
		}
	}
	return f
}

func (d *Deployment) site(name geored.SiteName) Site {
	for _, site := range d.Topology.Sites {
		if site.Name == name {
			return site
		}
	}
	return Site{}
}
