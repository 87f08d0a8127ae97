package coredns

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/dnsfed"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

// NodeCache is a cache of DNS on every node.
type NodeCache struct {
	Name      string
	Corefile  string       // zero: it names no ConfigMap that could be read
	Addresses []netip.Addr // that it answers at, on each node; none: its Corefile does not say
	Upstreams []netip.Addr // that it sends queries for the cluster domain to; none: its Corefile does not say
}

// readNodeCaches finds the DaemonSets that are labelled as nodelocaldns is, by Kubernetes and by Kubespray.
func readNodeCaches(ctx context.Context, c *kube.Cluster) ([]NodeCache, error) {
	sets, err := c.Client().AppsV1().DaemonSets(Namespace).List(ctx, metav1.ListOptions{LabelSelector: "k8s-app in (node-local-dns, nodelocaldns)"})
	if err != nil {
		return nil, fmt.Errorf("daemonsets: %w", err)
	}
	var caches []NodeCache
	for _, set := range sets.Items {
		from, err := corefileOf(ctx, c, set.Spec.Template.Spec)
		if err != nil {
			return caches, fmt.Errorf("daemonset %s: %w", set.Name, err)
		}
		caches = append(caches, nodeCacheOf(set.Name, from.Data[corefileKey]))
	}
	slices.SortFunc(caches, func(a, b NodeCache) int { return cmp.Compare(a.Name, b.Name) })
	return caches, nil
}

// nodeCacheOf reads what a cache's Corefile says of it. A placeholder that the cache itself fills in says nothing.
func nodeCacheOf(name, corefile string) NodeCache {
	cache := NodeCache{Name: name, Corefile: corefile}
	parsed, err := dnsfed.ParseCorefile(corefile)
	if err != nil {
		return cache
	}
	for _, block := range parsed.Blocks {
		if !slices.ContainsFunc(block.Keys, isClusterDomain) {
			continue
		}
		for _, d := range block.Named("bind") {
			cache.Addresses = append(cache.Addresses, addresses(d.Args)...)
		}
		for _, d := range block.Named("forward") {
			cache.Upstreams = append(cache.Upstreams, addresses(d.Args)...)
		}
	}
	return cache
}

// isClusterDomain: besides it, a node cache serves the root and the reverse zones alone.
func isClusterDomain(key string) bool {
	zone, _, _ := strings.Cut(key, ":")
	return zone != "" && zone != "." && !strings.HasSuffix(strings.TrimSuffix(zone, "."), ".arpa")
}

func addresses(texts []string) []netip.Addr {
	var found []netip.Addr
	for _, text := range texts {
		if a, err := netip.ParseAddr(text); err == nil {
			found = append(found, a)
		} else if p, err := netip.ParseAddrPort(text); err == nil {
			found = append(found, p.Addr())
		}
	}
	return found
}

// Servers are the addresses of the cache itself; at that of the Service it stands in for it. What answers is the cache of
// the node that is asked from.
func (n NodeCache) Servers(site geored.SiteName, service *corev1.Service) []dnsfed.Server {
	var servers []dnsfed.Server
	for _, a := range n.Addresses {
		if service == nil || !slices.Contains(service.Spec.ClusterIPs, a.String()) {
			servers = append(servers, dnsfed.Server{Site: site, Kind: dnsfed.ServerCache, Name: n.Name + " " + a.String(), Address: netip.AddrPortFrom(a, port)})
		}
	}
	return servers
}

// BesideService is a Service other than kube-dns that leads to name servers, such as the one that a node cache asks.
type BesideService struct {
	Name     string
	Leads    []string // Deployments, sorted
	Queries  bool     // it has port 53; else it is for metrics
	clusters []string
}

// beside finds them.
func beside(ctx context.Context, c *kube.Cluster, deployments []Deployment) ([]BesideService, error) {
	list, err := c.Client().CoreV1().Services(Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("services: %w", err)
	}
	var found []BesideService
	for i := range list.Items {
		service := &list.Items[i]
		b := BesideService{Name: service.Name, clusters: service.Spec.ClusterIPs}
		b.Queries = slices.ContainsFunc(service.Spec.Ports, func(p corev1.ServicePort) bool { return p.Port == port })
		for _, d := range deployments {
			if leadsTo(service, d.live.Spec.Template.Labels) {
				b.Leads = append(b.Leads, d.Name)
			}
		}
		if service.Name != ServiceName && len(b.Leads) > 0 {
			found = append(found, b)
		}
	}
	return found, nil
}

// cacheProblems are ways past the Service: a cache or a Service that asks other name servers than it does.
func (d DNS) cacheProblems(behind []string) []string {
	var problems []string
	right := slices.Clone(d.Service.Spec.ClusterIPs)
	for _, b := range d.Beside {
		if b.Queries && !slices.Equal(b.Leads, behind) {
			problems = append(problems, fmt.Sprintf("service %s leads to %s, and %s to %s", b.Name, strings.Join(b.Leads, ", "), ServiceName, strings.Join(behind, ", ")))
			continue
		}
		right = append(right, b.clusters...)
	}
	for _, cache := range d.NodeCaches {
		for _, upstream := range cache.Upstreams {
			if !slices.Contains(right, upstream.String()) {
				problems = append(problems, fmt.Sprintf("node cache %s asks %s, where the name servers behind %s are not", cache.Name, upstream, ServiceName))
			}
		}
	}
	return problems
}
