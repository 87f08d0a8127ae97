package dnstest

import (
	"net/netip"
	"slices"

	"github.com/georedkit/georedkit/dnsfed"
	"github.com/georedkit/georedkit/geored"
)

// sample has every case from every site: each has names of its own, one that all have, and pods behind a headless name.
func sample(f dnsfed.Federation) []dnsfed.Service {
	chosen := []netip.Addr{netip.IPv4Unspecified()}
	ports := []dnsfed.Port{{Name: "cql", Number: 9042}, {Name: "gossip", Protocol: "udp", Number: 7000}}
	podPorts := []dnsfed.Port{{Name: "cql", Number: 19042}, {Name: "gossip", Protocol: "udp", Number: 17000}}
	var services []dnsfed.Service
	for i, site := range f.Sites {
		pod := func(n byte) dnsfed.Endpoint {
			a := site.Pods[0].Addr().As4()
			a[2], a[3] = 250, n
			return dnsfed.Endpoint{Hostname: string(site.Name) + "-" + string('0'+rune(n)), Address: netip.AddrFrom4(a), Ports: podPorts}
		}
		services = append(services,
			dnsfed.Service{Site: site.Name, Namespace: "default", Name: "only-" + string(site.Name), Addresses: chosen, Ports: ports},
			dnsfed.Service{Site: site.Name, Namespace: "default", Name: "everywhere", Addresses: chosen, Ports: ports},
			dnsfed.Service{Site: site.Name, Namespace: "default", Name: "pods-" + string(site.Name), Ports: ports, Endpoints: []dnsfed.Endpoint{pod(1), pod(2)}},
		)
		// The first site has the name and no pod: it must fall through to the second.
		empty := dnsfed.Service{Site: site.Name, Namespace: "default", Name: "empty-first", Ports: ports}
		if i > 0 {
			empty.Endpoints = []dnsfed.Endpoint{pod(3)}
		}
		services = append(services, empty)
	}
	return services
}

type wrongTable struct {
	check    dnsfed.Case
	services []dnsfed.Service
}

// wrongRecords are records that no system can confirm.
func wrongRecords(f dnsfed.Federation, services []dnsfed.Service) map[string]wrongTable {
	first, second := f.Sites[0].Name, f.Sites[1].Name
	edit := func(site geored.SiteName, name string, change func(*dnsfed.Service)) []dnsfed.Service {
		edited := slices.Clone(services)
		for i := range edited {
			if edited[i].Site == site && edited[i].Name == name {
				change(&edited[i])
			}
		}
		return edited
	}
	moved := func(s *dnsfed.Service) { s.Addresses = []netip.Addr{s.Addresses[0].Next()} }
	port := func(s *dnsfed.Service) { s.Ports = []dnsfed.Port{{Name: "cql", Number: 1}} }
	return map[string]wrongTable{
		"local address":  {dnsfed.LocalOnly, edit(first, "only-"+string(first), moved)},
		"remote address": {dnsfed.RemoteOnly, edit(second, "only-"+string(second), moved)},
		"both":           {dnsfed.Both, edit(first, "everywhere", moved)},
		"a pod too many": {dnsfed.Headless, edit(first, "pods-"+string(first), func(s *dnsfed.Service) { s.Endpoints = s.Endpoints[:1] })},
		"srv port":       {dnsfed.SRV, edit(second, "only-"+string(second), port)},
		"pod's port": {dnsfed.SRV, edit(first, "pods-"+string(first), func(s *dnsfed.Service) {
			s.Endpoints = slices.Clone(s.Endpoints)
			s.Endpoints[0].Ports = nil // those of the service
		})},
		"ptr name": {dnsfed.PTR, edit(first, "only-"+string(first), func(s *dnsfed.Service) { s.Name = "other" })},
	}
}
