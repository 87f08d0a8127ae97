package supervisor

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/internal/lab/address"
)

func TestTopologyNamesEveryNode(t *testing.T) {
	plan, err := address.Plan([]string{"paris", "rome"}, 2)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := topology.Execute(&text, []ReadySite{describeSite(plan[1], "/labs/rome.kubeconfig")}); err != nil {
		t.Fatal(err)
	}
	const want = `sites:
  - name: rome
    kubeconfig: /labs/rome.kubeconfig
    wireguardCIDR: 10.110.0.0/16
    podCIDR: 10.120.0.0/16
    serviceCIDR: 10.130.0.0/16
    dnsIP: 10.130.0.10
    apiServerIP: 10.130.0.1
    nodes:
      - {name: rome-1, internalIP: 10.99.2.1, endpoint: "10.98.2.1:51820", podCIDRs: [10.120.0.0/24]}
      - {name: rome-2, internalIP: 10.99.2.2, endpoint: "10.98.2.2:51820", podCIDRs: [10.120.1.0/24]}
`
	if text.String() != want {
		t.Errorf("got\n%s", text.String())
	}
}

// What this machine does not reach by its own address is named with the way there.
func TestTopologyNamesEveryAPIServer(t *testing.T) {
	var tunnels []*tunnel
	for _, target := range []string{"10.99.1.1:6443", "10.99.1.101:6443"} {
		tunnel, err := listen(0, target)
		if err != nil {
			t.Fatal(err)
		}
		defer tunnel.listener.Close()
		tunnels = append(tunnels, tunnel)
	}
	plan, err := address.Plan([]string{"paris"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := topology.Execute(&text, []ReadySite{describeSite(plan[0], "/labs/paris.kubeconfig", tunnels...)}); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`
    apiServers:
      - {address: "10.99.1.1:6443", endpoint: %q}
      - {address: "10.99.1.101:6443", endpoint: %q}
    nodes:
`, tunnels[0].endpoint(), tunnels[1].endpoint())
	if !strings.Contains(text.String(), want) {
		t.Errorf("got\n%s", text.String())
	}
}

// Addresses are in certificates and objects: other sites in the same folder would not work.
func TestFolderKeepsItsSites(t *testing.T) {
	f := folder(t.TempDir())
	first, err := f.recall([]string{"dc1"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	first.Ports["dc1"] = 1234
	if err := f.remember(first); err != nil {
		t.Fatal(err)
	}
	if again, err := f.recall([]string{"dc1"}, 1); err != nil || again.Ports["dc1"] != 1234 {
		t.Errorf("%+v, %v", again, err)
	}
	if _, err := f.recall([]string{"dc1", "dc2"}, 1); err == nil {
		t.Error("another site is accepted")
	}
	if _, err := f.recall([]string{"dc1"}, 2); err == nil {
		t.Error("another node is accepted")
	}
}

func TestPurgeRemovesOnlyLaboratories(t *testing.T) {
	f := folder(t.TempDir())
	if err := f.purge(); err == nil {
		t.Error("a folder that is no laboratory's was removed")
	}
	if err := f.remember(memory{}); err != nil {
		t.Fatal(err)
	}
	if err := f.purge(); err != nil {
		t.Error(err)
	}
}
