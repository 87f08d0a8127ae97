package ice

import (
	"context"
	"time"

	"github.com/georedkit/georedkit/dnsfed"
	dnshelm "github.com/georedkit/georedkit/dnsfed/coredns/helm"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube/helm"
)

func dnsRelease(site geored.SiteName) string { return "coredns-" + string(site) }

// dnsValues are the chart's, as the guide writes them (ICE guide, 4.3.2), with the site itself first: the first of the
// list answers for what several sites have, kubernetes.default above all.
func (d *Deployment) dnsValues(own geored.SiteName) helm.Values {
	dc := func(site Site) any {
		return map[string]any{"name": string(site.Name), "kubernetesEndpoint": "https://" + hostOf(site.APIServerIP)}
	}
	dcs := []any{dc(d.site(own))}
	for _, site := range d.Topology.Sites {
		if site.Name != own {
			dcs = append(dcs, dc(site))
		}
	}
	return helm.Values{"config": map[string]any{"multidatacenter": map[string]any{"dcs": dcs, "dnsIP": d.site(own).DNSIP.String(), "currentDC": string(own)}}}
}

// drainTime is how long the old name servers go on after the switch: what was under way comes to its end, and a node whose
// kube-proxy is late still leads to them.
const drainTime = 10 * time.Second

// dns replaces each site's name servers by those of the chart without a gap. The guide deletes the old ones first, and
// has no DNS until the new ones serve.
func (d *Deployment) dns() geored.Stage {
	var outline []geored.Step
	for _, site := range d.mesh.Network.Sites {
		outline = append(outline, d.dnsSteps(site.Name)...)
	}
	return geored.Stage{Name: "dns", Outline: outline, Bind: func(ctx context.Context) ([]geored.Task, error) {
		var tasks []geored.Task
		for _, site := range d.mesh.Network.Sites {
			w, err := d.charts.release(ctx, site.Name, CoreDNSChart, dnsRelease(site.Name), d.dnsValues(site.Name))
			if err != nil {
				return nil, err
			}
			for _, task := range d.adoption(site.Name, w).Tasks() {
				tasks = append(tasks, d.watched(ctx, site.Name, task))
			}
		}
		for i := range tasks {
			tasks[i].Step = outline[i]
		}
		return tasks, nil
	}}
}

func (d *Deployment) adoption(site geored.SiteName, w helm.Release) dnshelm.Adoption {
	return dnshelm.Adoption{Releases: d.releases(site), Wanted: w, Address: d.site(site).DNSIP, Drain: drainTime,
		Prove: d.proof(dnsfed.OwnAPI, dnsfed.RemoteOnly, dnsfed.Neither), ProveOld: d.proof(dnsfed.OwnAPI)}
}

// dnsSteps are those of a site, before any chart is fetched.
func (d *Deployment) dnsSteps(site geored.SiteName) []geored.Step {
	steps := d.adoption(site, helm.Release{Name: dnsRelease(site), Namespace: releaseNamespace}).Steps()
	wanted := d.wantedChart(site, CoreDNSChart, d.dnsValues(site))
	for i := range steps {
		if steps[i].Action != geored.Await {
			steps[i].Wanted = wanted
		}
	}
	steps[0].Manual = append(steps[0].Manual, d.helmCommand(site, dnsRelease(site), CoreDNSChart, d.charts.version(CoreDNSChart), "coredns/coredns_"+string(site)+".json"))
	steps[3].Reason += " (ICE guide, 4.3.2: WARNING)"
	return steps
}
