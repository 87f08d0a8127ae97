package kilo

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
)

// Facts are what is known beside the files that [Lint] reads. What is left at zero is not compared.
type Facts struct {
	Network mesh.Network // what is wanted of the sites
	Layout  mesh.Layout  // what the peers should be
	Nodes   []Node       // what Kilo tells of the nodes of all sites
	// SourceFromNode says that Kilo is 0.7.0 or later, whose nodes send from their internal address into the tunnel.
	SourceFromNode bool
}

// Lint names the faults of the values files in a folder such as the guide's kilo/, by name; other files are passed over.
// The files are held against themselves, against each other and against the facts. The order is that of the files' names.
func Lint(files map[string][]byte, facts Facts) geored.Faults {
	l := linter{facts: facts, parsed: map[file]Values{}}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if f, ok := l.file(name); ok {
			l.parse(f, files[name])
		}
	}
	for _, f := range slices.SortedFunc(maps.Keys(l.parsed), compareFiles) {
		l.check(f, l.parsed[f])
	}
	return l.faults
}

type file struct {
	site geored.SiteName
	part int
}

func (f file) field(name string) string { return FileName(f.site, f.part) + ": " + name }

func compareFiles(a, b file) int {
	return cmp.Or(cmp.Compare(a.site, b.site), cmp.Compare(a.part, b.part))
}

type linter struct {
	facts  Facts
	parsed map[file]Values
	faults geored.Faults
}

func (l *linter) fault(f file, field, value, problem, remedy string) {
	l.faults = append(l.faults, geored.Fault{Site: f.site, Field: f.field(field), Value: value, Problem: problem, Remedy: remedy})
}

var valuesName = regexp.MustCompile(`^kilo_(.+)_part([12])\.json$`)

// file reads a file's name; what does not begin as the guide's do is somebody else's.
func (l *linter) file(name string) (file, bool) {
	m := valuesName.FindStringSubmatch(name)
	if m == nil {
		return file{}, false
	}
	f := file{geored.SiteName(m[1]), int(m[2][0] - '0')}
	if _, known := l.facts.Network.Site(f.site); !known && len(l.facts.Network.Sites) > 0 {
		l.fault(f, "name", m[1], "is none of the network's sites", "name the file after one of them")
	}
	return f, true
}

func (l *linter) parse(f file, data []byte) {
	values, faults := ParseValues(data)
	readable := true
	for _, fault := range faults {
		l.fault(f, fault.Field, fault.Value, fault.Problem, fault.Remedy)
		readable = readable && fault.Field != "file"
	}
	if readable { // else its values would be faulted for being missing
		l.parsed[f] = values
	}
}

func (l *linter) check(f file, v Values) {
	l.checkCIDR(f, v.Config.Multidatacenter.WGCIDR)
	if f.part == 1 && len(v.Config.Peers) > 0 {
		l.fault(f, "config.peers", "", "is not empty: before Kilo runs there is no key to know", "leave them to part 2")
	}
	peers := make([]Peer, len(v.Config.Peers))
	names := map[string]bool{}
	for i, p := range v.Config.Peers {
		peers[i] = p.peer()
		for _, fault := range peers[i].Faults(f.site, "config.peers") {
			l.fault(f, fault.Field, fault.Value, fault.Problem, fault.Remedy)
		}
		if names[p.Name] {
			l.fault(f, "config.peers["+p.Name+"]", "", "stands twice", "keep one")
		}
		names[p.Name] = true
		l.checkOwn(f, p)
		l.checkNode(f, p)
	}
	for _, loss := range Losses(peers) {
		l.fault(f, "config.peers["+loss.Peer+"].allowedIPs", loss.Prefix, "is lost to "+loss.To+": "+loss.Why, "list it on one peer only")
	}
	if f.part == 2 {
		l.compareLayout(f, peers)
		l.checkKeepalive(f, v)
	}
}

// checkCIDR holds the range against the other part and against the network.
func (l *linter) checkCIDR(f file, text string) {
	const field = "config.multidatacenter.wgCIDR"
	p, err := netip.ParsePrefix(text)
	if err != nil {
		l.fault(f, field, text, "is not an address range", "write address/bits, such as 10.80.0.0/16")
		return
	}
	l.faults = append(l.faults, geored.RangeFaults(f.site, f.field(field), []netip.Prefix{p})...)
	if first, ok := l.parsed[file{f.site, 1}]; ok && first.Config.Multidatacenter.WGCIDR != text {
		l.fault(f, field, text, "is not that of part 1, "+first.Config.Multidatacenter.WGCIDR+": applying it gives every node another WireGuard address", "write that of part 1")
	}
	site, ok := l.facts.Network.Site(f.site)
	if ok && site.WireGuardCIDR != p {
		l.fault(f, field, text, "is not the site's wireguardCIDR "+site.WireGuardCIDR.String(), "write that")
	}
	for _, other := range l.facts.Network.Sites {
		l.checkOverlap(f, field, p, other, other.Name != f.site)
	}
	for name, second := range l.parsed {
		for _, peer := range second.Config.Peers {
			if name.site == f.site && slices.Contains(peer.AllowedIPs, text) {
				l.fault(f, field, text, "is one of the allowedIPs of the site's own peer "+peer.Name, "give each site a range of its own")
			}
		}
	}
}

// checkOverlap holds a range against those of one site; its own WireGuard range counts only for others.
func (l *linter) checkOverlap(f file, field string, p netip.Prefix, site mesh.Site, wireguard bool) {
	ranges := map[string][]netip.Prefix{"podCIDR": site.Pods, "serviceCIDR": site.Services}
	if wireguard {
		ranges["wireguardCIDR"] = []netip.Prefix{site.WireGuardCIDR}
	}
	for _, kind := range slices.Sorted(maps.Keys(ranges)) {
		for _, q := range ranges[kind] {
			if q.IsValid() && q.Overlaps(p) {
				l.fault(f, field, p.String(), fmt.Sprintf("shares addresses with %s %s of site %s", kind, q, site.Name), "give each its own addresses")
			}
		}
	}
}
