package geored_test

import (
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/geored"
)

const twoSites = `
sites:
  - name: dc1
    kubeconfig: dc1.kubeconfig
    podCIDR: 10.90.0.0/16
    serviceCIDR: 10.100.0.0/16
    nodes:
      - {name: dc1-1, internalIP: 192.168.1.105, endpoint: "192.168.1.105:51820", podCIDRs: [10.90.0.0/24]}
  - name: dc2
    kubeconfig: dc2.kubeconfig
    podCIDR: 10.120.0.0/16,fd00:120::/48
    serviceCIDR: 10.130.0.0/16
    nodes:
      - {name: dc2-1, internalIP: 192.168.1.106, endpoint: "gw.dc2.example.org:51820", podCIDRs: [10.120.0.0/24, "fd00:120::/64"]}
`

func TestParseTopologyReadsTheGuidesTables(t *testing.T) {
	topology, err := geored.ParseTopology([]byte(twoSites))
	if err != nil {
		t.Fatal(err)
	}
	if got := len(topology.Sites); got != 2 {
		t.Fatalf("%d sites, want 2", got)
	}
	dc2 := topology.Sites[1]
	if want := netip.MustParsePrefix("fd00:120::/48"); dc2.Pods[1] != want {
		t.Errorf("second pod range %s, want %s", dc2.Pods[1], want)
	}
	if got, want := dc2.Nodes[0].Endpoint.String(), "gw.dc2.example.org:51820"; got != want {
		t.Errorf("endpoint %s, want %s", got, want)
	}
}

// Each case changes one thing of a good topology and must be told by site, field and remedy.
func TestParseTopologyNamesEveryFault(t *testing.T) {
	cases := map[string]struct{ old, new, want string }{
		"no sites":             {twoSites, "sites: []", "sites: names no site"},
		"empty file":           {twoSites, " ", "file: is empty"},
		"not YAML":             {twoSites, "sites: [", "file: line"},
		"two documents":        {"sites:\n", "sites: []\n---\nsites:\n", "holds more than one document"},
		"unknown key":          {"podCIDR: 10.90", "podCidr: 10.90", "line 5 podCidr: unknown key"},
		"doubled key":          {"    kubeconfig: dc2.kubeconfig\n", "    kubeconfig: a\n    kubeconfig: b\n", `kubeconfig: stands twice, first at line 10`},
		"alias":                {"name: dc2\n", "name: &n dc2\n    context: *n\n", "*n: is an alias; write the value out"},
		"list for text":        {"name: dc2\n", "name: [dc2]\n", "is a list; write a text"},
		"text for list":        {"podCIDRs: [10.90.0.0/24]", "podCIDRs: {}", "is a mapping; write a list"},
		"bad site name":        {"name: dc2\n", "name: DC_2\n", "site DC_2: name DC_2: is not a DNS-1123 label"},
		"no site name":         {"name: dc2\n", "name: \"\"\n", "name: is not a DNS-1123 label"},
		"doubled site":         {"name: dc2\n", "name: dc1\n", "site dc1: name dc1: stands twice"},
		"one cluster twice":    {"dc2.kubeconfig", "dc1.kubeconfig", "site dc2: kubeconfig dc1.kubeconfig: and context are those of site dc1"},
		"host bits":            {"podCIDR: 10.90.0.0/16", "podCIDR: 10.90.0.5/16", "site dc1: podCIDR 10.90.0.5/16: has host bits set; write 10.90.0.0/16"},
		"no mask":              {"podCIDR: 10.90.0.0/16", "podCIDR: 10.90.0.0", "site dc1: podCIDR 10.90.0.0: is not an address range; write its bits too, such as 10.90.0.0/32"},
		"mask too long":        {"podCIDR: 10.90.0.0/16", "podCIDR: 10.90.0.0/33", "is not an address range"},
		"letters":              {"podCIDR: 10.90.0.0/16", "podCIDR: ten", "is not an address range"},
		"everything":           {"podCIDR: 10.90.0.0/16", "podCIDR: 0.0.0.0/0", "is every address there is"},
		"loopback":             {"podCIDR: 10.90.0.0/16", "podCIDR: 127.1.0.0/16", "lies in the loopback range"},
		"link-local":           {"podCIDR: 10.90.0.0/16", "podCIDR: 169.254.0.0/16", "lies in the link-local range"},
		"multicast":            {"podCIDR: 10.90.0.0/16", "podCIDR: 224.1.0.0/16", "lies in the multicast range"},
		"IPv4 in IPv6":         {"podCIDR: 10.90.0.0/16", "podCIDR: \"::ffff:10.90.0.0/112\"", "is an IPv4 address in IPv6 clothes"},
		"two of one family":    {"podCIDR: 10.90.0.0/16", "podCIDR: 10.90.0.0/16,10.91.0.0/16", "is a second range of its address family"},
		"same in both sites":   {"podCIDR: 10.120.0.0/16", "podCIDR: 10.90.0.0/16", "podCIDR 10.90.0.0/16: is the same as podCIDR 10.90.0.0/16 of site dc2"},
		"one inside another":   {"serviceCIDR: 10.130.0.0/16", "serviceCIDR: 10.90.128.0/17", "site dc1: podCIDR 10.90.0.0/16: contains serviceCIDR 10.90.128.0/17 of site dc2"},
		"pods over services":   {"serviceCIDR: 10.100.0.0/16", "serviceCIDR: 10.90.0.0/20", "contains serviceCIDR 10.90.0.0/20 of site dc1"},
		"node inside services": {"internalIP: 192.168.1.106", "internalIP: 10.100.3.4", "serviceCIDR 10.100.0.0/16: contains nodes[dc2-1].internalIP 10.100.3.4/32 of site dc2"},
		"same node address":    {"internalIP: 192.168.1.106", "internalIP: 192.168.1.105", "is the same as nodes[dc2-1].internalIP"},
		"same endpoint":        {"gw.dc2.example.org:51820", "192.168.1.105:51820", "is that of node dc1-1 of site dc1"},
		"address with mask":    {"internalIP: 192.168.1.106", "internalIP: 192.168.1.106/24", "internalIP 192.168.1.106/24: is not an IP address"},
		"address too large":    {"internalIP: 192.168.1.106", "internalIP: 192.168.1.256", "is not an IP address"},
		"loopback node":        {"internalIP: 192.168.1.106", "internalIP: 127.0.0.1", "is no address that another machine can reach"},
		"endpoint: no port":    {"gw.dc2.example.org:51820", "gw.dc2.example.org", "has no port; write host:port"},
		"endpoint: port 0":     {"gw.dc2.example.org:51820", "192.168.1.106:0", "address and port must be set"},
		"endpoint: large port": {"gw.dc2.example.org:51820", "gw:70000", `port "70000" is not in 1 to 65535`},
		"endpoint: bad IP":     {"gw.dc2.example.org:51820", "192.168.1.300:51820", `"192.168.1.300" is not an IP address`},
		"endpoint: bare IPv6":  {"gw.dc2.example.org:51820", "fd00::1:2:51820", "stands in brackets"},
		"endpoint: loopback":   {"gw.dc2.example.org:51820", "127.0.0.1:51820", "is no address that another site can reach"},
		"underscore in node":   {"name: dc2-1", "name: dc2_1", "nodes[dc2_1].name dc2_1: is not a Kubernetes node name"},
		"slice outside pods":   {"podCIDRs: [10.90.0.0/24]", "podCIDRs: [10.91.0.0/24]", "lies outside podCIDR 10.90.0.0/16; read it from the node's spec.podCIDRs"},
		"slice wider":          {"podCIDRs: [10.90.0.0/24]", "podCIDRs: [10.0.0.0/8]", "lies outside podCIDR 10.90.0.0/16"},
		"doubled node": {"      - {name: dc2-1,", "      - {name: dc2-1, podCIDRs: [10.120.0.0/25]}\n      - {name: dc2-1,",
			"nodes[dc2-1].podCIDRs 10.120.0.0/24: contains nodes[dc2-1].podCIDRs 10.120.0.0/25 of site dc2"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			input := strings.Replace(twoSites, c.old, c.new, 1)
			if input == twoSites {
				t.Fatal("the case changes nothing")
			}
			_, err := geored.ParseTopology([]byte(input))
			if err == nil {
				t.Fatal("no fault was found")
			}
			if _, ok := geored.AsFaults(err); !ok {
				t.Errorf("%T is no Faults", err)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("faults:\n%v\nwant one with:\n%s", err, c.want)
			}
		})
	}
}

func TestParseTopologyTellsAllFaultsAtOnce(t *testing.T) {
	file, err := os.ReadFile("testdata/faulty.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, err = geored.ParseTopology(file)
	faults, ok := geored.AsFaults(err)
	if !ok {
		t.Fatalf("%v is no Faults", err)
	}
	want, err := os.ReadFile("testdata/faulty.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got := faults.Error() + "\n"; got != string(want) {
		t.Errorf("faults:\n%s\nwant:\n%s", got, want)
	}
	var one geored.Fault
	if !errors.As(err, &one) && !errors.As(faults, &one) {
		t.Error("no single Fault can be had from the error")
	}
}

func TestParseTopologyReadsJSON(t *testing.T) {
	topology, err := geored.ParseTopology([]byte(`{"sites":[{"name":"dc1","podCIDR":"10.90.0.0/16"}]}`))
	if err != nil || topology.Sites[0].Name != "dc1" {
		t.Errorf("%v, %v", topology, err)
	}
}

func FuzzParseTopology(f *testing.F) {
	f.Add([]byte(twoSites))
	f.Add([]byte(`{"sites":[{"name":1,"nodes":[{"endpoint":":1"}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		topology, err := geored.ParseTopology(data)
		if err != nil {
			return
		}
		if err := topology.Validate(); err != nil {
			t.Errorf("parsed, but not valid: %v", err)
		}
	})
}

func TestEndpointText(t *testing.T) {
	for _, text := range []string{"192.168.1.105:51820", "[2001:db8::1]:51820", "gw.example.org:1"} {
		e, err := geored.ParseEndpoint(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if e.String() != text {
			t.Errorf("%s reads back as %s", text, e)
		}
	}
	var zero geored.Endpoint
	if zero.IsValid() || zero.String() != "" || zero.Addr().IsValid() {
		t.Error("the zero endpoint is something")
	}
}
