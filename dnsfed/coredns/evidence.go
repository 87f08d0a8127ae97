package coredns

import (
	"context"
	"fmt"
	"slices"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/dnsfed"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

// Proof holds name servers to what they must answer.
type Proof func(context.Context, []dnsfed.Server) geored.Finding

// Proven says whether every pod of some Deployments is ready and passes a proof by its own address. One that is not there,
// or has no pod, is not proven.
func Proven(ctx context.Context, c *kube.Cluster, proof Proof, deployments ...string) (geored.State, error) {
	dns, err := Read(ctx, c, deployments...)
	if err != nil {
		return geored.State{}, err
	}
	var servers []dnsfed.Server
	for _, name := range deployments {
		i := slices.IndexFunc(dns.Deployments, func(d Deployment) bool { return d.Name == name })
		if i < 0 {
			return geored.State{Detail: "deployment " + name + " is not there"}, nil
		}
		d := dns.Deployments[i]
		own := d.Servers(c.Site())
		if len(own) == 0 || len(own) != len(d.Pods) || slices.ContainsFunc(d.Pods, func(p Pod) bool { return !p.Ready }) {
			return geored.State{Detail: "not every pod of deployment " + name + " is ready"}, nil
		}
		servers = append(servers, own...)
	}
	if len(servers) == 0 {
		return geored.State{Detail: "there are no name servers to prove"}, nil
	}
	finding := proof(ctx, servers)
	return geored.State{Done: finding.Verdict == geored.Pass, Detail: fmt.Sprintf("%s: %s %q", finding.Verdict, finding.Message, finding.Evidence)}, nil
}

// Leads says whether pods of some Deployments, and they alone, stand behind the Service.
func Leads(ctx context.Context, c *kube.Cluster, deployments ...string) (geored.State, error) {
	dns, err := Read(ctx, c, deployments...)
	if err != nil {
		return geored.State{}, err
	}
	ours := map[string]bool{}
	for _, d := range dns.Deployments {
		for _, pod := range d.Pods {
			ours[pod.Name] = slices.Contains(deployments, d.Name)
		}
	}
	list, err := c.Client().DiscoveryV1().EndpointSlices(Namespace).List(ctx, metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + ServiceName})
	if err != nil {
		return geored.State{}, err
	}
	count := 0
	for _, slice := range list.Items {
		for _, e := range slice.Endpoints {
			if e.TargetRef == nil || !ours[e.TargetRef.Name] {
				return geored.State{Detail: "an endpoint of the Service is none of the pods that it should lead to"}, nil
			}
			count++
		}
	}
	return geored.State{Done: count > 0, Detail: fmt.Sprintf("%d pods are the endpoints of the Service", count)}, nil
}
