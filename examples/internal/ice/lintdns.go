package ice

import (
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

// coredns reads the values of the chart that brings the name servers (ICE guide, 4.3.2).
func (l *linter) coredns() error {
	read, err := l.values("coredns")
	var whole []string
	for _, site := range slices.Sorted(maps.Keys(read)) {
		whole = append(whole, names(lookup(read[site], "config", "multidatacenter", "dcs"))...)
	}
	slices.Sort(whole)
	whole = slices.Compact(whole)
	for _, site := range slices.Sorted(maps.Keys(read)) {
		l.dcs(site, read[site], whole)
		l.dnsIP(site, read[site])
	}
	return err
}

func (l *linter) dcs(site geored.SiteName, values map[string]any, whole []string) {
	at := fmt.Sprintf("coredns/coredns_%s.json: config.multidatacenter.dcs", site)
	list, _ := lookup(values, "config", "multidatacenter", "dcs").([]any)
	own := names(list)
	switch {
	case len(own) == 0:
		l.fault(site, at, "", "names no site", "list all of them, the own one first")
		return
	case own[0] != string(site):
		l.fault(site, at, strings.Join(own, " "), fmt.Sprintf("has %s first, which then answers for what both have: pods of %s would take its API server for their own", own[0], site), "list the own site first")
	}
	for _, missing := range whole {
		if !slices.Contains(own, missing) {
			l.fault(site, at, strings.Join(own, " "), "lacks "+missing+", which another site's file has", "list all sites in every file")
		}
	}
	seen := map[string]bool{}
	for i, item := range list {
		dc, _ := item.(map[string]any)
		name, _ := dc["name"].(string)
		endpoint, _ := dc["kubernetesEndpoint"].(string)
		field := fmt.Sprintf("%s[%d]", at, i)
		if seen[name] {
			l.fault(site, field+".name", name, "stands twice", "keep one")
		}
		seen[name] = true
		u, err := url.Parse(endpoint)
		if err != nil || u.Scheme != "https" || u.Host == "" {
			l.fault(site, field+".kubernetesEndpoint", endpoint, "is not a URL of the form https://address", "write the address of the API server's service in "+name)
			continue
		}
		if other, ok := l.site(geored.SiteName(name)); ok && u.Hostname() != other.APIServerIP.String() {
			l.fault(site, field+".kubernetesEndpoint", endpoint, fmt.Sprintf("is not apiServerIP %s of site %s", other.APIServerIP, name), "write that")
		}
		if _, ok := l.site(geored.SiteName(name)); !ok && l.topology != nil {
			l.fault(site, field+".name", name, "is no site of the topology", "name it after one of them")
		}
	}
}

func (l *linter) dnsIP(site geored.SiteName, values map[string]any) {
	field := fmt.Sprintf("coredns/coredns_%s.json: config.multidatacenter.dnsIP", site)
	text, _ := lookup(values, "config", "multidatacenter", "dnsIP").(string)
	ip, err := netip.ParseAddr(text)
	if err != nil {
		l.fault(site, field, text, "is not an address", "write that of Service kube-dns")
		return
	}
	if own, ok := l.site(site); ok && ip != own.DNSIP {
		l.fault(site, field, text, "is not dnsIP "+own.DNSIP.String()+" of the site", "write that: it stands in every pod")
	}
}
