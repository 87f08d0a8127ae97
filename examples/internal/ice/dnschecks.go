package ice

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/georedkit/georedkit/dnsfed"
	"github.com/georedkit/georedkit/dnsfed/coredns"
	"github.com/georedkit/georedkit/dnsfed/resolver"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/probe"
)

// pollPause is the pause between two looks at what is waited for.
const pollPause = 200 * time.Millisecond

// IDs of the checks of DNS over all sites.
const (
	CheckNameServers geored.CheckID = "dns/name-servers"
	CheckFetch       geored.CheckID = "dns/fetch"
	CheckChangeOver  geored.CheckID = "dns/change-over"
)

// dnsChecks ask every name server of every site, by its own address and through the Service, and fetch by name what is in
// another site alone (ICE guide, 4.3.3).
func (d *Deployment) dnsChecks() []geored.Check {
	p := &dnsProof{Deployment: d, names: d.resolver()}
	checks := []geored.Check{
		{ID: CheckNameServers, Title: "one set of name servers serves each site", Run: p.nameServers},
		{ID: CheckFetch, Title: "a pod fetches by name what another site alone has", Run: d.fetch},
		{ID: CheckChangeOver, Title: "no answer was lost while the name servers were replaced", Run: d.changeOver},
	}
	for i, c := range (dnsfed.Table{}).Checks(nil) {
		c.Needs = []geored.CheckID{CheckNameServers}
		c.Run = func(ctx context.Context) []geored.Finding { return p.answers(ctx, i) }
		checks = append(checks, c)
	}
	return checks
}

// dnsProof holds what the first check read, on which all others depend.
type dnsProof struct {
	*Deployment
	names dnsfed.Resolver
	mu    sync.Mutex
	table dnsfed.Table
	err   error
}

func (p *dnsProof) nameServers(ctx context.Context) []geored.Finding {
	answers := geored.Ask(ctx, p.targets("name servers"), p.readDNS)
	var servers []dnsfed.Server
	ignoresEmpty := false
	for t, dns := range answers.All() {
		servers = append(servers, dns.Servers(t.Site)...)
		ignoresEmpty = ignoresEmpty || ignoreEmpty(dns.Deployments)
	}
	table, err := p.expect(ctx, servers, ignoresEmpty)
	p.mu.Lock()
	p.table, p.err = table, err
	p.mu.Unlock()
	return coredns.Judge(answers)
}

func (p *dnsProof) answers(ctx context.Context, i int) []geored.Finding {
	p.mu.Lock()
	table, err := p.table, p.err
	p.mu.Unlock()
	if err != nil {
		return []geored.Finding{{Verdict: geored.Unknown, Message: "it cannot be told what must be answered: " + err.Error()}}
	}
	return table.Checks(p.names, geored.AskBudget(50*time.Second))[i].Run(ctx)
}

// resolver asks together what is asked at the same time: each question alone is a program started in a pod, and hundreds of
// those leave no time to the checks of the tunnels.
func (d *Deployment) resolver() resolver.Probes {
	p := resolver.Probes{Clients: map[geored.SiteName]probe.Client{}}
	for _, site := range d.Topology.Sites {
		p.Clients[site.Name] = probe.Together(d.probe(site.Name))
	}
	return p
}

// federation is the sites as their name servers know them.
func (d *Deployment) federation(ignoreEmpty bool) dnsfed.Federation {
	// The version decides over options of a Corefile, and none is written here: the oldest that kubernetai is built with.
	f := dnsfed.Federation{Plugin: dnsfed.Kubernetai, CoreDNS: dnsfed.Version{Major: 1, Minor: 11, Patch: 3}, IgnoreEmpty: ignoreEmpty}
	for _, site := range d.Topology.Sites {
		f.Sites = append(f.Sites, dnsfed.Site{Site: site.Site.Site, APIServer: site.APIServerIP, Kubeconfig: "/etc/coredns-dcs/" + string(site.Name)})
	}
	return f
}

// ignoreEmpty says whether the name servers let services without a ready pod fall through to the other sites.
func ignoreEmpty(deployments []coredns.Deployment) bool {
	return slices.ContainsFunc(deployments, func(x coredns.Deployment) bool { return strings.Contains(x.Corefile, "ignore empty_service") })
}

// expect says what servers must answer for the names that show what each site knows: those of this program's probes, of
// the API server and of DNS itself. To ask for every service of a large cluster would take hours.
func (d *Deployment) expect(ctx context.Context, servers []dnsfed.Server, ignoreEmpty bool) (dnsfed.Table, error) {
	answers := geored.Ask(ctx, d.perSite(), func(ctx context.Context, t geored.Target) ([]dnsfed.Service, error) {
		return coredns.Services(ctx, d.Clusters[t.Site])
	})
	var records dnsfed.Records
	for _, silent := range answers.Unanswered() {
		records.Unread = append(records.Unread, silent.Target.Site)
	}
	for _, services := range answers.All() {
		for _, s := range services {
			if s.Namespace == Namespace || s.Namespace == "default" && s.Name == "kubernetes" || s.Namespace == coredns.Namespace && s.Name == coredns.ServiceName {
				records.Services = append(records.Services, s)
			}
		}
	}
	return d.federation(ignoreEmpty).Expect(records, servers)
}

// proof holds name servers to answers that tell right from wrong: the site's own API server, names of other sites, names
// of nobody.
func (d *Deployment) proof(telling ...dnsfed.Case) coredns.Proof {
	return func(ctx context.Context, servers []dnsfed.Server) geored.Finding {
		dns, err := coredns.Read(ctx, d.Clusters[servers[0].Site])
		if err != nil {
			return geored.Finding{Verdict: geored.Unknown, Message: err.Error()}
		}
		table, err := d.expect(ctx, servers, ignoreEmpty(dns.Deployments))
		if err != nil {
			return geored.Finding{Verdict: geored.Unknown, Message: err.Error()}
		}
		table.Questions = slices.DeleteFunc(table.Questions, func(q dnsfed.Question) bool { return !slices.Contains(telling, q.Case) })
		return table.Ask(ctx, d.resolver())
	}
}

// fetch asks from every site's probe for every other's by its name, as a program would.
func (d *Deployment) fetch(ctx context.Context) []geored.Finding {
	answers := geored.Ask(ctx, d.pairs(), func(ctx context.Context, t geored.Target) (fetched, error) {
		f := fetched{url: fmt.Sprintf("http://%s.%s.svc.cluster.local./", d.mesh.Ends[t.To].Probe.Name, Namespace)}
		answer, err := probe.Ask(ctx, d.probe(t.Site), probe.HTTP{URL: f.url})
		if remote := new(probe.RemoteError); errors.As(err, &remote) {
			f.err = remote
			return f, nil
		}
		if err == nil {
			err = json.Unmarshal([]byte(answer.Body), &f.who)
		}
		return f, err
	})
	return answers.Each(judgeFetched)
}

// fetched is who answered under a name.
type fetched struct {
	url string
	who probe.Identity
	err error
}

func judgeFetched(t geored.Target, f fetched) geored.Finding {
	switch {
	case f.err != nil:
		return geored.Finding{Verdict: geored.Fail, Message: fmt.Sprintf("a pod of %s cannot fetch %s: %v", t.Site, f.url, f.err), Remedy: "look at dns/remote-only and mesh/services"}
	case f.who.Site != string(t.To):
		return geored.Finding{Verdict: geored.Fail, Message: fmt.Sprintf("%s was answered by site %q, not by %s", f.url, f.who.Site, t.To), Remedy: "look at the order of the sites in the Corefile"}
	}
	return geored.Finding{Verdict: geored.Pass, Message: fmt.Sprintf("%s answered as %s", f.url, f.who.Site)}
}
