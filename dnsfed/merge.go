package dnsfed

import (
	"fmt"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

// Merge is the Corefile of one site with the federation in it. What it replaces stands beside it in comments, so that
// [Remove] can give the file back byte for byte; what it does not replace stays as it is. Merging into a merged file
// replaces what was merged before. All mistakes, of the federation and of the file, are [geored.Faults].
func (f Federation) Merge(own geored.SiteName, corefile string) (string, error) {
	faults := f.Faults()
	if _, known := f.Site(own); !known {
		faults = append(faults, geored.Fault{Site: own, Field: "site", Problem: "is not part of the federation"})
	}
	original, err := Remove(corefile)
	if err != nil {
		return "", joined(faults, own, err)
	}
	c, err := ParseCorefile(original)
	if err != nil {
		return "", joined(faults, own, err)
	}
	at, more := f.place(c)
	faults = append(faults, ofSite(own, more)...)
	if len(faults) > 0 {
		return "", faults
	}
	merged, err := f.mergeAt(own, c, at)
	if err != nil {
		return "", joined(nil, own, err)
	}
	return merged, nil
}

func (f Federation) mergeAt(own geored.SiteName, c Corefile, at place) (string, error) {
	if f.Plugin == StubZones {
		return c.text + appended(c.text, f.stubs(own, at)), nil
	}
	indent := c.indentOf(at.directive)
	var text strings.Builder
	if f.Plugin == Multicluster {
		text.WriteString(f.multicluster(at.directive).text(indent))
	} else {
		for _, s := range f.kubernetai(own, at.directive, len(at.block.Named("forward")) > 0) {
			text.WriteString(s.text(indent))
		}
	}
	merged, err := c.substitute(at.directive, text.String())
	return merged.text, err
}

// multicluster is the existing stanza with the zone of the cluster set.
func (f Federation) multicluster(existing Directive) stanza {
	s := stanza{name: existing.Name, args: slices.Clone(existing.Args)}
	s.args = slices.Insert(s.args, 1, f.clusterSet())
	for _, option := range existing.Options {
		s.options = append(s.options, append([]string{option.Name}, quoted(option.Args)...))
	}
	s.options = append(s.options, []string{"multicluster", f.clusterSet()})
	return s
}

// stubs are server blocks for the zones of the other sites.
func (f Federation) stubs(own geored.SiteName, at place) string {
	var b strings.Builder
	for _, site := range f.Sites {
		if site.Name == own {
			continue
		}
		for _, zone := range site.Zones {
			fmt.Fprintf(&b, "%s:%s {\n    errors\n    cache 30\n    forward .", zone, at.port())
			for _, server := range site.DNS {
				fmt.Fprintf(&b, " %s", server)
			}
			b.WriteString("\n}\n")
		}
	}
	return b.String()
}

func joined(faults geored.Faults, own geored.SiteName, err error) error {
	if fault, ok := err.(geored.Fault); ok {
		return append(faults, ofSite(own, geored.Faults{fault})...)
	}
	if more, ok := err.(geored.Faults); ok {
		return append(faults, ofSite(own, more)...)
	}
	return err
}

func ofSite(own geored.SiteName, faults geored.Faults) geored.Faults {
	for i := range faults {
		faults[i].Site = own
	}
	return faults
}
