package ice

import (
	"strings"
	"testing"
)

const good = `
sites:
  - name: dc1
    kubeconfig: dc1.kubeconfig
    wireguardCIDR: 10.80.0.0/16
    podCIDR: 10.90.0.0/16
    serviceCIDR: 10.100.0.0/16
    nodes:
      - {name: dc1-1, internalIP: 192.168.1.105, endpoint: "192.168.1.105:51820", podCIDRs: [10.90.0.0/24]}
  - name: dc2
    kubeconfig: dc2.kubeconfig
    wireguardCIDR: 10.110.0.0/16
    podCIDR: 10.120.0.0/16
    serviceCIDR: 10.130.0.0/16
    dnsIP: 10.130.0.53
    nodes:
      - {name: dc2-1, internalIP: 192.168.1.106, endpoint: "192.168.1.106:51820", podCIDRs: [10.120.0.0/24]}
`

func TestParseTopologyFillsInWhatTheGuideDoes(t *testing.T) {
	topology, err := ParseTopology([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	dc1, dc2 := topology.Sites[0], topology.Sites[1]
	if got := dc1.DNSIP.String() + " " + dc1.APIServerIP.String() + " " + dc2.DNSIP.String(); got != "10.100.0.10 10.100.0.1 10.130.0.53" {
		t.Error(got)
	}
	if d, err := Open(topology, Options{}); err == nil || d == nil || !strings.Contains(err.Error(), "site dc2: kubeconfig dc2.kubeconfig") {
		t.Errorf("kubeconfigs that are not there: %v", err)
	}
}

func TestParseTopologyNamesEveryFault(t *testing.T) {
	cases := map[string]struct{ old, new, want string }{
		"one site":        {good, good[:strings.Index(good, "  - name: dc2")], "sites: names one site only; list two or more"},
		"no kubeconfig":   {"    kubeconfig: dc2.kubeconfig\n", "", "site dc2: kubeconfig: is missing"},
		"no pods":         {"    podCIDR: 10.90.0.0/16\n", "", "site dc1: podCIDR: is missing"},
		"no services":     {"    serviceCIDR: 10.100.0.0/16\n", "", "site dc1: serviceCIDR: is missing"},
		"no tunnel range": {"    wireguardCIDR: 10.80.0.0/16\n", "", "site dc1: wireguardCIDR: is missing"},
		"tunnel is the services' (ICE guide, 4.2.4: kilo_dc2_part2.json)": {"wireguardCIDR: 10.110.0.0/16", "wireguardCIDR: 10.130.0.0/16", "site dc2: serviceCIDR 10.130.0.0/16: is the same as wireguardCIDR 10.130.0.0/16 of site dc2"},
		"DNS outside":                    {"dnsIP: 10.130.0.53", "dnsIP: 10.100.0.10", "site dc2: dnsIP 10.100.0.10: lies outside serviceCIDR 10.130.0.0/16"},
		"DNS is the API server":          {"dnsIP: 10.130.0.53", "dnsIP: 10.130.0.1", "is the address of the API server too"},
		"host name of the ICE guide 3.3": {"name: dc1-1", "name: dc1_1", "nodes[dc1_1].name dc1_1: is not a Kubernetes node name"},
		"unknown key":                    {"dnsIP", "dnsIp", "dnsIp: unknown key"},
		"no granularity of Kilo's":       {"sites:", "granularity: node\nsites:", "granularity node: is neither location nor full"},
		"not an address":                 {"dnsIP: 10.130.0.53", "dnsIP: dns", "site dc2: dnsIP dns: is not an IP address"},
		"an API server's name":           {"dnsIP: 10.130.0.53", "apiServers: [{address: 'a.dc2:6443', endpoint: 'a.dc2:6443'}]", "site dc2: apiServers[0].address a.dc2:6443: is a name"},
		"an API server without port":     {"dnsIP: 10.130.0.53", "apiServers: [{address: 10.0.0.1, endpoint: 'a.dc2:6443'}]", "site dc2: apiServers[0].address 10.0.0.1: has no port"},
		"an API server out of reach":     {"dnsIP: 10.130.0.53", "apiServers: [{address: '10.0.0.1:6443'}]", "site dc2: apiServers[0].endpoint: is missing"},
		"a load balancer for two": {"dnsIP: 10.130.0.53", "apiServers: [{address: '10.0.0.1:6443', endpoint: 'lb.dc2:6443'}, {address: '10.0.0.2:6443', endpoint: 'lb.dc2:6443'}]",
			"site dc2: apiServers[1].endpoint lb.dc2:6443: is that of another API server too"},
		"an API server twice": {"dnsIP: 10.130.0.53", "apiServers: [{address: '10.0.0.1:6443', endpoint: 'a.dc2:6443'}, {address: '10.0.0.1:6443', endpoint: 'b.dc2:6443'}]",
			"site dc2: apiServers[1].address 10.0.0.1:6443: is that of another API server too"},
		"nothing": {good, "", "file: is empty"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := ParseTopology([]byte(strings.Replace(good, c.old, c.new, 1)))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("faults:\n%v\nwant one with:\n%s", err, c.want)
			}
		})
	}
}
