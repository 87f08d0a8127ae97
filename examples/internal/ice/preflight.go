package ice

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// IDs of the checks of what the guide requires of a site before anything is installed (ICE guide, chapter 3).
const (
	CheckPermissions  geored.CheckID = "preflight/permissions"
	CheckVersion      geored.CheckID = "preflight/version"
	CheckRanges       geored.CheckID = "preflight/ranges"
	CheckCNI          geored.CheckID = "preflight/cni"
	CheckStorageClass geored.CheckID = "preflight/storage-class"
	CheckDNSService   geored.CheckID = "preflight/dns-service"
	CheckNodeCache    geored.CheckID = "preflight/node-cache"
	CheckAPIServer    geored.CheckID = "preflight/api-server"
	CheckWireGuard    geored.CheckID = "preflight/wireguard"
	CheckPath         geored.CheckID = "preflight/path"
)

// Preflight are the checks of what the guide requires before anything is installed. They change nothing, and stay true
// afterwards.
func (d *Deployment) Preflight() []geored.Check {
	checks := []geored.Check{
		{ID: CheckPermissions, Title: "the runner may do all that it will do", Run: d.permissions},
		{ID: CheckVersion, Title: "the API server's version is one that this works with", Run: d.versions},
		{ID: CheckRanges, Title: "every node has its own slice of the site's pods", Run: d.ranges},
		{ID: CheckCNI, Title: "flannel routes between the nodes without a tunnel of its own", Run: d.cni},
		{ID: CheckStorageClass, Title: "exactly one storage class is the default", Run: d.storageClasses},
		{ID: CheckDNSService, Title: "the DNS service has the address that pods are told", Run: d.dnsService},
		{ID: CheckNodeCache, Title: "a DNS cache on the nodes asks the DNS service", Run: d.nodeCaches},
		{ID: CheckWireGuard, Title: "every node can have a WireGuard interface", Run: d.wireGuard},
	}
	if d.Topology.Applications != nil {
		checks = append(checks, geored.Check{ID: CheckMulticast, Title: "every node has the interface to which the reflectors bind", Run: d.multicast})
	}
	return checks
}

// pathChecks are asked before there is a mesh only: afterwards its own checks say more of the same ways.
func (d *Deployment) pathChecks() []geored.Check {
	return []geored.Check{
		{ID: "site/clock", Title: "the sites' clocks agree", Run: d.clocks},
		{ID: CheckAPIServer, Title: "every site reaches the API servers of the others", Run: d.apiServers},
		{ID: CheckPath, Title: "the nodes of every site reach those of the others by UDP", Run: d.paths},
	}
}

// preflightTask is a gate that ends when all checks of one site pass or warn. What is wrong with a site seldom heals by
// itself: it does not wait for long.
func (d *Deployment) preflightTask(step geored.Step, site geored.SiteName) geored.Task {
	return geored.Task{Step: step, Timeout: 45 * time.Second, Observe: func(ctx context.Context) (geored.State, error) {
		report, err := geored.Prove(ctx, geored.CheckConfig{}, append(d.only(site).Preflight(), d.only(site).pathChecks()...)...)
		if err != nil {
			return geored.State{}, err
		}
		var wrong []string
		for _, f := range report.Findings {
			if (f.Site == site || f.Site == "") && (f.Verdict == geored.Fail || f.Verdict == geored.Unknown) {
				wrong = append(wrong, fmt.Sprintf("%s: %s", f.Check, f.Message))
			}
		}
		if len(wrong) > 0 {
			return geored.State{Detail: strings.Join(wrong, "; ")}, nil
		}
		return geored.State{Done: true, Detail: fmt.Sprintf("%d of %d checks pass", report.Count(geored.Pass), len(report.Findings))}, nil
	}}
}

// only is the deployment as one site is asked for: from it, and from it to the others.
func (d *Deployment) only(site geored.SiteName) *Deployment {
	one := *d
	one.asked = site
	return &one
}

// targets are the sites that are asked, each for a thing in it.
func (d *Deployment) targets(name string) []geored.Target {
	var targets []geored.Target
	for _, site := range d.mesh.Network.Sites {
		if d.asked == "" || d.asked == site.Name {
			targets = append(targets, geored.Target{Site: site.Name, Name: name})
		}
	}
	return targets
}

// pairs are the ordered pairs of sites that are asked.
func (d *Deployment) pairs() []geored.Target {
	var pairs []geored.Target
	for _, from := range d.targets("") {
		for _, to := range d.others(from.Site) {
			pairs = append(pairs, geored.Target{Site: from.Site, To: to})
		}
	}
	return pairs
}

// perNode are the nodes that are asked. A site whose nodes nobody read stands there itself, or nobody would miss its answer.
func (d *Deployment) perNode() []geored.Target {
	var targets []geored.Target
	for _, t := range d.targets("") {
		nodes := d.mesh.Network.Sites[d.index(t.Site)].Nodes
		if len(nodes) == 0 {
			targets = append(targets, t)
		}
		for _, node := range nodes {
			targets = append(targets, geored.Target{Site: t.Site, Name: node.Name})
		}
	}
	return targets
}
