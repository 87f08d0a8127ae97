package dnsfed

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/georedkit/georedkit/geored"
)

// service asks for all names of the services that share one.
func (e *expecter) service(key string) {
	services := e.services[key]
	name := services[0].name(e.domain())
	sites := e.deciders(name)
	types := map[string]bool{}
	headless := false
	for _, s := range services {
		for _, recordType := range []string{"A", "AAAA"} {
			types[recordType] = types[recordType] || len(s.addresses(recordType)) > 0
		}
		headless = headless || s.headless()
	}
	c := e.caseOf(services)
	if headless {
		c = Headless
	}
	if !types["A"] && !types["AAAA"] {
		types["A"] = true // nobody has an address: NXDOMAIN is asked for all the same
	}
	for _, recordType := range []string{"A", "AAAA"} {
		if types[recordType] {
			e.ask(c, name, recordType, func(s Service) []string { return s.addresses(recordType) }, sites, services)
		}
	}
	e.pods(services, sites)
	e.ports(services, sites)
}

// imported asks for the ServiceImports of the own site: those of others are not its to answer.
func (e *expecter) imported(imports []Service) {
	if e.Plugin != Multicluster {
		return
	}
	own := []geored.SiteName{e.own}
	for _, s := range imports {
		if s.Site != e.own {
			continue
		}
		for _, recordType := range []string{"A", "AAAA"} {
			if len(s.addresses(recordType)) > 0 || recordType == "A" && len(s.addresses("AAAA")) == 0 {
				e.ask(Imported, s.name(e.clusterSet()), recordType, func(s Service) []string { return s.addresses(recordType) }, own, []Service{s})
			}
		}
	}
	e.ask(Imported, absent+".svc."+e.clusterSet()+".", "A", func(Service) []string { return nil }, own, nil)
}

func (e *expecter) caseOf(services []Service) Case {
	here := slices.ContainsFunc(services, func(s Service) bool { return s.Site == e.own })
	there := slices.ContainsFunc(services, func(s Service) bool { return s.Site != e.own })
	switch {
	case here && there:
		return Both
	case here:
		return LocalOnly
	}
	return RemoteOnly
}

// pods asks for each endpoint of a headless service by its own name.
func (e *expecter) pods(services []Service, sites []geored.SiteName) {
	asked := map[string]bool{}
	for _, s := range services {
		if !s.headless() {
			continue
		}
		for _, endpoint := range s.Endpoints {
			name, recordType := endpoint.hostname()+"."+s.name(e.domain()), typeOf(endpoint.Address)
			if asked[name+recordType] {
				continue
			}
			asked[name+recordType] = true
			e.ask(Headless, name, recordType, func(s Service) []string { return s.podAddresses(endpoint.hostname(), recordType) },
				sites, withPod(services, endpoint.hostname()))
		}
	}
}

func (s Service) podAddresses(hostname, recordType string) []string {
	var texts []string
	for _, e := range s.Endpoints {
		if e.hostname() == hostname && typeOf(e.Address) == recordType {
			texts = append(texts, e.Address.String())
		}
	}
	slices.Sort(texts)
	return texts
}

func withPod(services []Service, hostname string) []Service {
	var having []Service
	for _, s := range services {
		if slices.ContainsFunc(s.Endpoints, func(e Endpoint) bool { return e.hostname() == hostname }) {
			having = append(having, s)
		}
	}
	return having
}

// ports asks for the SRV records of the named ports.
func (e *expecter) ports(services []Service, sites []geored.SiteName) {
	asked := map[string]bool{}
	for _, s := range services {
		for _, port := range s.Ports {
			if port.Name == "" || asked[port.service()] {
				continue
			}
			asked[port.service()] = true
			e.ask(SRV, port.service()+s.name(e.domain()), "SRV",
				func(s Service) []string { return s.targets(port.service(), e.domain()) }, sites, withPort(services, port.service()))
		}
	}
}

func withPort(services []Service, port string) []Service {
	var having []Service
	for _, s := range services {
		if slices.ContainsFunc(s.Ports, func(p Port) bool { return p.Name != "" && p.service() == port }) {
			having = append(having, s)
		}
	}
	return having
}

// targets are the SRV records of a port without priority and weight, which depend on how many there are.
func (s Service) targets(port, domain string) []string {
	var records []string
	add := func(ports []Port, name string) {
		for _, p := range ports {
			if p.Name != "" && p.service() == port {
				records = append(records, fmt.Sprintf("%d %s", p.Number, name))
			}
		}
	}
	if !s.headless() {
		add(s.Ports, s.name(domain))
	} else {
		for _, endpoint := range s.Endpoints {
			add(s.ports(endpoint), endpoint.hostname()+"."+s.name(domain))
		}
	}
	slices.Sort(records)
	return slices.Compact(records)
}

// reverses asks whose each address is: a service's, or that of the pods behind it, which has a name per service. Only
// kubernetai asks the other sites for theirs.
func (e *expecter) reverses(services []Service) {
	type owner struct {
		site    geored.SiteName
		address netip.Addr
	}
	names := map[owner][]string{}
	var owners []owner
	add := func(s Service, a netip.Addr, name string) {
		o := owner{s.Site, a}
		if site, _ := e.Site(s.Site); e.reverse(site) != nil && !site.owns(a) {
			return // in no zone of the name servers: a node's own address, as of pods on its network
		}
		if len(names[o]) == 0 {
			owners = append(owners, o)
		}
		names[o] = append(names[o], name)
	}
	for _, s := range services {
		for _, a := range s.Addresses {
			add(s, a, s.name(e.domain()))
		}
		for _, endpoint := range s.Endpoints {
			add(s, endpoint.Address, endpoint.hostname()+"."+s.name(e.domain()))
		}
	}
	for _, o := range owners {
		if o.site == e.own || e.Plugin == Kubernetai {
			e.ask(PTR, reverseName(o.address), "PTR", func(Service) []string { return names[o] }, e.owners(o.site),
				[]Service{{Site: o.site, Addresses: []netip.Addr{o.address}, Endpoints: make([]Endpoint, 1)}})
		}
	}
}

// owners: with ranges of their own no other site is asked about an address.
func (e *expecter) owners(site geored.SiteName) []geored.SiteName {
	if s, _ := e.Site(site); e.reverse(s) != nil {
		return []geored.SiteName{site}
	}
	return e.deciders("")
}
