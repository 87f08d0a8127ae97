package ice

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/georedkit/georedkit/dnsfed"
	"github.com/georedkit/georedkit/dnsfed/coredns"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/geored/kube/helm"
	"github.com/georedkit/georedkit/mesh"
)

func dnsRelease(site geored.SiteName) string { return "coredns-" + string(site) }

// dnsValues are the chart's, as the guide writes them (guide 000, 4.3.2), with the site itself first: the first of the
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

// drainTime is how long the old name servers go on after the switch: what was under way comes to its end.
const drainTime = 5 * time.Second

// dns replaces each site's name servers by those of the chart without a gap. The guide deletes the old ones first, and
// has no DNS until the new ones serve.
func (d *Deployment) dns() geored.Stage {
	return geored.Stage{Name: "dns", Outline: d.eachSite(func(s mesh.Site) geored.Step { return d.dnsSteps(s)[0] }, func(s mesh.Site) geored.Step { return d.dnsSteps(s)[1] },
		func(s mesh.Site) geored.Step { return d.dnsSteps(s)[2] }, func(s mesh.Site) geored.Step { return d.dnsSteps(s)[3] }),
		Bind: func(ctx context.Context) ([]geored.Task, error) {
			var tasks []geored.Task
			for _, site := range d.mesh.Network.Sites {
				w, err := d.charts.release(ctx, CoreDNSChart, dnsRelease(site.Name), d.dnsValues(site.Name))
				if err != nil {
					return nil, err
				}
				change := dnsChange{Deployment: d, site: site.Name, wanted: w, releases: d.releases(site.Name)}
				steps := d.dnsSteps(site)
				tasks = append(tasks, change.start(steps[0]), change.prove(steps[1]), change.turn(steps[2]), change.remove(steps[3]))
			}
			return tasks, nil
		}}
}

func (d *Deployment) dnsSteps(s mesh.Site) []geored.Step {
	const stage = "dns"
	release, service := "release "+dnsRelease(s.Name), "service kube-system/kube-dns"
	const permanent = "the release serves the cluster's DNS: without it there is none"
	wanted := d.wantedChart(CoreDNSChart, d.dnsValues(s.Name))
	id := func(name string) geored.StepID { return stepID(stage, s.Name, name) }
	kubectl := d.kubectl(s.Name, "-n kube-system ")
	return []geored.Step{
		{ID: id("start"), Site: s.Name, Target: release, Action: geored.Install, Wanted: wanted, Permanent: permanent,
			Reason: "name servers over all sites start beside those that serve; the Service is given to the release with its address and still leads to the old ones",
			Manual: []string{kubectl + "label --overwrite service kube-dns app.kubernetes.io/managed-by=Helm",
				kubectl + "annotate --overwrite service kube-dns meta.helm.sh/release-name=" + dnsRelease(s.Name) + " meta.helm.sh/release-namespace=default",
				d.helmCommand(s.Name, dnsRelease(s.Name), CoreDNSChart, d.charts.version(CoreDNSChart), "coredns/coredns_"+string(s.Name)+".json")}},
		{ID: id("prove"), Site: s.Name, Target: "pods of " + release, Action: geored.Await, Needs: []geored.StepID{id("start")},
			Reason: "each new name server answers right by its own address before anybody is sent to it",
			Manual: []string{"dig @POD kubernetes.default.svc.cluster.local, for each new pod"}},
		{ID: id("switch"), Site: s.Name, Target: service, Action: geored.Install, Needs: []geored.StepID{id("prove")}, Wanted: wanted, Permanent: permanent,
			Reason: "one update leads all queries to the new name servers",
			Manual: []string{kubectl + "get endpoints kube-dns"}},
		{ID: id("remove"), Site: s.Name, Target: "deployments of other name servers in kube-system", Action: geored.Delete, Needs: []geored.StepID{id("switch")}, Permanent: permanent,
			Wanted: wanted,
			Reason: "two sets of name servers in one cluster are one mistake away from alternating answers (guide 000, 4.3.2: WARNING)",
			Manual: []string{kubectl + "delete deployment coredns"}},
	}
}

// dnsChange is the change of one site's name servers.
type dnsChange struct {
	*Deployment
	site     geored.SiteName
	wanted   helm.Release
	releases helm.Releases
}

// start installs the release with its Service leading to where it leads now. When the wanted values are deployed already,
// switched or not, there is nothing to start.
func (c dnsChange) start(step geored.Step) geored.Task {
	kept := c.wanted
	kept.Adopt, kept.Edited = true, "selector-kept"
	return geored.Task{Step: step,
		Observe: func(ctx context.Context) (geored.State, error) {
			if state, err := c.releases.State(ctx, c.wanted); err != nil || state.Done {
				return state, err
			}
			return c.releases.State(ctx, kept)
		},
		Apply: func(ctx context.Context) error {
			live, err := c.service(ctx)
			if err != nil {
				return err
			}
			kept.Edit = func(objects []*kube.Object) ([]*kube.Object, error) { return keepSelector(objects, live) }
			return c.releases.Apply(ctx, kept)
		},
	}
}

func (c dnsChange) service(ctx context.Context) (*corev1.Service, error) {
	live, err := c.Clusters[c.site].Client().CoreV1().Services(coredns.Namespace).Get(ctx, coredns.ServiceName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("service %s is not there: make it with the cluster IP %s, which stands in every pod", coredns.ServiceName, c.Deployment.site(c.site).DNSIP)
	}
	if err != nil {
		return nil, err
	}
	if want := c.Deployment.site(c.site).DNSIP.String(); live.Spec.ClusterIP != want {
		return nil, fmt.Errorf("service %s has the cluster IP %s, not dnsIP %s: it stands in every pod, and is kept", coredns.ServiceName, live.Spec.ClusterIP, want)
	}
	return live, nil
}

// keepSelector leads the chart's Service to where the live one leads.
func keepSelector(objects []*kube.Object, live *corev1.Service) ([]*kube.Object, error) {
	found := false
	for _, object := range objects {
		if object.GetKind() == "Service" && object.GetName() == live.Name {
			selector := map[string]any{}
			for key, value := range live.Spec.Selector {
				selector[key] = value
			}
			found = true
			if err := unstructured.SetNestedMap(object.Object, selector, "spec", "selector"); err != nil {
				return nil, err
			}
		}
	}
	if !found {
		return nil, errors.New("the chart has no Service " + live.Name)
	}
	return objects, nil
}

// own are the deployments of the release.
func (c dnsChange) own(ctx context.Context) (map[string]bool, error) {
	installed, found, err := c.releases.Installed(ctx, c.wanted.Name, c.wanted.Namespace)
	if err != nil || !found {
		return nil, err
	}
	objects, err := installed.Objects()
	names := map[string]bool{}
	for _, object := range objects {
		if object.GetKind() == "Deployment" {
			names[object.GetName()] = true
		}
	}
	return names, err
}

func (c dnsChange) prove(step geored.Step) geored.Task {
	return geored.Task{Step: step, Observe: c.proven}
}

// proven: every pod of the release is ready and answers right by its own address.
func (c dnsChange) proven(ctx context.Context) (geored.State, error) {
	own, err := c.own(ctx)
	if err != nil {
		return geored.State{}, err
	}
	dns, err := c.read(ctx)
	if err != nil {
		return geored.State{}, err
	}
	var servers []dnsfed.Server
	for _, deployment := range dns {
		if !own[deployment.Name] {
			continue
		}
		for _, pod := range deployment.Pods {
			if !pod.Ready {
				return geored.State{Detail: "pod " + pod.Name + " is not ready"}, nil
			}
		}
		servers = append(servers, deployment.Servers(c.site)...)
	}
	if len(servers) == 0 {
		return geored.State{Detail: "the release has no name server yet"}, nil
	}
	finding := c.proveServers(ctx, servers)
	return geored.State{Done: finding.Verdict == geored.Pass, Detail: fmt.Sprintf("%s %q", finding.Message, finding.Evidence)}, nil
}

// read finds the deployments of name servers: what is labelled as such, and what the release consists of.
func (c dnsChange) read(ctx context.Context) ([]coredns.Deployment, error) {
	own, err := c.own(ctx)
	if err != nil {
		return nil, err
	}
	dns, err := coredns.Read(ctx, c.Clusters[c.site], slices.Sorted(maps.Keys(own))...)
	return dns.Deployments, err
}

// turn upgrades the release to the chart's own selector.
func (c dnsChange) turn(step geored.Step) geored.Task {
	return geored.Task{Step: step,
		Observe: func(ctx context.Context) (geored.State, error) {
			state, err := c.releases.State(ctx, c.wanted)
			if err != nil || !state.Done {
				return state, err
			}
			return c.leads(ctx)
		},
		Apply: func(ctx context.Context) error {
			state, err := c.proven(ctx)
			if err == nil && !state.Done {
				err = geored.Retriable(errors.New("the new name servers are not proven: " + state.Detail))
			}
			if err != nil {
				return err
			}
			return c.releases.Apply(ctx, c.wanted)
		},
	}
}

// leads says whether the release's pods, and they alone, stand behind the Service.
func (c dnsChange) leads(ctx context.Context) (geored.State, error) {
	own, err := c.own(ctx)
	if err != nil {
		return geored.State{}, err
	}
	deployments, err := c.read(ctx)
	if err != nil {
		return geored.State{}, err
	}
	ours := map[string]bool{}
	for _, deployment := range deployments {
		for _, pod := range deployment.Pods {
			ours[pod.Name] = own[deployment.Name]
		}
	}
	list, err := c.Clusters[c.site].Client().DiscoveryV1().EndpointSlices(coredns.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "kubernetes.io/service-name=" + coredns.ServiceName})
	if err != nil {
		return geored.State{}, err
	}
	count := 0
	for _, slice := range list.Items {
		for _, endpoint := range slice.Endpoints {
			if endpoint.TargetRef == nil || !ours[endpoint.TargetRef.Name] {
				return geored.State{Detail: "an endpoint of the Service is none of the new name servers"}, nil
			}
			count++
		}
	}
	return geored.State{Done: count > 0, Detail: fmt.Sprintf("%d new name servers stand behind the Service", count)}, nil
}

// remove deletes the other name servers, on the evidence that none of them is asked any more and that the new ones answer
// right at this moment.
func (c dnsChange) remove(step geored.Step) geored.Task {
	others := func(ctx context.Context) ([]string, error) {
		own, err := c.own(ctx)
		if err != nil {
			return nil, err
		}
		deployments, err := c.read(ctx)
		var names []string
		for _, deployment := range deployments {
			if !own[deployment.Name] {
				names = append(names, deployment.Name)
			}
		}
		return names, err
	}
	return geored.Task{Step: step,
		Observe: func(ctx context.Context) (geored.State, error) {
			names, err := others(ctx)
			if err != nil || len(names) > 0 {
				return geored.State{Detail: "still there: " + strings.Join(names, ", ")}, err
			}
			return geored.State{Done: true, Detail: "the release's name servers are the only ones"}, nil
		},
		Apply: func(ctx context.Context) error {
			if err := geored.SystemClock().Sleep(ctx, drainTime); err != nil {
				return err
			}
			for _, evidence := range []func(context.Context) (geored.State, error){c.leads, c.proven} {
				if state, err := evidence(ctx); err != nil || !state.Done {
					return geored.Retriable(errors.Join(errors.New("the old name servers stay: "+state.Detail), err))
				}
			}
			names, err := others(ctx)
			for _, name := range names {
				err = errors.Join(err, c.delete(ctx, name))
			}
			return err
		},
	}
}

func (c dnsChange) delete(ctx context.Context, name string) error {
	object := &kube.Object{Object: map[string]any{"apiVersion": "apps/v1", "kind": "Deployment"}}
	object.SetNamespace(coredns.Namespace)
	object.SetName(name)
	return c.Clusters[c.site].Delete(ctx, object)
}
