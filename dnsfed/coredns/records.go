package coredns

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/dnsfed"
	"github.com/georedkit/georedkit/geored/kube"
)

const port = 53

// dnsPort is invalid when the text is no address: a headless Service has "None".
func dnsPort(text string) netip.AddrPort {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a, port)
}

// Services reads what the API of a site holds for its name servers: all services but those of type ExternalName, with
// the endpoints that are ready or published before they are. Sort order is the API's: by namespace and name.
func Services(ctx context.Context, c *kube.Cluster) ([]dnsfed.Service, error) {
	list, err := c.Client().CoreV1().Services(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("services: %w", err)
	}
	published, err := c.Client().DiscoveryV1().EndpointSlices(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("endpointslices: %w", err)
	}
	endpoints := map[string][]dnsfed.Endpoint{}
	for _, slice := range published.Items {
		key := slice.Namespace + "/" + slice.Labels[discoveryv1.LabelServiceName]
		endpoints[key] = append(endpoints[key], endpointsOf(slice)...)
	}
	var services []dnsfed.Service
	for _, item := range list.Items {
		if item.Spec.Type != corev1.ServiceTypeExternalName {
			service := dnsfed.Service{Site: c.Site(), Namespace: item.Namespace, Name: item.Name, Endpoints: endpoints[item.Namespace+"/"+item.Name]}
			for _, text := range item.Spec.ClusterIPs {
				if a, err := netip.ParseAddr(text); err == nil {
					service.Addresses = append(service.Addresses, a)
				}
			}
			for _, p := range item.Spec.Ports {
				service.Ports = append(service.Ports, dnsfed.Port{Name: p.Name, Protocol: strings.ToLower(string(p.Protocol)), Number: uint16(p.Port)})
			}
			services = append(services, service)
		}
	}
	return services, nil
}

// endpointsOf: a slice says of each endpoint whether it is ready; nothing said means that it is.
func endpointsOf(slice discoveryv1.EndpointSlice) []dnsfed.Endpoint {
	var ports []dnsfed.Port
	for _, p := range slice.Ports {
		if p.Name != nil && p.Port != nil && p.Protocol != nil {
			ports = append(ports, dnsfed.Port{Name: *p.Name, Protocol: strings.ToLower(string(*p.Protocol)), Number: uint16(*p.Port)})
		}
	}
	var endpoints []dnsfed.Endpoint
	for _, e := range slice.Endpoints {
		if e.Conditions.Ready != nil && !*e.Conditions.Ready {
			continue
		}
		for _, text := range e.Addresses {
			a, err := netip.ParseAddr(text)
			if err != nil {
				continue
			}
			endpoint := dnsfed.Endpoint{Address: a, Ports: ports}
			if e.Hostname != nil {
				endpoint.Hostname = *e.Hostname
			}
			if !slices.ContainsFunc(endpoints, func(o dnsfed.Endpoint) bool { return o.Address == a && o.Hostname == endpoint.Hostname }) {
				endpoints = append(endpoints, endpoint)
			}
		}
	}
	return endpoints
}
