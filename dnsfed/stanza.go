package dnsfed

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

// stanza is one directive to be written.
type stanza struct {
	name    string
	args    []string
	options [][]string
}

// text is the stanza on lines of its own, each option on one: that is how every CoreDNS reads it.
func (s stanza) text(indent string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s%s {\n", indent, strings.Join(append([]string{s.name}, s.args...), " "))
	for _, option := range s.options {
		fmt.Fprintf(&b, "%s    %s\n", indent, strings.Join(option, " "))
	}
	fmt.Fprintf(&b, "%s}\n", indent)
	return b.String()
}

// reverse is the reverse zones of a site, written as ranges; nothing when one site of the federation does not name its
// own, because then who answers for an address can only be found by asking one after another.
func (f Federation) reverse(s Site) []string {
	if slices.ContainsFunc(f.Sites, func(s Site) bool { return len(s.Services) == 0 }) {
		return nil
	}
	var zones []string
	for _, p := range slices.Concat(s.Services, s.Pods) {
		zones = append(zones, p.String())
	}
	return zones
}

var allReverse = []string{"in-addr.arpa", "ip6.arpa"}

// kubernetai are the stanzas of a site: its own, with the options it already has, then those of the other sites. Every
// stanza but the last lets the names it does not know fall through. The last one ends the cluster domain: behind it the
// name would leave for the forwarder, or be a SERVFAIL when there is none. Reverse zones are cut along the sites' own
// ranges, so that no site has to answer before another can; where they are not known they are chained too.
func (f Federation) kubernetai(own geored.SiteName, existing Directive, forwards bool) []stanza {
	chain := f.chain(own)
	stanzas := make([]stanza, len(chain))
	for i, site := range chain {
		reverse := f.reverse(site)
		through := []string{"fallthrough", f.domain()}
		zones := append([]string{f.domain()}, reverse...)
		if reverse == nil {
			zones, through = append(zones, allReverse...), []string{"fallthrough"}
		}
		s := stanza{name: string(Kubernetai), args: zones, options: f.remoteOptions(site)}
		if i == 0 {
			s.args, s.options = append(f.ownZones(existing), zones[1:]...), f.ownOptions(existing)
		}
		switch last := i == len(chain)-1; {
		case !last:
			s.options = append(s.options, through)
		case reverse == nil && forwards:
			s.options = append(s.options, append([]string{"fallthrough"}, allReverse...))
		}
		stanzas[i] = s
	}
	return stanzas
}

// ownZones are the zones of the existing stanza but for the reverse ones: PTR answers are made with the first of them.
func (f Federation) ownZones(existing Directive) []string {
	var zones []string
	for _, zone := range existing.Args {
		if !isReverse(zone) {
			zones = append(zones, zone)
		}
	}
	if len(zones) == 0 {
		return []string{f.domain()}
	}
	return zones
}

func isReverse(zone string) bool {
	_, err := netip.ParsePrefix(zone)
	return err == nil || inZone(zone, "in-addr.arpa") || inZone(zone, "ip6.arpa")
}

// ownOptions keeps the options a stanza has, but for those that the federation decides.
func (f Federation) ownOptions(existing Directive) [][]string {
	var options [][]string
	ignores := false
	for _, option := range existing.Options {
		if option.Name != "fallthrough" {
			options = append(options, append([]string{option.Name}, quoted(option.Args)...))
		}
		ignores = ignores || option.Name == "ignore"
	}
	if f.IgnoreEmpty && !ignores {
		options = append(options, []string{"ignore", "empty_service"})
	}
	return options
}

// remoteOptions: pods of another site are not streamed here, and a site that cannot be reached must not hold up the
// start of this one's name server.
func (f Federation) remoteOptions(site Site) [][]string {
	kubeconfig := []string{"kubeconfig", site.Kubeconfig}
	if site.Context != "" {
		kubeconfig = append(kubeconfig, site.Context)
	}
	options := [][]string{kubeconfig, {"pods", "disabled"}}
	if known, _ := f.CoreDNS.knows("startup_timeout"); known {
		options = append(options, []string{"startup_timeout", "1s"})
	}
	if f.IgnoreEmpty {
		options = append(options, []string{"ignore", "empty_service"})
	}
	return options
}

// quoted writes words so that they are read back as they were.
func quoted(words []string) []string {
	written := make([]string, len(words))
	for i, word := range words {
		written[i] = word
		if word == "" || strings.ContainsAny(word, "# \t\r\n\"") {
			written[i] = `"` + strings.ReplaceAll(word, `"`, `\"`) + `"`
		}
	}
	return written
}
