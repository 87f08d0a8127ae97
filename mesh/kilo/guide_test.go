package kilo_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/kilo"
)

// Each fault of the ICE guide, chapters 2 to 4.2, that lies in something that this package reads, by the line it stands on. Not
// covered, because nobody reads it: commands that are printed with a broken line (l.62 to 73, 208 to 224), names of chart
// repositories, and files that the page break splits (l.293 and 299). That a handshake is no proof (l.499) is package
// mesh's to say, MTU (3.2) too.
func TestFaultsOfTheGuide(t *testing.T) {
	for line, c := range map[string]struct {
		find func(testing.TB) geored.Faults
		says []string
	}{
		"l.415: the WireGuard range of dc2 is its service range": {lintOf(func(v *kilo.Values) { v.Config.Multidatacenter.WGCIDR = "10.130.0.0/16" }, "kilo_dc2_part2.json"),
			[]string{"wgCIDR 10.130.0.0/16", "shares addresses with serviceCIDR 10.130.0.0/16 of site dc2"}},
		"l.323 and 415: part 2 has another range than part 1": {lintOf(func(v *kilo.Values) { v.Config.Multidatacenter.WGCIDR = "10.130.0.0/16" }, "kilo_dc2_part2.json"),
			[]string{"is not that of part 1, 10.110.0.0/16"}},
		"l.394: a comma is missing": {func(t testing.TB) geored.Faults {
			return kilo.Lint(map[string][]byte{"kilo_dc1_part2.json": []byte(guideDC1Part2)}, kilo.Facts{})
		}, []string{"kilo_dc1_part2.json: file", "line 8"}},
		"l.403: a placeholder stands for the key": {lintOf(func(v *kilo.Values) { v.Config.Peers[0].PublicKey = "___PUBLIC_KEY_OF_KILO0_INTERFACE_ON_DC2___" }, "kilo_dc1_part2.json"),
			[]string{"publicKey ___PUBLIC_KEY", "is a placeholder"}},
		"l.393 against 441: the whole pod range for one node of several": {func(t testing.TB) geored.Faults {
			n, nodes := clusters(t, 2)
			return lintFull(t, n, nodes, func(v *kilo.Values) {
				v.Config.Peers[0].AllowedIPs = append(v.Config.Peers[0].AllowedIPs, "10.91.0.0/16")
			})
		}, []string{"config.peers[dc2-1].allowedIPs 10.91.0.0/16: is lost to dc2-2: the longer prefix 10.91.2.0/24 wins inside it"}},
		"l.456: the service range for all nodes": {func(t testing.TB) geored.Faults {
			n, nodes := clusters(t, 2)
			return lintFull(t, n, nodes, func(v *kilo.Values) {
				v.Config.Peers[1].AllowedIPs = append(v.Config.Peers[1].AllowedIPs, "10.131.0.0/16")
			})
		}, []string{"config.peers[dc2-2].allowedIPs 10.131.0.0/16: is lost to dc2-1"}},
		"l.130 and 140: names that Kubernetes does not allow": {lintOf(func(v *kilo.Values) { v.Config.Peers[0].Name = "dc2_1" }, "kilo_dc1_part2.json"),
			[]string{"config.peers[dc2_1].name dc2_1: is no name for a Kubernetes object"}},
		"l.152 against 130: dc1 is not dc1-1": {lintOf(func(v *kilo.Values) { v.Config.Peers[0].Name = "dc2" }, "kilo_dc1_part2.json"),
			[]string{"config.peers[dc2]: is none of the nodes that were read"}},
		"l.203: dcl for dc1": {func(t testing.TB) geored.Faults {
			files, facts := rendered(t)
			files["kilo_dcl_part1.json"] = files["kilo_dc1_part1.json"]
			return kilo.Lint(files, facts)
		}, []string{"name dcl: is none of the network's sites"}},
		"l.358: the annotation's bits for the address": {lintOf(func(v *kilo.Values) { v.Config.Peers[0].AllowedIPs[0] = "10.110.0.1/16" }, "kilo_dc1_part2.json"),
			[]string{"allowedIPs 10.110.0.1/16: is the annotation as it stands"}},
		"l.355 and 396: the endpoint among the allowed addresses": {lintOf(func(v *kilo.Values) {
			v.Config.Peers[0].AllowedIPs = append(v.Config.Peers[0].AllowedIPs, "192.168.1.106/32")
		}, "kilo_dc1_part2.json"), []string{"endpoint 192.168.1.106:51820: lies inside its own allowedIPs"}},
		"l.276: an IPv6 address without brackets": {annotated(kilo.ForceEndpoint, "2001:db8::1:51820"), []string{"force-endpoint", "is not host:port: Kilo passes over it"}},
		"l.276: Docker's address is found":        {annotated(kilo.ForceEndpoint, "127.0.0.1:51820"), []string{"can be reached by no other machine"}},
		"l.276: a host name that the chart cannot take": {func(t testing.TB) geored.Faults {
			n, layout := guide(t)
			name, err := geored.ParseEndpoint("node1.example.org:51820")
			layout.Devices[0].Peers[0].Endpoint = must(t, name, err)
			_, err = kilo.Files(n, layout)
			faults, _ := geored.AsFaults(err)
			return faults
		}, []string{"node1.example.org:51820: is not an address"}},
		"l.279: the keepalive is annotated on some nodes only": {func(t testing.TB) geored.Faults {
			files, facts := rendered(t)
			facts.Nodes[0].PersistentKeepalive = 0
			return kilo.Lint(files, facts)
		}, []string{"asks for keepalives, and node dc1-1 sends none"}},
		"3.2: a mesh between all nodes, with Kilo's default granularity": {func(t testing.TB) geored.Faults {
			files, facts := rendered(t)
			facts.Nodes[1].WireGuardIP = netip.Prefix{}
			return kilo.Lint(files, facts)
		}, []string{"has no WireGuard address: with granularity location only the leader"}},
		"l.105 and 106: one network for two data centres, and one endpoint for two nodes": {func(t testing.TB) geored.Faults {
			n, nodes := clusters(t, 2)
			nodes[2].Endpoint = nodes[0].Endpoint
			_, err := kilo.Plan(n, nodes, mesh.OneOwner)
			faults, _ := geored.AsFaults(err)
			return faults
		}, []string{"endpoint 203.0.113.1:51820: is that of node dc1-1"}},
	} {
		t.Run(strings.SplitN(line, ":", 2)[0], func(t *testing.T) { wantFault(t, c.find(t), c.says...) })
	}
}

// lintOf spoils one of the files that the guide should have.
func lintOf(spoil func(*kilo.Values), file string) func(testing.TB) geored.Faults {
	return func(t testing.TB) geored.Faults {
		files, facts := rendered(t)
		values, faults := kilo.ParseValues(files[file])
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		spoil(&values)
		data, err := values.JSON()
		files[file] = must(t, data, err)
		return kilo.Lint(files, facts)
	}
}

// lintFull spoils the second file of dc1 in a mesh with a tunnel on every node.
func lintFull(t testing.TB, n mesh.Network, nodes []kilo.Node, spoil func(*kilo.Values)) geored.Faults {
	full, err := kilo.Plan(n, nodes, mesh.OneOwner)
	must(t, full, err)
	files, err := kilo.Files(n, full.Layout())
	must(t, files, err)
	values, _ := kilo.ParseValues(files["kilo_dc1_part2.json"])
	spoil(&values)
	data, err := values.JSON()
	files["kilo_dc1_part2.json"] = must(t, data, err)
	return kilo.Lint(files, kilo.Facts{Network: n, Layout: full.Layout(), Nodes: nodes})
}

func annotated(key, value string) func(testing.TB) geored.Faults {
	return func(testing.TB) geored.Faults {
		s := source(sampleKey)
		s.Annotations[key] = value
		_, faults := kilo.ParseNode(s)
		return faults
	}
}
