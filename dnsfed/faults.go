package dnsfed

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

var zoneName = regexp.MustCompile(`^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$`)

// fileWord is what stands in a Corefile without quotes.
var fileWord = regexp.MustCompile(`^[-A-Za-z0-9_./@:]+$`)

// Faults are all mistakes of the federation, in the order of its sites. They include those of its topology.
func (f Federation) Faults() geored.Faults {
	topology := geored.Topology{}
	for _, s := range f.Sites {
		topology.Sites = append(topology.Sites, s.Site)
	}
	faults := topology.Faults()
	add := func(field, value, problem, remedy string) {
		faults = append(faults, geored.Fault{Field: field, Value: value, Problem: problem, Remedy: remedy})
	}
	if len(f.Sites) == 1 {
		add("sites", string(f.Sites[0].Name), "is alone", "a federation joins two sites or more")
	}
	if f.CoreDNS.IsZero() {
		add("coreDNS", "", "names no version", "write the CoreDNS that the name servers run, or were compiled with")
	}
	for _, zone := range []struct{ field, value string }{{"domain", f.domain()}, {"clusterSet", f.clusterSet()}} {
		if !zoneName.MatchString(zone.value) {
			add(zone.field, zone.value, "is not a DNS zone", "write it as cluster.local")
		}
	}
	switch f.Plugin {
	case Kubernetai, StubZones:
	case Multicluster:
		if known, why := f.CoreDNS.knows("multicluster"); !known && !f.CoreDNS.IsZero() {
			add("plugin", string(f.Plugin), why, "use a newer CoreDNS, or another plugin")
		}
	default:
		add("plugin", string(f.Plugin), "is no way to join name servers", "write kubernetai, multicluster or stub-zones")
	}
	if f.IgnoreEmpty && f.Plugin != Kubernetai {
		add("ignoreEmpty", "true", "works with kubernetai only", "leave it out")
	}
	for _, s := range f.Sites {
		faults = append(faults, f.siteFaults(s)...)
	}
	return faults
}

func (f Federation) siteFaults(s Site) geored.Faults {
	var faults geored.Faults
	add := func(field, value, problem, remedy string) {
		faults = append(faults, geored.Fault{Site: s.Name, Field: field, Value: value, Problem: problem, Remedy: remedy})
	}
	if api := s.apiServer(); api.IsValid() && len(s.Services) > 0 && !s.owns(api) {
		add("apiServerIP", api.String(), "lies outside serviceCIDR", "read it from Service default/kubernetes")
	}
	switch f.Plugin {
	case Kubernetai:
		for _, word := range []struct{ field, value string }{{"kubeconfig in the name servers", s.Kubeconfig}, {"context", s.Context}} {
			if word.value != "" && !fileWord.MatchString(word.value) {
				add(word.field, word.value, "cannot stand in a Corefile", "use letters, digits and the signs -_./@:")
			}
		}
		if s.Kubeconfig == "" {
			add("kubeconfig in the name servers", "", "is not named", "write the path under which the other sites' CoreDNS finds it")
		}
	case StubZones:
		if len(s.Zones) == 0 || len(s.DNS) == 0 {
			add("zones", strings.Join(s.Zones, " "), "needs at least one zone and one name server of it", "name both")
		}
		for _, zone := range s.Zones {
			if problem := f.zoneProblem(s, zone); problem != "" {
				add("zones", zone, problem, "name a zone that this site alone answers")
			}
		}
	}
	return faults
}

// zoneProblem finds zones that would hide names of the other sites.
func (f Federation) zoneProblem(s Site, zone string) string {
	if !zoneName.MatchString(zone) {
		return "is not a DNS zone"
	}
	for _, own := range []string{f.domain(), "svc." + f.domain()} {
		if inZone(own, zone) {
			return "holds all names of the cluster domain, also those of the other sites"
		}
	}
	for _, other := range f.Sites {
		for _, theirs := range other.Zones {
			if other.Name != s.Name && (inZone(zone, theirs) || inZone(theirs, zone)) {
				return fmt.Sprintf("shares names with zone %s of site %s", theirs, other.Name)
			}
		}
	}
	return ""
}

// inZone says whether name is the zone or below it.
func inZone(name, zone string) bool {
	name, zone = "."+strings.Trim(name, "."), "."+strings.Trim(zone, ".")
	return zone == "." || strings.HasSuffix(strings.ToLower(name), strings.ToLower(zone))
}
