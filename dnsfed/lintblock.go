package dnsfed

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

// readiness: the plugin ready asks the plugins of the blocks it stands in. kubernetes is ready when its cluster has
// synced; with kubernetai it depends on the build.
func (l *linter) readiness(b Block) {
	ready := b.Named("ready")
	if len(ready) == 0 {
		return
	}
	remedy := "let readiness wait for the own cluster alone; else a restart while the other site is cut off takes this site's DNS away"
	federated := false
	for _, d := range b.Directives {
		if d.Name == "kubernetes" && l.remote(d) {
			l.add(Readiness, ready[0].Line, geored.Fail, "readiness waits for the cluster of another site", remedy)
		}
		federated = federated || d.Name == string(Kubernetai) && l.remote(d)
	}
	switch {
	case !federated:
	case l.build.Waits == WaitsForAll:
		l.add(Readiness, ready[0].Line, geored.Fail, "readiness of this build waits for every cluster", remedy)
	case l.build.Waits == "":
		l.add(Readiness, ready[0].Line, geored.Unknown, "nobody said what readiness waits for in this build", remedy)
	}
}

// loops finds forwarders that lead back here.
func (l *linter) loops(b Block) {
	own, _ := l.Site(l.own)
	for _, d := range b.Named("forward") {
		for _, upstream := range d.Args[min(1, len(d.Args)):] {
			if address := addressOf(upstream); address.IsValid() && (slices.Contains(own.DNS, address) || own.owns(address) || address.IsLoopback()) {
				l.add(Loop, d.Line, geored.Fail, "forwards to "+upstream+", which is this site's own name server or one that asks it", "name a server outside the site")
			}
		}
		fromNode := len(d.Args) > 1 && slices.ContainsFunc(d.Args[1:], func(to string) bool { return strings.HasPrefix(to, "/") })
		if fromNode && len(b.Named("loop")) == 0 {
			l.add(Loop, d.Line, geored.Warn, "forwards to what stands in a file of the node, and nothing watches for a loop", "add the plugin loop")
		}
	}
}

func addressOf(upstream string) netip.Addr {
	if _, host, ok := strings.Cut(upstream, "://"); ok {
		upstream = host
	}
	if a, err := netip.ParseAddr(upstream); err == nil {
		return a
	}
	a, err := netip.ParseAddrPort(upstream)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr()
}

// doubles: CoreDNS refuses to start when two blocks serve one zone on one port and address.
func (l *linter) doubles(blocks []Block) {
	type server struct{ zone, port, bind string }
	seen := map[server]bool{}
	for _, b := range blocks {
		if b.IsSnippet() {
			continue
		}
		var bind []string
		for _, d := range b.Named("bind") {
			bind = append(bind, d.Args...)
		}
		for _, key := range b.Keys {
			zone, port := splitKey(key)
			s := server{zone, port, strings.Join(bind, " ")}
			if seen[s] {
				l.add(DoubledZone, b.Line, geored.Fail, key+" is served by an earlier block already: CoreDNS will not start", "join the two blocks")
			}
			seen[s] = true
		}
	}
}
