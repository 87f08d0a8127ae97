package config

import (
	"fmt"
	"net/netip"
	"path/filepath"
)

// Names of the servers, as faults and logs call them.
const (
	Etcd              = "etcd"
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	Scheduler         = "kube-scheduler"
	Provisioner       = "local-path-provisioner"
	Containerd        = "containerd"
	Kubelet           = "kubelet"
	Proxy             = "kube-proxy"
)

// FurtherAPIServer is the name of an API server beside the first; they count from 0.
func FurtherAPIServer(i int) string { return fmt.Sprintf("%s-%d", APIServer, i+2) }

// Command is how a server is started.
type Command struct {
	Name    string
	As      string // its argv[0]
	Program string
	Args    []string
}

// Commands are the node's servers, those of the control plane first.
func (m Machine) Commands() []Command {
	var all []Command
	if m.ControlPlane() {
		all = m.controlPlane()
	}
	kube := func(name string, args ...string) Command {
		return Command{name, name, filepath.Join(m.Bin, "kube"), args}
	}
	return append(all,
		Command{Containerd, Containerd, filepath.Join(m.Bin, "containerd"), []string{"-c", m.file("containerd.toml")}},
		kube(Kubelet, "--config="+m.file("kubelet.yaml"), "--kubeconfig="+m.file("kubelet.kubeconfig"),
			"--hostname-override="+m.Node.Name, "--node-ip="+m.Node.LAN.String(), "--root-dir=/var/lib/kubelet"),
		kube(Proxy, "--config="+m.file("kube-proxy.yaml")),
	)
}

func (m Machine) controlPlane() []Command {
	kube := func(name string, args ...string) Command {
		return Command{name, name, filepath.Join(m.Bin, "kube"), args}
	}
	kubeconfig := func(name string) string { return "--kubeconfig=" + m.file(name+".kubeconfig") }
	all := []Command{
		kube(Etcd, "--data-dir="+filepath.Join(m.Folder, "etcd")),
		kube(APIServer, m.apiServerFlags("0.0.0.0", m.Node.LAN, m.AuditLog())...),
		kube(ControllerManager, kubeconfig(ControllerManager), "--use-service-account-credentials=true",
			"--service-account-private-key-file="+m.file("service-accounts.key"), "--root-ca-file="+m.file("ca.crt"),
			"--cluster-cidr="+m.Site.Pods.String(), "--allocate-node-cidrs=false", "--leader-elect=false", "--secure-port=0",
			// With the default rate its controllers take four seconds longer to start.
			"--kube-api-qps=300", "--kube-api-burst=600", "--node-monitor-period=1s", "--node-monitor-grace-period=10s"),
		kube(Scheduler, kubeconfig(Scheduler), "--kube-api-qps=200", "--kube-api-burst=400", "--leader-elect=false", "--secure-port=0"),
		kube(Provisioner, kubeconfig(Provisioner), "--folder="+m.VolumeFolder()),
	}
	for i, own := range m.Site.Further {
		server := kube(APIServer, m.apiServerFlags(own.String(), own, m.AuditLog()+"."+own.String())...)
		server.Name = FurtherAPIServer(i)
		all = append(all, server)
	}
	return all
}

// apiServerFlags let several API servers be of one site: they share etcd and the port, and differ in their address. One
// that listens at an address of its own comes before one that listens at all.
func (m Machine) apiServerFlags(bind string, advertised netip.Addr, auditLog string) []string {
	return []string{
		"--etcd-servers=http://127.0.0.1:2379",
		"--service-cluster-ip-range=" + m.Site.Services.String(),
		"--service-account-key-file=" + m.file("service-accounts.key"),
		"--service-account-signing-key-file=" + m.file("service-accounts.key"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--client-ca-file=" + m.file("ca.crt"),
		"--tls-cert-file=" + m.file("kube-apiserver.crt"),
		"--tls-private-key-file=" + m.file("kube-apiserver.key"),
		"--kubelet-preferred-address-types=InternalIP",
		"--kubelet-certificate-authority=" + m.file("ca.crt"),
		"--kubelet-client-certificate=" + m.file("kubelet-client.crt"),
		"--kubelet-client-key=" + m.file("kubelet-client.key"),
		"--allow-privileged=true",
		"--advertise-address=" + advertised.String(),
		"--bind-address=" + bind,
		fmt.Sprintf("--secure-port=%d", APIPort),
		fmt.Sprintf("--permit-port-sharing=%t", len(m.Site.Further) > 0),
		"--audit-policy-file=" + m.file("audit.yaml"),
		"--audit-log-path=" + auditLog,
	}
}
