package dnsfed

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

// chained are the stanzas of a block that answer for the cluster domain, in their order.
func (l *linter) chained(b Block) []Directive {
	var chain []Directive
	for _, d := range b.Directives {
		if isKubernetes(d) && serves(b, d, l.domain()) {
			chain = append(chain, d)
		}
	}
	return chain
}

func (l *linter) chain(b Block) {
	chain := l.chained(b)
	for i, d := range chain {
		last := i == len(chain)-1
		l.order(chain, i)
		l.through(b, d, last, len(chain) == 1)
		if pods, ok := d.Option("pods"); ok && slices.Contains(pods.Args, "verified") && l.remote(d) {
			l.add(PodsVerified, pods.Line, geored.Warn, "every pod of the other site is streamed to this one", "write pods disabled")
		}
		if i > 0 && d.Name == "kubernetes" {
			l.add(DoubledZone, d.Line, geored.Fail, "the plugin kubernetes can stand only once in a server block: CoreDNS will not start", "use kubernetai")
		}
	}
	if len(chain) > 1 {
		for _, d := range b.Named("autopath") {
			l.add(Autopath, d.Line, geored.Fail, "answers only when the asking pod is known to every cluster", "remove it")
		}
	}
}

// order: whoever is first answers for the names that are in both, kubernetes.default among them.
func (l *linter) order(chain []Directive, i int) {
	if i > 0 || len(chain) < 2 || !l.remote(chain[i]) {
		return
	}
	l.add(RemoteFirst, chain[i].Line, geored.Fail,
		"another site is asked before this one: its addresses are given for every name that is in both, kubernetes.default among them",
		"put the stanza of site "+string(l.own)+" first")
}

func (l *linter) through(b Block, d Directive, last, alone bool) {
	option, has := d.Option("fallthrough")
	covers := has && (len(option.Args) == 0 || slices.ContainsFunc(option.Args, func(zone string) bool { return inZone(l.domain(), zone) }))
	switch {
	case !last && !covers:
		l.add(Fallthrough, d.Line, geored.Fail, "names that this stanza does not know never reach the ones behind it", "write fallthrough "+l.domain()+" into it")
	case last && !alone && covers:
		l.add(Fallthrough, option.Line, geored.Fail, "unknown names of "+l.domain()+" "+l.leave(b), "leave "+l.domain()+" out of the last stanza's fallthrough")
	}
}

func (l *linter) leave(b Block) string {
	if len(b.Named("forward")) > 0 {
		return "leave the site for the forwarder"
	}
	return "become SERVFAIL instead of NXDOMAIN: there is no next plugin"
}

// remote says whether a stanza reads the cluster of another site. One that names nothing reads the cluster it runs in.
func (l *linter) remote(d Directive) bool {
	if option, ok := d.Option("kubeconfig"); ok && len(option.Args) > 0 {
		for _, site := range l.Sites {
			if site.Kubeconfig == option.Args[0] && (len(option.Args) == 1 || site.Context == "" || site.Context == option.Args[1]) {
				return site.Name != l.own
			}
		}
		return true
	}
	if option, ok := d.Option("endpoint"); ok && len(option.Args) > 0 {
		return l.remoteAddress(option.Args[0])
	}
	return false
}

// remoteAddress: an endpoint inside another site's ranges is that site's API.
func (l *linter) remoteAddress(endpoint string) bool {
	host := endpoint
	if u, err := url.Parse(endpoint); err == nil && u.Hostname() != "" {
		host = u.Hostname()
	}
	address, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err != nil {
		return false
	}
	return slices.ContainsFunc(l.Sites, func(s Site) bool { return s.Name != l.own && s.owns(address) })
}
