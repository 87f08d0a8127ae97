package ice

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/dnsfed/coredns"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/drift"
	meshkube "github.com/georedkit/georedkit/mesh/kube"
)

// area is a part of what is installed at a site that is compared together.
type area struct {
	name  string
	check geored.CheckID
	title string
	read  func(ctx context.Context, site geored.SiteName, salt drift.Salt) ([]drift.Thing, error)
}

func (a area) named(things []drift.Thing) []drift.Thing {
	for i := range things {
		things[i].Area = a.name
	}
	return things
}

// areas are those that this deployment has.
func (d *Deployment) areas() []area {
	areas := []area{
		{"releases", CheckDriftReleases, "releases have the chart and the values that were recorded", d.releaseThings},
		{"peers", CheckDriftPeers, "nodes and peers have the keys, endpoints and addresses that were recorded", d.peerThings},
		{"dns", CheckDriftDNS, "the name servers have the Corefile that was recorded", d.dnsThings},
		{"rbac", CheckDriftRBAC, "the accounts that other sites use may do what was recorded, and no more", d.accessThings},
		{"tokens", CheckDriftTokens, "the copies of other sites' credentials are those that were recorded, and live on", d.tokenThings},
	}
	if d.Topology.Applications == nil {
		return areas
	}
	return append(areas,
		area{"seeds", CheckDriftSeeds, "Cassandra's nodes have the seeds that were recorded", d.seedThings},
		area{"connectors", CheckDriftConnectors, "the connectors of every mirror are configured as recorded", d.connectorThings},
		area{"mirrors", CheckDriftMirrors, "the pods that mirror are as many, and of the images, that were recorded", d.mirrorThings})
}

// again is who mends what a step of this program brings about.
func again(step string) string { return "run ice-install again: its step " + step + " mends it" }

// ownerOf is who mends what a chart of the product brought.
func ownerOf(site geored.SiteName) string {
	return fmt.Sprintf("who looks after release %s/%s of %s must set it back, or record it with a new revision (helm upgrade, then ice-install)", productNamespace, productRelease, site)
}

// revision is what moves when a release is changed on purpose.
func (d *Deployment) revision(ctx context.Context, site geored.SiteName, release, namespace string) (string, error) {
	have, found, err := d.releases(site).Installed(ctx, release, namespace)
	if err != nil || !found {
		return "", err
	}
	return fmt.Sprintf("release %s/%s revision %d", namespace, release, have.Revision), nil
}

func (d *Deployment) productRevision(ctx context.Context, site geored.SiteName) (string, error) {
	return d.revision(ctx, site, productRelease, productNamespace)
}

// writer is who wrote a field last, and when, as the API server remembers it; "" when it does not. field is a part of its
// name there; zero: any.
func writer(meta metav1.ObjectMeta, field string) string {
	var last metav1.ManagedFieldsEntry
	for _, m := range meta.ManagedFields {
		holds := m.FieldsV1 != nil && strings.Contains(string(m.FieldsV1.Raw), field)
		if m.Subresource == "" && holds && m.Time != nil && (last.Time == nil || last.Time.Before(m.Time)) {
			last = m
		}
	}
	if last.Time == nil {
		return ""
	}
	return fmt.Sprintf("%s on %s", last.Manager, last.Time.UTC().Format(time.RFC3339))
}

// releaseThings are the Helm releases. Values that are named like secrets are left out.
func (d *Deployment) releaseThings(ctx context.Context, site geored.SiteName, salt drift.Salt) ([]drift.Thing, error) {
	type release struct{ name, namespace, step string }
	releases := []release{{kiloRelease(site), releaseNamespace, string(stepID("peers", site, "part2"))}, {dnsRelease(site), releaseNamespace, string(d.dnsSteps(site)[0].ID)}}
	if d.Topology.Applications != nil {
		step := stepID("complete", site, "install")
		if site == d.first() {
			step = stepID("applications", site, "install")
		}
		releases = append(releases, release{productRelease, productNamespace, string(step)})
	}
	var things []drift.Thing
	for _, r := range releases {
		have, found, err := d.releases(site).Installed(ctx, r.name, r.namespace)
		if err != nil {
			return nil, err
		}
		if !found {
			continue // that it is gone is seen against the record
		}
		values, leftOut := salt.Leaves(have.Values)
		// Its revision is none of them: one that was rolled back is as it was.
		facts := map[string]string{"chart": have.Chart, "archive": have.Digest, "status": have.Status, "values left out as secrets": fmt.Sprint(leftOut)}
		for path, digest := range values {
			facts["value "+path] = "digest " + digest
		}
		things = append(things, drift.Thing{Name: "release " + r.namespace + "/" + r.name, Facts: facts, Mends: again(r.step) + "; or whoever upgraded it by hand rolls it back"})
	}
	return things, nil
}

// peerThings are Kilo's nodes and Peer objects.
func (d *Deployment) peerThings(ctx context.Context, site geored.SiteName, _ drift.Salt) ([]drift.Thing, error) {
	cluster := d.Clusters[site]
	nodes, _, err := meshkube.KiloNodes(ctx, cluster)
	if err != nil {
		return nil, err
	}
	peers, err := meshkube.KiloPeers(ctx, cluster)
	if err != nil {
		return nil, err
	}
	wrote, err := d.nodeWriters(ctx, site)
	if err != nil {
		return nil, err
	}
	revision, err := d.revision(ctx, site, kiloRelease(site), releaseNamespace)
	if err != nil {
		return nil, err
	}
	var things []drift.Thing
	for _, n := range nodes {
		things = append(things, drift.Thing{Name: "node " + n.Name, Wrote: wrote[n.Name],
			Mends: again(string(stepID("annotate", site, n.Name))) + "; a key that changed needs the peers of the other sites too, which it makes anew",
			Facts: map[string]string{"public key": n.Key.String(), "endpoint": n.Endpoint.String(), "WireGuard address": n.WireGuardIP.String(),
				"keepalive": n.PersistentKeepalive.String(), "pod ranges": fmt.Sprint(n.PodCIDRs)}})
	}
	for _, p := range peers {
		facts := map[string]string{"public key": p.Spec.PublicKey, "allowed IPs": strings.Join(slices.Sorted(slices.Values(p.Spec.AllowedIPs)), ", "), "keepalive": fmt.Sprint(p.Spec.PersistentKeepalive, "s")}
		if e := p.Spec.Endpoint; e != nil {
			facts["endpoint"] = fmt.Sprintf("%s:%d", cmp.Or(e.DNSOrIP.DNS, e.DNSOrIP.IP), e.Port)
		}
		things = append(things, drift.Thing{Name: "peer " + p.Metadata.Name, Facts: facts, Under: revision,
			Mends: again(string(stepID("peers", site, "part2"))) + "; one that nobody planned is taken away by whoever added it"})
	}
	return things, nil
}

func (d *Deployment) nodeWriters(ctx context.Context, site geored.SiteName) (map[string]string, error) {
	list, err := d.Clusters[site].Client().CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	wrote := map[string]string{}
	for _, n := range list.Items {
		wrote[n.Name] = writer(n.ObjectMeta, "force-endpoint")
	}
	return wrote, nil
}

// dnsThings are the name servers behind the Service, and the Service.
func (d *Deployment) dnsThings(ctx context.Context, site geored.SiteName, salt drift.Salt) ([]drift.Thing, error) {
	cluster := d.Clusters[site]
	dns, err := coredns.Read(ctx, cluster)
	if err != nil {
		return nil, err
	}
	revision, err := d.revision(ctx, site, dnsRelease(site), releaseNamespace)
	if err != nil {
		return nil, err
	}
	mends := fmt.Sprintf("taken back by whoever changed it: ice-install looks at release %s, and not at what was written past it", dnsRelease(site))
	var things []drift.Thing
	if s := dns.Service; s != nil {
		things = append(things, drift.Thing{Name: "service " + coredns.Namespace + "/" + coredns.ServiceName, Under: revision, Mends: again(string(d.dnsSteps(site)[0].ID)), Wrote: writer(s.ObjectMeta, ""),
			Facts: map[string]string{"address": s.Spec.ClusterIP, "selector": fmt.Sprint(s.Spec.Selector)}})
	}
	for _, x := range dns.Deployments {
		if !x.Behind {
			continue
		}
		thing := drift.Thing{Name: "deployment " + coredns.Namespace + "/" + x.Name, Under: revision, Mends: mends,
			Facts: map[string]string{"image": x.Image, "configmap": x.ConfigMap, "Corefile": "digest " + salt.Digest(x.Corefile), "Corefile lines": fmt.Sprint(strings.Count(x.Corefile, "\n"))}}
		if m, err := cluster.Client().CoreV1().ConfigMaps(coredns.Namespace).Get(ctx, x.ConfigMap, metav1.GetOptions{}); err == nil { // who wrote it is told where it can be
			thing.Wrote = writer(m.ObjectMeta, "")
		}
		things = append(things, thing)
	}
	return things, nil
}

// numbered gives texts names that tell them apart.
func numbered(name string, texts []string) map[string]string {
	facts := map[string]string{}
	for i, text := range slices.Sorted(slices.Values(texts)) {
		facts[fmt.Sprintf("%s %d", name, i+1)] = text
	}
	return facts
}

func merged(all ...map[string]string) map[string]string {
	facts := map[string]string{}
	for _, m := range all {
		maps.Copy(facts, m)
	}
	return facts
}
