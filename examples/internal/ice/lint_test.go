package ice

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/georedkit/georedkit/geored"
)

// Texts of the guide, with its mistakes (ICE guide, 4.2.4 to 4.4.3 and 3.3.3.2.1).
const (
	guideKiloDC1 = `{
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
	guideKiloDC2Part1 = `{"config": {"multidatacenter": {"wgCIDR": "10.110.0.0/16"}, "peers": []}}`
	guideKiloDC2      = `{
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
	guideDNS = `{
  "config": {
    "multidatacenter": {
      "dcs": [
        {
          "name": "dc1",
          "kubernetesEndpoint": "https://10.100.0.1"
        },
        {
          "name": "dc2",
          "kubernetesEndpoint": "https://10.130.0.1"
        }
      ],
      "dnsIP": "DNSIP"
    }
  }
}`
	guideInventory = `[all]
dcl ansible_host=192.168.1.105 ip=192.168.1.105
[kube-master]
dcl
[etcd]
dcl
[kube-node]
dcl
[calico-rr]
[k8s-cluster:children]
kube-master
kube-node
calico-rr
`
	guideSeed = `{
  "charts": {
    "rallypoint": {
      "values": {
        "rallypoint": {
          "name": "dc2",
"peerMeshes": [
             "ice-rallypoint-discovery-dc1"
           ٦
`
	groupVars = "kube_network_plugin: flannel\nkube_service_addresses: 10.100.0.0/16\nkube_pods_subnet: 10.90.0.0/16\nskydns_server: 10.100.0.10\n"
	flannel   = "flannel_backend_type: host-gw\n"
	product   = `{"charts": {"iceCassandra": {"values": {"multi-casskop": {"k8s": {"local": "dc1", "remote": ["dc2"]}}}}, "instantConnectEnterprise": {"values": {"config": {"include": {"multiCassKop": true}, "multidatacenter": {"currentDC": "dc1", "dcs": [{"name": "dc1"}, {"name": "dc2"}]}}}}}}`
)

func dnsFile(ip string) string { return strings.Replace(guideDNS, "DNSIP", ip, 1) }

// right is a tree without faults.
func right() map[string]string {
	second := strings.Replace(product, `"currentDC": "dc1"`, `"currentDC": "dc2"`, 1)
	second = strings.Replace(second, `"local": "dc1", "remote": ["dc2"]`, `"local": "dc2", "remote": ["dc1"]`, 1)
	second = strings.Replace(second, `"multiCassKop": true`, `"multiCassKop": false`, 1)
	dc2 := strings.Replace(dnsFile("10.130.0.53"), `"name": "dc1"`, `"name": "X"`, 1)
	dc2 = strings.Replace(strings.Replace(dc2, `"name": "dc2"`, `"name": "dc1"`, 1), `"name": "X"`, `"name": "dc2"`, 1)
	dc2 = strings.Replace(strings.Replace(strings.Replace(dc2, "10.100.0.1\"", "X\"", 1), "10.130.0.1\"", "10.100.0.1\"", 1), "X\"", "10.130.0.1\"", 1)
	return map[string]string{
		"kilo/kilo_dc1_part1.json": `{"config": {"multidatacenter": {"wgCIDR": "10.80.0.0/16"}, "peers": []}}`,
		"kilo/kilo_dc2_part1.json": guideKiloDC2Part1,
		"coredns/coredns_dc1.json": dnsFile("10.100.0.10"), "coredns/coredns_dc2.json": dc2,
		"ice/ice_dc1.json": product, "ice/ice_dc2.json": second,
		"inventory/dc1/inventory.ini":                              strings.ReplaceAll(guideInventory, "dcl", "dc1-1"),
		"inventory/dc1/group_vars/k8s-cluster/k8s-cluster.yml":     groupVars,
		"inventory/dc1/group_vars/k8s-cluster/k8s-net-flannel.yml": flannel,
		"README.txt": "not ours",
	}
}

func lintTree(t *testing.T, files map[string]string, topology string) geored.Faults {
	t.Helper()
	tree := fstest.MapFS{}
	for name, text := range files {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	faults, err := Lint(tree, []byte(topology))
	if err != nil {
		t.Fatal(err)
	}
	return faults
}

func lintOf(t *testing.T, files map[string]string, topology string) string {
	t.Helper()
	return lintTree(t, files, topology).Error()
}

func TestLintFindsNothingInARightTree(t *testing.T) {
	for name, topology := range map[string]string{"with": good, "without": ""} {
		if got := lintOf(t, right(), topology); got != "" {
			t.Errorf("%s topology:\n%s", name, got)
		}
	}
}

func TestLintNamesTheGuidesFaults(t *testing.T) {
	cases := map[string]struct{ file, text, want string }{
		"missing comma (4.2.4)":                {"kilo/kilo_dc1_part2.json", guideKiloDC1, "site dc1: kilo/kilo_dc1_part2.json: file"},
		"wgCIDR is the services' (4.2.4)":      {"kilo/kilo_dc2_part2.json", guideKiloDC2, "kilo/kilo_dc2_part2.json: config.multidatacenter.wgCIDR 10.130.0.0/16: is not that of part 1, 10.110.0.0/16"},
		"placeholder for a key (4.2.4)":        {"kilo/kilo_dc2_part2.json", guideKiloDC2, "publicKey ___PUBLIC_KEY_OF_KILO0_INTERFACE_ON_DC1___: is a placeholder"},
		"same dcs everywhere (4.3.2)":          {"coredns/coredns_dc2.json", dnsFile("10.130.0.53"), "site dc2: coredns/coredns_dc2.json: config.multidatacenter.dcs dc1 dc2: has dc1 first"},
		"another site's DNS address":           {"coredns/coredns_dc1.json", dnsFile("10.130.0.10"), "config.multidatacenter.dnsIP 10.130.0.10: is not dnsIP 10.100.0.10 of the site"},
		"a site is missing":                    {"coredns/coredns_dc1.json", strings.Replace(dnsFile("10.100.0.10"), `"name": "dc2"`, `"name": "dc1"`, 1), "lacks dc2"},
		"API server of another site":           {"coredns/coredns_dc1.json", strings.Replace(dnsFile("10.100.0.10"), "10.130.0.1\"", "10.100.0.1\"", 1), "is not apiServerIP 10.130.0.1 of site dc2"},
		"API server without https":             {"coredns/coredns_dc1.json", strings.Replace(dnsFile("10.100.0.10"), "https://10.130", "http://10.130", 1), "is not a URL of the form https://address"},
		"cut off by the page (4.4.3)":          {"seed/seed_dc2.json", guideSeed, "site dc2: seed/seed_dc2.json: line 9: is not JSON"},
		"operator in two sites (4.4.2)":        {"ice/ice_dc2.json", strings.Replace(right()["ice/ice_dc2.json"], `"multiCassKop": false`, `"multiCassKop": true`, 1), "ice/: multiCassKop dc1 dc2: runs in 2 sites"},
		"operator in no site":                  {"ice/ice_dc1.json", strings.Replace(product, `"multiCassKop": true`, `"multiCassKop": false`, 1), "runs in 0 sites"},
		"operator by its other switch (4.4.2)": {"ice/ice_dc2.json", strings.Replace(strings.Replace(right()["ice/ice_dc2.json"], `"multiCassKop": false`, `"other": false`, 1), `"k8s": {`, `"enabled": true, "k8s": {`, 1), "ice/: multiCassKop dc1 dc2: runs in 2 sites"},
		"operator in a seed (4.4.3)":           {"seed/seed_dc2.json", `{"charts": {"iceCassandra": {"values": {"multi-casskop": {"enabled": true}}}, "instantConnectEnterprise": {"enabled": false}}}`, "seed/seed_dc2.json: multiCassKop: is enabled"},
		"the other site as own":                {"ice/ice_dc2.json", product, "ice/ice_dc2.json: charts.instantConnectEnterprise.values.config.multidatacenter.currentDC dc1: is not the file's own site"},
		"the own site as other":                {"ice/ice_dc2.json", product, "multi-casskop.k8s.remote dc2: is the own site"},
		"a placeholder anywhere":               {"ice/ice_dc1.json", strings.Replace(product, `"currentDC": "dc1"`, `"currentDC": "dc1", "fqdn": "___FQDN___"`, 1), "fqdn ___FQDN___: is a placeholder"},
		"host names of another table (3.3.3)":  {"inventory/dc1/inventory.ini", guideInventory, "inventory/dc1/inventory.ini: [all] dcl: is no node of the topology"},
		"underscore in a host name (3.3.2)":    {"inventory/dc1/inventory.ini", strings.ReplaceAll(guideInventory, "dcl", "dc1_1"), "dc1_1: is no name of a Kubernetes node"},
		"folder of another name (3.3.3.2.3)":   {"inventory/dcl/inventory.ini", guideInventory, "site dcl: inventory/dcl: is of a site that the topology does not have"},
		"host that is not listed":              {"inventory/dc1/inventory.ini", strings.Replace(right()["inventory/dc1/inventory.ini"], "[etcd]\ndc1-1", "[etcd]\ndc1-2", 1), "[etcd] dc1-2: is not among [all]"},
		"flannel wraps packets (3.2)":          {"inventory/dc1/group_vars/k8s-cluster/k8s-net-flannel.yml", "flannel_backend_type: vxlan\n", "flannel_backend_type vxlan: is not host-gw"},
		"no flannel back end":                  {"inventory/dc1/group_vars/k8s-cluster/k8s-net-flannel.yml", "", "inventory/dc1/group_vars: flannel_backend_type: is not host-gw"},
		"another plugin":                       {"inventory/dc1/group_vars/k8s-cluster/k8s-cluster.yml", strings.Replace(groupVars, "flannel", "calico", 1), "kube_network_plugin calico: is not flannel"},
		"pods of another site":                 {"inventory/dc1/group_vars/k8s-cluster/k8s-cluster.yml", strings.Replace(groupVars, "10.90", "10.120", 1), "kube_pods_subnet 10.120.0.0/16: is not 10.90.0.0/16"},
		"DNS outside the services":             {"inventory/dc1/group_vars/k8s-cluster/k8s-cluster.yml", strings.Replace(groupVars, "10.100.0.10", "10.130.0.10", 1), "skydns_server 10.130.0.10: lies outside kube_service_addresses 10.100.0.0/16"},
		"sites share addresses (3.2)":          {"inventory/dc2/group_vars/k8s-cluster/k8s-cluster.yml", groupVars, "shares addresses with inventory/dc1/group_vars/k8s-cluster/k8s-cluster.yml: kube_pods_subnet 10.90.0.0/16 of site dc1"},
		"one address for two machines":         {"inventory/dc2/inventory.ini", strings.ReplaceAll(guideInventory, "dcl", "dc2-1"), "192.168.1.105: is the address of dc1-1 of site dc1 too"},
		"YAML that is none":                    {"inventory/dc1/group_vars/k8s-cluster/k8s-cluster.yml", "a: [", "cannot be read"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			files := right()
			files[c.file] = c.text
			if got := lintOf(t, files, good); !strings.Contains(got, c.want) {
				t.Errorf("faults:\n%s\nwant one with:\n%s", got, c.want)
			}
		})
	}
}

func TestLintNeedsARightTopology(t *testing.T) {
	if _, err := Lint(fstest.MapFS{}, []byte("sites: []")); err == nil {
		t.Error("a topology without sites was taken")
	}
}

func FuzzInventory(f *testing.F) {
	f.Add([]byte(guideInventory))
	f.Add([]byte("[\n]\nx =\n[]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for section, hosts := range parseInventory(text) {
			for _, h := range hosts {
				if h.name == "" || strings.ContainsAny(h.name, " \t\n") {
					t.Errorf("section %q has host %q", section, h.name)
				}
			}
		}
	})
}
