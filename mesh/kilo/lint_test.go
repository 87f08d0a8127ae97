package kilo_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/kilo"
)

// rendered is the guide's folder as it should be, with all facts that belong to it.
func rendered(t testing.TB) (map[string][]byte, kilo.Facts) {
	t.Helper()
	network, layout := guide(t)
	files, err := kilo.Files(network, layout)
	must(t, files, err)
	facts := kilo.Facts{Network: network, Layout: layout}
	for _, d := range layout.Devices {
		site, _ := network.Site(d.Site)
		n := kilo.Node{Site: d.Site, Name: d.Node, Endpoint: site.Nodes[0].Endpoint, Key: d.PublicKey, PersistentKeepalive: 10 * time.Second,
			WireGuardIP: netip.PrefixFrom(d.Address.Addr(), 16), LastSeen: now, PodCIDRs: site.Pods}
		facts.Nodes = append(facts.Nodes, n)
	}
	return files, facts
}

func TestFilesAreTheGuides(t *testing.T) {
	files, facts := rendered(t)
	if len(files) != 4 {
		t.Fatalf("%d files", len(files))
	}
	want := `{
  "config": {
    "multidatacenter": {
      "wgCIDR": "10.80.0.0/16"
    },
    "peers": [
      {
        "name": "dc2-1",
        "allowedIPs": [
          "10.110.0.1/32",
          "10.120.0.0/16",
          "10.130.0.0/16"
        ],
        "endpoint": {
          "ip": "192.168.1.106",
          "port": 51820
        },
        "publicKey": "` + facts.Nodes[1].Key.String() + `",
        "persistentKeepalive": 10
      }
    ]
  }
}
`
	if got := string(files["kilo_dc1_part2.json"]); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if got := string(files["kilo_dc2_part1.json"]); !strings.Contains(got, `"wgCIDR": "10.110.0.0/16"`) || !strings.Contains(got, `"peers": []`) {
		t.Error(got)
	}
	if faults := kilo.Lint(files, facts); len(faults) > 0 {
		t.Errorf("what was rendered has faults:\n%v", faults)
	}
	if faults := kilo.Lint(files, kilo.Facts{}); len(faults) > 0 {
		t.Errorf("without facts, it has faults:\n%v", faults)
	}
}

func TestFilesNeedADevicePerSite(t *testing.T) {
	network, layout := guide(t)
	layout.Devices = layout.Devices[:1]
	if _, err := kilo.Files(network, layout); err == nil || !strings.Contains(err.Error(), "site dc2: layout: has no device") {
		t.Errorf("%v", err)
	}
	network, layout = guide(t)
	name, err := geored.ParseEndpoint("gw.example.org:51820")
	must(t, name, err)
	layout.Devices[0].Peers[0].Endpoint = name
	if _, err := kilo.Files(network, layout); err == nil || !strings.Contains(err.Error(), "gw.example.org:51820: is not an address") {
		t.Errorf("%v", err)
	}
}

// The guide's own files, as printed.
const (
	guideDC1Part2 = `{
  "config": {
    "multidatacenter": {
      "wgCIDR": "10.80.0.0/16"
    },
    "peers": [
      {
        "name": "dc2-1",
        "allowedIPs": [
         "10.120.0.0/16",
          "10.110.0.1/32"
          "10.130.0.0/16"
        ],
        "endpoint": {
          "ip": "192.168.1.106",
          "port": 51820
        },
        "publicKey": "___PUBLIC_KEY_OF_KILO0_INTERFACE_ON_DC2___",
        "persistentKeepalive": 10
      }
    ]
 }
}`
	guideDC2Part1 = `{"config": {"multidatacenter": {"wgCIDR": "10.110.0.0/16"}, "peers": []}}`
	guideDC2Part2 = `{
  "config": {
    "multidatacenter": {
      "wgCIDR": "10.130.0.0/16"
    },
    "peers": [
      {
        "name": "dc1-1",
        "allowedIPs": [
          "10.90.0.0/16",
          "10.80.0.1/32",
          "10.100.0.0/16"
        ],
        "endpoint": {
          "ip": "192.168.1.105",
          "port": 51820
        },
        "publicKey": "___PUBLIC_KEY_OF_KILO0_INTERFACE_ON_DC1___",
        "persistentKeepalive": 10
      }
    ]
  }
}`
)

func TestLintNamesTheGuidesFaults(t *testing.T) {
	network, _ := guide(t)
	files := map[string][]byte{"kilo_dc1_part2.json": []byte(guideDC1Part2), "kilo_dc2_part1.json": []byte(guideDC2Part1),
		"kilo_dc2_part2.json": []byte(guideDC2Part2), "README.md": []byte("not ours")}
	without := kilo.Lint(files, kilo.Facts{})
	wantFault(t, without, "site dc1: kilo_dc1_part2.json: file", "line 8", "did not find expected ',' or ']'")                                  // l.394
	wantFault(t, without, "site dc2: kilo_dc2_part2.json: config.multidatacenter.wgCIDR 10.130.0.0/16", "is not that of part 1, 10.110.0.0/16") // l.415
	wantFault(t, without, "kilo_dc2_part2.json: config.peers[dc1-1].publicKey ___PUBLIC_KEY_OF_KILO0_INTERFACE_ON_DC1___", "is a placeholder")  // l.428
	with := kilo.Lint(files, kilo.Facts{Network: network})
	wantFault(t, with, "wgCIDR 10.130.0.0/16", "is not the site's wireguardCIDR 10.110.0.0/16")
	wantFault(t, with, "wgCIDR 10.130.0.0/16", "shares addresses with serviceCIDR 10.130.0.0/16 of site dc2")
}

func TestLint(t *testing.T) {
	cases := map[string]struct {
		spoil func(map[string]*kilo.Values, *kilo.Facts)
		words []string
	}{
		"another key": {func(v map[string]*kilo.Values, f *kilo.Facts) {
			v["kilo_dc1_part2.json"].Config.Peers[0].PublicKey = f.Nodes[0].Key.String()
		},
			[]string{"kilo_dc1_part2.json: config.peers[dc2-1].publicKey", "is not the node's"}},
		"another address": {func(v map[string]*kilo.Values, _ *kilo.Facts) {
			v["kilo_dc1_part2.json"].Config.Peers[0].Endpoint.IP = "192.168.1.107"
		},
			[]string{"endpoint 192.168.1.107:51820: is not the node's, 192.168.1.106:51820"}},
		"another port": {func(v map[string]*kilo.Values, _ *kilo.Facts) {
			v["kilo_dc1_part2.json"].Config.Peers[0].Endpoint.Port = 51821
		},
			[]string{"endpoint 192.168.1.106:51821: is not the node's"}},
		"l.358, the annotation as it stands": {func(v map[string]*kilo.Values, _ *kilo.Facts) {
			v["kilo_dc1_part2.json"].Config.Peers[0].AllowedIPs[0] = "10.110.0.1/16"
		}, []string{"allowedIPs 10.110.0.1/16: is the annotation as it stands", "write 10.110.0.1/32"}},
		"no WireGuard address": {func(v map[string]*kilo.Values, _ *kilo.Facts) {
			v["kilo_dc1_part2.json"].Config.Peers[0].AllowedIPs = []string{"10.120.0.0/16", "10.130.0.0/16"}
		}, []string{"lacks the node's WireGuard address 10.110.0.1/32"}},
		"no services": {func(v map[string]*kilo.Values, _ *kilo.Facts) {
			v["kilo_dc1_part2.json"].Config.Peers[0].AllowedIPs = []string{"10.120.0.0/16", "10.110.0.1/32"}
		}, []string{"config.peers[dc2-1].allowedIPs: lacks 10.130.0.0/16"}},
		"the own pods": {func(v map[string]*kilo.Values, _ *kilo.Facts) {
			p := &v["kilo_dc1_part2.json"].Config.Peers[0]
			p.AllowedIPs = append(p.AllowedIPs, "10.90.7.0/24")
		}, []string{"allowedIPs 10.90.7.0/24", "podCIDR 10.90.0.0/16 of site dc1"}},
		"the own node": {func(v map[string]*kilo.Values, _ *kilo.Facts) {
			v["kilo_dc1_part2.json"].Config.Peers[0].Name = "dc1-1"
		},
			[]string{"config.peers[dc1-1]: is a node of the site itself"}},
		"a peer missing": {func(v map[string]*kilo.Values, _ *kilo.Facts) { v["kilo_dc1_part2.json"].Config.Peers = nil },
			[]string{"config.peers[dc2-1]: is missing"}},
		"a peer too many": {func(v map[string]*kilo.Values, _ *kilo.Facts) {
			extra := v["kilo_dc1_part2.json"].Config.Peers[0]
			extra.Name = "dc9-1"
			v["kilo_dc1_part2.json"].Config.Peers = append(v["kilo_dc1_part2.json"].Config.Peers, extra)
		}, []string{"config.peers[dc9-1]: is not in the layout"}},
		"a peer twice": {func(v map[string]*kilo.Values, _ *kilo.Facts) {
			v["kilo_dc1_part2.json"].Config.Peers = append(v["kilo_dc1_part2.json"].Config.Peers, v["kilo_dc1_part2.json"].Config.Peers[0])
		}, []string{"config.peers[dc2-1]: stands twice"}},
		"peers in part 1": {func(v map[string]*kilo.Values, _ *kilo.Facts) {
			v["kilo_dc1_part1.json"].Config.Peers = v["kilo_dc1_part2.json"].Config.Peers
		}, []string{"kilo_dc1_part1.json: config.peers: is not empty"}},
		"no keepalive": {func(v map[string]*kilo.Values, _ *kilo.Facts) {
			v["kilo_dc1_part2.json"].Config.Peers[0].PersistentKeepalive = 0
		},
			[]string{"persistentKeepalive: is missing"}},
		"keepalive not annotated": {func(_ map[string]*kilo.Values, f *kilo.Facts) { f.Nodes[0].PersistentKeepalive = 0 },
			[]string{"kilo_dc1_part2.json: config.peers: asks for keepalives, and node dc1-1 sends none"}},
		"3.2: a node that leads no location": {func(_ map[string]*kilo.Values, f *kilo.Facts) { f.Nodes[1].WireGuardIP = netip.Prefix{} },
			[]string{"config.peers[dc2-1]: has no WireGuard address", "granularity"}},
		"0.7.0 sends from the node's address": {func(_ map[string]*kilo.Values, f *kilo.Facts) {
			f.SourceFromNode, f.Nodes[1].InternalIP = true, netip.MustParsePrefix("192.168.1.106/24")
		}, []string{"lacks the node's internal address 192.168.1.106", "force-internal-ip"}},
		"a site that is none": {func(v map[string]*kilo.Values, _ *kilo.Facts) { v["kilo_dcl_part1.json"] = v["kilo_dc1_part1.json"] },
			[]string{"site dcl: kilo_dcl_part1.json: name dcl: is none of the network's sites"}},
		"the range of another site": {func(v map[string]*kilo.Values, _ *kilo.Facts) {
			v["kilo_dc1_part1.json"].Config.Multidatacenter.WGCIDR = "10.110.0.0/16"
		}, []string{"kilo_dc1_part1.json: config.multidatacenter.wgCIDR 10.110.0.0/16: shares addresses with wireguardCIDR 10.110.0.0/16 of site dc2"}},
		"a node that nobody read": {func(v map[string]*kilo.Values, _ *kilo.Facts) { v["kilo_dc1_part2.json"].Config.Peers[0].Name = "dc2" },
			[]string{"config.peers[dc2]: is none of the nodes that were read"}},
		"range with host bits": {func(v map[string]*kilo.Values, _ *kilo.Facts) {
			v["kilo_dc1_part1.json"].Config.Multidatacenter.WGCIDR = "10.80.0.1/16"
		}, []string{"kilo_dc1_part1.json: config.multidatacenter.wgCIDR 10.80.0.1/16: has host bits"}},
		"no range": {func(v map[string]*kilo.Values, _ *kilo.Facts) {
			v["kilo_dc1_part1.json"].Config.Multidatacenter.WGCIDR = ""
		},
			[]string{"kilo_dc1_part1.json: config.multidatacenter.wgCIDR: is not an address range"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			files, facts := rendered(t)
			values := map[string]*kilo.Values{}
			for file, data := range files {
				v, faults := kilo.ParseValues(data)
				if len(faults) > 0 {
					t.Fatal(faults)
				}
				values[file] = &v
			}
			c.spoil(values, &facts)
			for file, v := range values {
				data, err := v.JSON()
				files[file] = must(t, data, err)
			}
			wantFault(t, kilo.Lint(files, facts), c.words...)
		})
	}
}

// Faults that show without knowing the network.
func TestLintOfFilesAlone(t *testing.T) {
	files, _ := rendered(t)
	v, _ := kilo.ParseValues(files["kilo_dc1_part2.json"])
	v.Config.Peers[0].AllowedIPs = append(v.Config.Peers[0].AllowedIPs, "10.80.0.0/16")
	data, err := v.JSON()
	files["kilo_dc1_part2.json"] = must(t, data, err)
	faults := kilo.Lint(files, kilo.Facts{})
	wantFault(t, faults, "kilo_dc1_part2.json: config.multidatacenter.wgCIDR 10.80.0.0/16: is one of the allowedIPs of the site's own peer dc2-1")
	if len(faults) != 2 { // in both parts
		t.Errorf("%d faults:\n%v", len(faults), faults)
	}
}

func TestKeepaliveIsAskedOfTheOwnNodesOnly(t *testing.T) {
	files, facts := rendered(t)
	facts.Nodes[0].PersistentKeepalive = 0
	if faults := kilo.Lint(files, facts); len(faults) != 1 || faults[0].Site != "dc1" {
		t.Errorf("%v", faults)
	}
}

func TestLintSeesThroughUnknownKeys(t *testing.T) {
	files, facts := rendered(t)
	files["kilo_dc1_part1.json"] = []byte(`{"config": {"multidatacenter": {"wgCidr": "10.80.0.0/16"}, "peers": {}}}`)
	faults := kilo.Lint(files, facts)
	wantFault(t, faults, "kilo_dc1_part1.json: line 1 wgCidr: unknown key")
	wantFault(t, faults, "kilo_dc1_part1.json: line 1", "is a mapping; write a list")
}

// A site with several nodes: the guide's "full service CIDR for all nodes" (l.456), node by node.
func TestLintOfAFullMesh(t *testing.T) {
	network, _ := guide(t)
	var gateways []mesh.Gateway
	for i := range network.Sites {
		site := &network.Sites[i]
		site.Nodes = nil
		for j := range 2 {
			e, err := geored.ParseEndpoint(fmt.Sprintf("192.168.%d.%d:51820", i+1, j+1))
			must(t, e, err)
			node := geored.Node{Name: fmt.Sprintf("%s-%d", site.Name, j+1), Endpoint: e, PodCIDRs: mesh.SplitPrefix(site.Pods[0], 2)[j : j+1]}
			site.Nodes = append(site.Nodes, node)
			key, err := mesh.NewPrivateKey(repeated(10*i + j + 1))
			must(t, key, err)
			gateways = append(gateways, mesh.Gateway{Site: site.Name, Node: node.Name, PublicKey: key.Public(), Endpoint: e,
				WireGuardIP: mesh.SplitPrefix(site.WireGuardCIDR, 1<<16)[j+1].Addr()})
		}
	}
	full, err := mesh.PlanFull(network, gateways, mesh.OneOwner)
	must(t, full, err)
	layout := full.Layout()
	files, err := kilo.Files(network, layout)
	must(t, files, err)
	facts := kilo.Facts{Network: network, Layout: layout}
	if faults := kilo.Lint(files, facts); len(faults) > 0 {
		t.Fatalf("what was rendered has faults:\n%v", faults)
	}
	good := string(files["kilo_dc1_part2.json"])
	keys := []string{layout.Devices[2].PublicKey.String(), layout.Devices[3].PublicKey.String()}
	files["kilo_dc1_part2.json"] = []byte(strings.NewReplacer(keys[0], keys[1], keys[1], keys[0]).Replace(good))
	wantFault(t, kilo.Lint(files, facts), "config.peers[dc2-1].publicKey "+keys[1]+": is not that of the layout, "+keys[0])
	files["kilo_dc1_part2.json"] = []byte(good)
	v, _ := kilo.ParseValues(files["kilo_dc1_part2.json"])
	if !slices.Contains(v.Config.Peers[1].AllowedIPs, "10.130.0.0/16") {
		v.Config.Peers[1].AllowedIPs = append(v.Config.Peers[1].AllowedIPs, "10.130.0.0/16")
	}
	data, err := json.Marshal(v)
	files["kilo_dc1_part2.json"] = must(t, data, err)
	wantFault(t, kilo.Lint(files, facts), "config.peers[dc2-2].allowedIPs 10.130.0.0/16: is lost to dc2-1: Kilo leaves it with the first peer by name")
}

func FuzzLint(f *testing.F) {
	f.Add([]byte(guideDC1Part2))
	f.Add([]byte(guideDC2Part2))
	f.Fuzz(func(t *testing.T, data []byte) {
		files, facts := rendered(t)
		files["kilo_dc2_part2.json"] = data
		faults := kilo.Lint(files, facts)
		v, unread := kilo.ParseValues(data)
		if len(unread) > 0 && len(faults) == 0 {
			t.Error("unreadable, and no fault")
		}
		if len(faults) == 0 && (v.Config.Multidatacenter.WGCIDR != "10.110.0.0/16" || len(v.Config.Peers) != 1) {
			t.Errorf("no fault in %s", data)
		}
	})
}
