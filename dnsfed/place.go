package dnsfed

import (
	"strings"

	"github.com/georedkit/georedkit/geored"
)

// place is where a Corefile answers for the cluster domain.
type place struct {
	block     Block
	directive Directive
}

// place finds the one stanza that answers for the cluster domain, and what stands against joining others to it.
func (f Federation) place(c Corefile) (place, geored.Faults) {
	var found []place
	for _, block := range c.Blocks {
		for _, d := range block.Directives {
			if isKubernetes(d) && serves(block, d, f.domain()) {
				found = append(found, place{block, d})
			}
		}
	}
	if len(found) == 0 {
		return place{}, geored.Faults{{Field: "Corefile", Problem: "has no plugin kubernetes for " + f.domain(),
			Remedy: "name the cluster domain that the file has; files that it imports are not read"}}
	}
	at := found[0]
	var faults geored.Faults
	for _, second := range found[1:] {
		faults = append(faults, lineFault(second.directive.Line, second.directive.Name,
			"answers for "+f.domain()+" a second time", "remove it: the federation writes the stanzas of the other sites itself"))
	}
	if f.Plugin == StubZones {
		return at, append(faults, f.stubFaults(c, at)...)
	}
	return at, append(faults, f.stanzaFaults(at)...)
}

func isKubernetes(d Directive) bool { return d.Name == "kubernetes" || d.Name == string(Kubernetai) }

// serves says whether a stanza answers for the zone; without zones of its own it has those of its block.
func serves(b Block, d Directive, zone string) bool {
	zones := d.Args
	if len(zones) == 0 {
		for _, key := range b.Keys {
			zones = append(zones, zoneOf(key))
		}
	}
	for _, z := range zones {
		if strings.EqualFold(strings.TrimSuffix(z, "."), zone) {
			return true
		}
	}
	return false
}

func (f Federation) stanzaFaults(at place) geored.Faults {
	var faults geored.Faults
	for _, option := range at.directive.Options {
		if known, why := f.CoreDNS.knows(option.Name); !known {
			faults = append(faults, lineFault(option.Line, option.Name, why, "remove it, or use a CoreDNS that knows it"))
		}
	}
	if f.Plugin == Multicluster {
		if len(at.directive.Args) == 0 {
			faults = append(faults, lineFault(at.directive.Line, at.directive.Name, "names no zones", "write "+f.domain()+" behind it"))
		}
		if already, ok := at.directive.Option("multicluster"); ok {
			faults = append(faults, lineFault(already.Line, already.Name, "stands here already", "remove it, or leave the file as it is"))
		}
		return faults
	}
	for _, d := range at.block.Named("autopath") {
		faults = append(faults, lineFault(d.Line, d.Name, "answers only when the asking pod is known to every cluster", "remove it"))
	}
	return faults
}

func (f Federation) stubFaults(c Corefile, at place) geored.Faults {
	var faults geored.Faults
	if !at.block.braces {
		faults = append(faults, lineFault(at.block.Line, strings.Join(at.block.Keys, " "), "is a block without braces, which goes to the end of the file", "write braces around it"))
	}
	for _, block := range c.Blocks {
		for _, key := range block.Keys {
			for _, site := range f.Sites {
				for _, zone := range site.Zones {
					if strings.EqualFold(zoneOf(key), zone) {
						faults = append(faults, lineFault(block.Line, key, "is served here already", "remove the block"))
					}
				}
			}
		}
	}
	return faults
}

// port is the one the block listens on.
func (p place) port() string {
	if len(p.block.Keys) > 0 {
		_, port := splitKey(p.block.Keys[0])
		return port
	}
	return defaultPort
}
