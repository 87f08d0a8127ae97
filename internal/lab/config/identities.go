package config

import (
	"net/netip"

	"github.com/georedkit/georedkit/internal/lab/pki"
)

// Admin and Laboratory are the identities used from outside; the audit log leaves the second one out.
const (
	Admin      = "admin"
	Laboratory = "georedkit-lab"
)

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// Identities are the certificates of a node by file name.
func (m Machine) Identities() map[string]pki.Subject {
	all := map[string]pki.Subject{
		Kubelet: {
			Name: "system:node:" + m.Node.Name, Groups: []string{"system:nodes"},
			DNSNames: []string{"localhost", m.Node.Name}, Addresses: []netip.Addr{loopback, m.Node.LAN},
		},
		Proxy: {Name: "system:kube-proxy"},
	}
	if !m.ControlPlane() {
		return all
	}
	all[APIServer] = pki.Subject{
		Name: APIServer,
		DNSNames: []string{
			"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
		},
		Addresses: append([]netip.Addr{loopback, m.Site.APIServer, m.Node.LAN, m.Node.WAN}, m.Site.Further...),
	}
	all["kubelet-client"] = pki.Subject{Name: "kube-apiserver-kubelet-client", Groups: []string{"system:masters"}}
	all[ControllerManager] = pki.Subject{Name: "system:kube-controller-manager"}
	all[Scheduler] = pki.Subject{Name: "system:kube-scheduler"}
	all[Provisioner] = pki.Subject{Name: Laboratory, Groups: []string{"system:masters"}}
	return all
}

// WithKubeconfig tells which identities are those of clients of the API server.
func WithKubeconfig(name string) bool { return name != APIServer && name != "kubelet-client" }
