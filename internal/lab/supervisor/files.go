package supervisor

import (
	"os"
	"path/filepath"

	"github.com/georedkit/georedkit/internal/lab/config"
	"github.com/georedkit/georedkit/internal/lab/pki"
	"github.com/georedkit/georedkit/internal/lab/wholefile"
)

// serviceAccounts is the name of the key that signs a site's tokens.
const serviceAccounts = "service-accounts"

// writeFiles renders the node's configuration. Keys that others hold a copy of stay, all else is made anew.
func (s *site) writeFiles(m config.Machine) error {
	files, err := m.Files()
	if err != nil {
		return err
	}
	for name, content := range files {
		path := filepath.Join(m.Folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Join(m.Folder, "log"), 0o755); err != nil {
		return err
	}
	return s.writeIdentities(m)
}

func (s *site) writeIdentities(m config.Machine) error {
	folder := filepath.Join(m.Folder, "config")
	if err := os.WriteFile(filepath.Join(folder, "ca.crt"), s.authority.Certificate, 0o644); err != nil {
		return err
	}
	if m.ControlPlane() {
		key, err := pki.KeepKey(s.lab.folder.certificates(s.plan.Name), serviceAccounts)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, serviceAccounts+".key"), key, 0o600); err != nil {
			return err
		}
	}
	for name, subject := range m.Identities() {
		pair, err := s.authority.Issue(subject)
		if err != nil {
			return err
		}
		if err := pair.Write(folder, name); err != nil {
			return err
		}
		if !config.WithKubeconfig(name) {
			continue
		}
		text := pki.Kubeconfig(config.Server(m.Site), m.Site.Name, s.authority.Certificate, pair)
		if err := os.WriteFile(filepath.Join(folder, name+".kubeconfig"), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// writeKubeconfig writes the file for people, which goes through the first tunnel.
func (s *site) writeKubeconfig() error {
	pair, err := s.authority.Issue(pki.Subject{Name: config.Admin, Groups: []string{"system:masters"}})
	if err != nil {
		return err
	}
	return wholefile.Write(s.lab.folder.kubeconfig(s.plan.Name), pki.Kubeconfig("https://"+s.tunnels[0].endpoint(), s.plan.Name, s.authority.Certificate, pair), 0o600)
}
