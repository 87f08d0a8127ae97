package supervisor

import (
	"fmt"
	"net/netip"
	"strings"
)

// What [staleFault] does in the other site.

const (
	staleService = "moved"
	staleSlice   = "/endpointslices/" + staleService
)

func (f staleFault) note() string {
	return strings.Join([]string{"stale-dns", f.own.plan.Name, f.other.plan.Name, f.namespace}, " ")
}

func (f staleFault) path() string { return "/apis/discovery.k8s.io/v1/namespaces/" + f.namespace }

func (f staleFault) servicePath() string {
	return "/api/v1/namespaces/" + f.namespace + "/services/" + staleService
}

func (f staleFault) name(pod string) string {
	return pod + "." + staleService + "." + f.namespace + ".svc.cluster.local."
}

// pod is an address of the other site's pods that no node gives to any.
func (f staleFault) pod(n byte) netip.Addr {
	a := f.other.plan.Pods.Addr().As4()
	a[2], a[3] = 251, n
	return netip.AddrFrom4(a)
}

func (f staleFault) endpoints(moves netip.Addr) string {
	return fmt.Sprintf(`[{"addresses":[%q],"hostname":"stays"},{"addresses":[%q],"hostname":"moves"}]`, f.pod(1), moves)
}

func (f staleFault) objects(moves netip.Addr) string {
	return fmt.Sprintf(`# %s
{"apiVersion":"v1","kind":"Service","metadata":{"name":%[2]q,"namespace":%[3]q},"spec":{"clusterIP":"None"}}
---
# %[4]s
{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","addressType":"IPv4","metadata":{"name":%[2]q,"namespace":%[3]q,"labels":{"kubernetes.io/service-name":%[2]q}},"endpoints":%[5]s}`,
		f.servicePath(), staleService, f.namespace, f.path()+staleSlice, f.endpoints(moves))
}

// servers are the addresses at which the other site's API servers may be asked from outside it.
func (f staleFault) servers() []netip.Addr {
	return append(f.other.plan.APIServers(), f.other.plan.APIServer, f.other.plan.Nodes[0].WAN)
}
