//go:build lab

package kube_test

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/georedkit/georedkit/creds"
	"github.com/georedkit/georedkit/creds/credstest"
	credskube "github.com/georedkit/georedkit/creds/kube"
	"github.com/georedkit/georedkit/creds/serving"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/internal/laboratory/labtest"
)

var lab = labtest.Shared{Sites: 2, APIServers: 2}

func TestMain(m *testing.M) { lab.Main(m) }

// pair is two real sites, of which dc2 is given access to dc1.
type pair struct {
	*labtest.Lab
	t        *testing.T
	source   *kube.Cluster
	receiver credskube.Receiver
	server   string       // of dc1, as dc2 reaches it
	inside   serving.Dial // nothing outside a site reaches its addresses
}

func sites(t *testing.T) *pair {
	t.Helper()
	l := lab.Up(t)
	p := &pair{Lab: l, t: t, server: serverOf(t, l)}
	p.source = p.open("dc1")
	p.inside = l.Dial("dc1-1")
	spec := kube.ProbeSpec{Namespace: "default", Name: "creds-probe", Site: "dc2", Image: l.Probe}
	objects, err := spec.Objects()
	p.must(err)
	// Pods reach the other site's nodes only where the mesh is up; nodes always do.
	for _, object := range objects {
		if object.GetKind() == "Pod" {
			object.Object["spec"].(map[string]any)["hostNetwork"] = true
		}
	}
	p.receiver = credskube.Receiver{Cluster: p.open("dc2"), Probe: spec.Probe(p.open("dc2"))}
	p.run(geored.StageOf("probe", p.receiver.Cluster.ApplyTask(taskStep("probe"), objects...)))
	return p
}

func taskStep(id string) geored.Step {
	return geored.Step{ID: geored.StepID(id), Target: id, Action: geored.Apply}
}

func (p *pair) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *pair) open(site geored.SiteName) *kube.Cluster {
	p.t.Helper()
	cluster, err := kube.Open(site, geored.KubeRef{Kubeconfig: filepath.Join(p.Dir, string(site)+".kubeconfig")})
	p.must(err)
	return cluster
}

func (p *pair) admin(site string) *rest.Config {
	p.t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", p.Kubeconfig(site))
	p.must(err)
	return config
}

func (p *pair) run(stages ...geored.Stage) {
	p.t.Helper()
	result, err := geored.Runbook{Name: "test", Stages: stages}.Run(p.t.Context(), geored.RunConfig{StepTimeout: 2 * time.Minute})
	for _, o := range result.Outcomes {
		p.t.Log(o.ID, o.Status, o.Took.Round(time.Millisecond), o.Detail)
	}
	p.must(err)
}

// account is a source whose account is there, with its role.
func (p *pair) account(account creds.Account, role credskube.Role) credskube.Source {
	p.t.Helper()
	source := credskube.Source{Cluster: p.source, Account: account, Role: role, Server: p.server, Dial: p.inside}
	roles, err := source.Objects()
	p.must(err)
	p.run(geored.StageOf("roles", p.source.ApplyTask(taskStep("roles"), roles...)))
	return source
}

// serverOf is the API server of dc1 as dc2 reaches it: by its node's address between the sites.
func serverOf(t *testing.T, l *labtest.Lab) string {
	t.Helper()
	text, err := os.ReadFile(l.Topology())
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Sites []struct {
			Nodes []geored.NodeFile `yaml:"nodes"`
		} `yaml:"sites"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	host, _, err := net.SplitHostPort(file.Sites[0].Nodes[0].Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	return "https://" + net.JoinHostPort(host, "6443")
}

func TestConformanceOnARealSite(t *testing.T) {
	p := sites(t)
	config := p.admin("dc1")
	client := func(c *rest.Config) *http.Client {
		made, err := rest.HTTPClientFor(c)
		p.must(err)
		return made
	}
	credstest.Conformance(t, credstest.API{URL: config.Host, Admin: client(config), Bare: client(rest.AnonymousClientConfig(config))})
}
