package ice

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

// symmetry holds a site's file against all sites: what it says of the others must be all of them, by their own names.
func (l *linter) symmetry(site geored.SiteName, file string, charts map[string]any, all []string) {
	others := slices.DeleteFunc(slices.Clone(all), func(name string) bool { return name == string(site) })
	at := func(keys ...string) string { return file + ": charts." + strings.Join(keys, ".") }
	same := func(want []string, keys ...string) {
		value := lookup(charts, keys...)
		if value == nil {
			return // an older or smaller file; what must be there the chart's own schema says
		}
		got := names(value)
		for _, name := range want {
			if !slices.Contains(got, name) {
				l.fault(site, at(keys...), strings.Join(got, " "), "lacks "+name, "list every one of "+strings.Join(want, " "))
			}
		}
		for i, name := range got {
			switch {
			case !slices.Contains(want, name):
				l.fault(site, at(keys...), name, "is none of "+strings.Join(want, " "), "take it out: the names are those of the sites, of their Secrets and of Cassandra's data centers alike")
			case slices.Contains(got[:i], name):
				l.fault(site, at(keys...), name, "stands twice", "keep one")
			}
		}
	}
	var meshes []string
	for _, other := range others {
		meshes = append(meshes, discovery(geored.SiteName(other)))
	}
	if len(others) > 0 {
		same(all, "instantConnectEnterprise", "values", "config", "multidatacenter", "dcs")
		same(others, "iceCassandra", "values", "multi-casskop", "k8s", "remote")
		same(meshes, "rallypoint", "values", "rallypoint", "peerMeshes")
		if remote, ok := lookup(charts, "iceMinio", "values", "multidatacenter", "remoteDC").(string); ok && remote != string(site) && !slices.Contains(others, remote) {
			l.fault(site, at("iceMinio", "values", "multidatacenter", "remoteDC"), remote, "is no other site", "write one of "+strings.Join(others, " "))
		}
	}
	if reflector, ok := lookup(charts, "rallypoint", "values", "reflector").(map[string]any); ok && lookup(reflector, "config", "multicastInterfaceName") == nil {
		l.fault(site, at("rallypoint", "values", "reflector", "config", "multicastInterfaceName"), "", "is missing: the reflector binds to an interface that nobody named", "name that of the nodes, as ip link shows it")
	}
	l.switches(site, file, charts)
	l.replicas(site, file, charts)
	l.hosts(site, file, charts)
}

// alike faults a file that lacks what another site's has: what is told to one side only works in one direction.
func (l *linter) alike(read map[geored.SiteName]map[string]any) {
	sites := slices.Sorted(maps.Keys(read))
	for _, keys := range [][]string{
		{"charts", "iceMinio", "values", "multidatacenter"},
		{"charts", "rallypoint", "values", "rallypoint", "peerMeshes"},
		{"charts", "instantConnectEnterprise", "values", "config", "multidatacenter"},
	} {
		has := func(site geored.SiteName) bool { return lookup(read[site], keys...) != nil }
		i := slices.IndexFunc(sites, has)
		for _, site := range sites {
			if i >= 0 && !has(site) {
				l.fault(site, fmt.Sprintf("ice/ice_%s.json: %s", site, strings.Join(keys, ".")), "", fmt.Sprintf("is missing, and the file of %s has it: one direction would be left out", sites[i]), "write it in every site's file")
			}
		}
	}
}

// switches: two of them stand for one thing.
func (l *linter) switches(site geored.SiteName, file string, charts map[string]any) {
	included, given1 := lookup(charts, "instantConnectEnterprise", "values", "config", "include", "multiCassKop").(bool)
	enabled, given2 := lookup(charts, "iceCassandra", "values", "multi-casskop", "enabled").(bool)
	if given1 && given2 && included != enabled {
		l.fault(site, file+": multiCassKop", fmt.Sprintf("%t and %t", included, enabled), "is not what multi-casskop.enabled says: two switches stand for one thing", "set both alike")
	}
}

func (l *linter) replicas(site geored.SiteName, file string, charts map[string]any) {
	nodes, given1 := lookup(charts, "instantConnectEnterprise", "values", "config", "cassandra", "nCassandraNodes").(float64)
	factor, given2 := lookup(charts, "instantConnectEnterprise", "values", "config", "cassandra", "replicationFactor").(float64)
	if given1 && given2 && factor > nodes {
		l.fault(site, file+": charts.instantConnectEnterprise.values.config.cassandra.replicationFactor", fmt.Sprint(factor), fmt.Sprintf("is more than nCassandraNodes %v", nodes), "a site cannot hold more copies than it has nodes")
	}
}

// hosts: a file that names its site by two domain names has one of another site.
func (l *linter) hosts(site geored.SiteName, file string, charts map[string]any) {
	found := map[string]bool{}
	for _, keys := range [][]string{
		{"iceMinio", "values", "config", "ingress", "hosts"},
		{"iceMonitoring", "values", "grafana", "ingress", "hosts"},
		{"instantConnectEnterprise", "values", "config", "ingress", "hosts"},
	} {
		for _, host := range names(lookup(charts, keys...)) {
			found[host] = true
		}
	}
	for _, keys := range [][]string{{"iceIngress", "values", "host"}, {"iceMonitoring", "values", "grafana", "grafana.ini", "server", "domain"}} {
		if host, ok := lookup(charts, keys...).(string); ok {
			found[host] = true
		}
	}
	hosts := slices.Sorted(maps.Keys(found))
	own, known := l.site(site)
	switch {
	case len(hosts) > 1:
		l.fault(site, file+": hosts", strings.Join(hosts, " "), "are several names of one site", "write the same in all places")
	case len(hosts) == 1 && known && own.FQDN != "" && hosts[0] != own.FQDN:
		l.fault(site, file+": hosts", hosts[0], "is not fqdn "+own.FQDN+" of the site", "write that")
	}
}

// allSites are those of the topology, or else those that have files.
func (l *linter) allSites(folders ...map[geored.SiteName]map[string]any) []string {
	found := map[string]bool{}
	if l.topology != nil {
		for _, site := range l.topology.Sites {
			found[string(site.Name)] = true
		}
		return slices.Sorted(maps.Keys(found))
	}
	for _, folder := range folders {
		for site := range folder {
			found[string(site)] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}
