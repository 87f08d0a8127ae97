package ice

import (
	"context"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

// Identities are those of the sites' clusters, for plans.
func (d *Deployment) Identities(ctx context.Context) ([]geored.Cluster, error) {
	clusters := make([]geored.Cluster, 0, len(d.Topology.Sites))
	for _, site := range d.Topology.Sites {
		uid, err := d.Clusters[site.Name].UID(ctx)
		if err != nil {
			return nil, &geored.Silence{Target: geored.Target{Site: site.Name}, Reason: err.Error()}
		}
		clusters = append(clusters, geored.Cluster{Site: site.Name, UID: uid})
	}
	return clusters, nil
}

// lockName is of the Leases: one for all programs that change the deployment.
const lockName = "georedkit-ice"

// Lock is held in every cluster. A site that does not answer refuses it: nothing is installed over half of the sites. Under
// it alone does [Deployment.Install] repair releases that a killed run left pending.
func (d *Deployment) Lock(holder geored.Holder) geored.Lock {
	d.lock = kube.NewLeaseLock(kube.LeaseConfig{Clusters: d.inOrder(), Name: lockName, Holder: holder})
	return d.lock
}

// held is the lock, once it was made.
func (d *Deployment) held() geored.Lock {
	if d.lock == nil {
		return nil
	}
	return d.lock
}

// Journal is kept in every cluster, and locally too.
func (d *Deployment) Journal(ctx context.Context, name string, local geored.Journal) (geored.Journal, error) {
	return kube.OpenJournal(ctx, kube.JournalConfig{Clusters: d.inOrder(), Name: name, Local: local})
}

func (d *Deployment) inOrder() []*kube.Cluster {
	clusters := make([]*kube.Cluster, len(d.Topology.Sites))
	for i, site := range d.Topology.Sites {
		clusters[i] = d.Clusters[site.Name]
	}
	return clusters
}

// kubectl is a command for a site, as an operator would type it.
func (d *Deployment) kubectl(site geored.SiteName, command string) string {
	return d.Clusters[site].Kubectl(command)
}
