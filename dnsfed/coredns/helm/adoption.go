package helm

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/georedkit/georedkit/dnsfed/coredns"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/geored/kube/helm"
)

// Adoption is a change-over in which a Helm release brings the new name servers of a site, and the Service with them.
//
// A chart leads the Service to its pods before they have been started. So the release is installed with the selector that
// the Service has; its pods are proven, each by its own address; then it is upgraded to the chart's own selector. What it
// takes over or replaces is written down before, and brought back when the tasks are taken back.
type Adoption struct {
	Releases helm.Releases // of the site
	Wanted   helm.Release  // Adopt, Edit and Edited are the adoption's own; its name servers must be named other than the old ones
	// Address is the cluster IP that the Service must have, because it stands in every pod's resolv.conf. Zero: any.
	Address netip.Addr
	Prove   coredns.Proof // the new pods, before anybody is led to them. Required
	// ProveOld proves the old ones before they are led to again. Zero: they cannot be brought back.
	ProveOld coredns.Proof
	Drain    time.Duration // how long those that served go on after a switch. Zero: 30 s, as long as answers are cached
	Clock    geored.Clock  // zero: geored.SystemClock
}

func (a Adoption) cluster() *kube.Cluster { return a.Releases.Cluster }

func (a Adoption) drained(ctx context.Context) error {
	clock, drain := a.Clock, a.Drain
	if clock == nil {
		clock = geored.SystemClock()
	}
	if drain == 0 {
		drain = 30 * time.Second
	}
	return clock.Sleep(ctx, drain)
}

// Steps are the adoption as it is reviewed, in the order of its tasks.
func (a Adoption) Steps() []geored.Step {
	site := a.cluster().Site()
	id := func(name string) geored.StepID { return geored.StepID("dns/" + string(site) + "/" + name) }
	release := "release " + a.Wanted.Name
	const kubectl = "-n " + coredns.Namespace + " "
	adopt := fmt.Sprintf("%slabel --overwrite service %s app.kubernetes.io/managed-by=Helm", kubectl, coredns.ServiceName)
	owner := fmt.Sprintf("%sannotate --overwrite service %s meta.helm.sh/release-name=%s meta.helm.sh/release-namespace=%s", kubectl, coredns.ServiceName, a.Wanted.Name, a.Wanted.Namespace)
	return []geored.Step{
		{ID: id("start"), Site: site, Target: release, Action: geored.Install,
			Reason:     "name servers over all sites start beside those that serve; the Service is given to the release with its address and still leads to the old ones",
			Manual:     []string{a.cluster().Kubectl(adopt), a.cluster().Kubectl(owner)},
			ManualUndo: []string{a.cluster().Kubectl(kubectl + "annotate --overwrite service " + coredns.ServiceName + " helm.sh/resource-policy=keep"), a.cluster().Helm("-n " + a.Wanted.Namespace + " uninstall " + a.Wanted.Name)}},
		{ID: id("prove"), Site: site, Target: "pods of " + release, Action: geored.Await, Needs: []geored.StepID{id("start")},
			Reason: "each new name server answers right by its own address before anybody is sent to it",
			Manual: []string{"dig @POD kubernetes.default.svc.cluster.local, for each new pod"}},
		{ID: id("switch"), Site: site, Target: "service " + coredns.Namespace + "/" + coredns.ServiceName, Action: geored.Install, Needs: []geored.StepID{id("prove")},
			Reason: "one update leads all queries to the new name servers",
			Manual: []string{a.cluster().Kubectl(kubectl + "get endpoints " + coredns.ServiceName)}},
		{ID: id("remove"), Site: site, Target: "deployments of other name servers in " + coredns.Namespace, Action: geored.Delete, Needs: []geored.StepID{id("switch")},
			Reason: "two sets of name servers in one cluster are one mistake away from alternating answers",
			Manual: []string{a.cluster().Kubectl(kubectl + "delete deployment coredns")}},
	}
}

// Tasks carry the steps out.
func (a Adoption) Tasks() []geored.Task {
	steps := a.Steps()
	return []geored.Task{a.start(steps[0]), a.prove(steps[1]), a.turn(steps[2]), a.remove(steps[3])}
}
