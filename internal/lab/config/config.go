// Package config renders what the servers of a node read and how they are called.
package config

import (
	"bytes"
	"embed"
	"fmt"
	"net/netip"
	"path/filepath"
	"text/template"

	"github.com/georedkit/georedkit/internal/lab/address"
	"github.com/georedkit/georedkit/internal/lab/images"
)

// Machine is everything that decides a node's configuration.
type Machine struct {
	Site        address.Site
	Node        address.Node
	Folder      string // the node's own
	SiteFolder  string
	Bin         string            // the laboratory's programs
	Stores      map[string]string // more folders of this machine, by where containers see them
	Cgroup      string            // the node's, relative to the root of the hierarchy
	Snapshotter string
	Runc        string
}

// MTU is that of the pods' network: what fits into the mesh's tunnels.
const MTU = 1420

// APIPort is the port of the API server on the first node.
const APIPort = 6443

// ControlPlane tells whether the node runs the site's control plane.
func (m Machine) ControlPlane() bool { return m.Node.Number == 1 }

// Server is the address under which every node finds the site's API server.
func Server(site address.Site) string {
	return ServerAt(site.Nodes[0].LAN)
}

// ServerAt is the API server of an address.
func ServerAt(address netip.Addr) string { return fmt.Sprintf("https://%s:%d", address, APIPort) }

//go:embed templates
var templates embed.FS

var parsed = template.Must(template.ParseFS(templates, "templates/*"))

// Pause and MTU are read by templates.
func (Machine) Pause() string { return images.Pause }

// MTU is the one of the pods' network.
func (Machine) MTU() int { return MTU }

// Files are the node's configuration files by path below its folder. Keys and certificates are not among them.
func (m Machine) Files() (map[string][]byte, error) {
	spec, err := baseSpec(m.Bin, m.Stores)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{
		"config/base.json":   spec,
		"config/resolv.conf": []byte("# No server: pods that ask the node's get none.\n"),
	}
	names := map[string]string{
		"containerd.toml": "config/containerd.toml",
		"cni.conflist":    "config/cni/10-lab.conflist",
		"kubelet.yaml":    "config/kubelet.yaml",
		"kube-proxy.yaml": "config/kube-proxy.yaml",
	}
	if m.ControlPlane() {
		names["audit.yaml"] = "config/audit.yaml"
	}
	for name, path := range names {
		var text bytes.Buffer
		if err := parsed.ExecuteTemplate(&text, name, m); err != nil {
			return nil, fmt.Errorf("%s of %s: %w", name, m.Node.Name, err)
		}
		files[path] = text.Bytes()
	}
	return files, nil
}

func (m Machine) file(name string) string { return filepath.Join(m.Folder, "config", name) }

// VolumeFolder is where the volumes of the site's nodes are, with the node's name in place of %s.
func (m Machine) VolumeFolder() string { return filepath.Join(m.SiteFolder, "%s", "volumes") }

// AuditLog is where the site's API server writes what was changed.
func (m Machine) AuditLog() string { return filepath.Join(m.SiteFolder, "audit.log") }
