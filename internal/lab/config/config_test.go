package config_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/internal/lab/address"
	"github.com/georedkit/georedkit/internal/lab/config"
)

func machines(t *testing.T) []config.Machine {
	t.Helper()
	sites, err := address.Plan([]string{"dc1"}, 2)
	if err != nil {
		t.Fatal(err)
	}
	var all []config.Machine
	for _, node := range sites[0].Nodes {
		all = append(all, config.Machine{
			Site: sites[0], Node: node, Folder: "/lab/dc1/" + node.Name, SiteFolder: "/lab/dc1", Bin: "/bin-of-lab",
			Cgroup: "georedkit-x/dc1/" + node.Name, Snapshotter: "overlayfs", Runc: "/usr/sbin/runc",
		})
	}
	return all
}

func TestFilesFollowTheMachine(t *testing.T) {
	second := machines(t)[1]
	files, err := second.Files()
	if err != nil {
		t.Fatal(err)
	}
	for path, wants := range map[string][]string{
		"config/containerd.toml":     {`snapshotter = "overlayfs"`, `BinaryName = "/usr/sbin/runc"`, `root = "/lab/dc1/dc1-2/containerd"`},
		"config/kubelet.yaml":        {"cgroupRoot: /georedkit-x/dc1/dc1-2\n", `clusterDNS: ["10.100.0.10"]`},
		"config/kube-proxy.yaml":     {"hostnameOverride: dc1-2\n", "clusterCIDR: 10.90.0.0/16\n"},
		"config/cni/10-lab.conflist": {`"mtu": 1420`, `"subnet": "10.90.1.0/24"`},
		"config/base.json":           {`"source":"/bin-of-lab"`},
		"config/resolv.conf":         {"#"},
	} {
		for _, want := range wants {
			if !strings.Contains(string(files[path]), want) {
				t.Errorf("%s lacks %q:\n%s", path, want, files[path])
			}
		}
	}
	for _, path := range []string{"config/base.json", "config/cni/10-lab.conflist"} {
		if !json.Valid(files[path]) {
			t.Errorf("%s: not JSON", path)
		}
	}
	if _, ok := files["config/audit.yaml"]; ok {
		t.Error("a node without the control plane has an audit policy")
	}
}

func TestOnlyTheFirstNodeRunsTheControlPlane(t *testing.T) {
	var names [2][]string
	for i, machine := range machines(t) {
		for _, command := range machine.Commands() {
			names[i] = append(names[i], command.Name)
		}
	}
	node := []string{config.Containerd, config.Kubelet, config.Proxy}
	plane := []string{config.Etcd, config.APIServer, config.ControllerManager, config.Scheduler, config.Provisioner}
	if !slices.Equal(names[0], append(plane, node...)) || !slices.Equal(names[1], node) {
		t.Errorf("servers: %v", names)
	}
}

func TestAPIServerIsTrustedUnderAllItsAddresses(t *testing.T) {
	subject := machines(t)[0].Identities()[config.APIServer]
	var got []string
	for _, address := range subject.Addresses {
		got = append(got, address.String())
	}
	want := []string{"127.0.0.1", "10.100.0.1", "10.99.1.1", "10.98.1.1"}
	if !slices.Equal(got, want) {
		t.Errorf("addresses %v, want %v", got, want)
	}
}
