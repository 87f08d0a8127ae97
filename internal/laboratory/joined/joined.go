// Package joined joins the sites of a laboratory for tests, so that the pods of each reach those of the others by address
// and by name, and installs the laboratory's charts in them.
package joined

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/internal/laboratory/labtest"
	"github.com/georedkit/georedkit/mesh"
	meshkube "github.com/georedkit/georedkit/mesh/kube"
)

// Shared is a laboratory whose sites are joined when the first test asks for it; see [labtest.Shared].
type Shared struct {
	labtest.Shared

	once   sync.Once
	joined bool
}

// Sites are joined sites, for one test.
type Sites struct {
	*labtest.Lab
	Names    []geored.SiteName
	Clusters map[geored.SiteName]*kube.Cluster

	t       testing.TB
	network mesh.Network
}

const namespace = "georedkit-mesh"

// Up gives the joined sites to a test.
func (s *Shared) Up(t testing.TB) *Sites {
	t.Helper()
	sites := Found(t, s.Shared.Up(t))
	s.once.Do(func() {
		began := time.Now()
		sites.mesh()
		sites.names()
		t.Logf("joined %d sites in %s", len(sites.Names), time.Since(began).Round(100*time.Millisecond))
		s.joined = true
	})
	if !s.joined {
		t.Fatal("the sites were never joined")
	}
	return sites
}

// Found gives a test the sites of a laboratory that something else joins, such as the program under test.
func Found(t testing.TB, lab *labtest.Lab) *Sites {
	t.Helper()
	sites := &Sites{Lab: lab, Clusters: map[geored.SiteName]*kube.Cluster{}, t: t}
	sites.read()
	return sites
}

func (s *Sites) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *Sites) read() {
	s.t.Helper()
	text, err := os.ReadFile(s.Topology())
	s.must(err)
	var file struct {
		Sites []struct {
			mesh.SiteFile `yaml:",inline"`
		}
	}
	s.must(yaml.Unmarshal(text, &file))
	for _, written := range file.Sites {
		site, faults := written.Site()
		s.must(faults.Err())
		cluster, err := kube.Open(site.Name, site.Kube)
		s.must(err)
		s.Names, s.Clusters[site.Name] = append(s.Names, site.Name), cluster
		s.network.Sites = append(s.network.Sites, site)
	}
}

// mesh gives every site a gateway, and every gateway its peers.
func (s *Sites) mesh() {
	s.t.Helper()
	m := meshkube.Mesh{Network: s.network, Ends: map[geored.SiteName]meshkube.End{}}
	for _, site := range s.network.Sites {
		m.Ends[site.Name] = meshkube.End{Gateways: meshkube.Gateways{Cluster: s.Clusters[site.Name], Namespace: namespace, Image: s.Probe},
			Probe: kube.ProbeSpec{Namespace: namespace, Name: "probe", Site: string(site.Name), Image: s.Probe}}
	}
	configure := func(what string, layout *mesh.Layout) {
		var tasks []geored.Task
		for _, site := range s.network.Sites {
			config := m.Alone(site)
			if layout != nil {
				var err error
				config, err = m.Joined(site, *layout)
				s.must(err)
			}
			task, err := m.Ends[site.Name].Gateways.Task(Step(what, site.Name), config)
			s.must(err)
			tasks = append(tasks, task)
		}
		s.Run(tasks...)
	}
	configure("alone", nil) // makes the namespaces
	var probes []geored.Task
	for name, end := range m.Ends {
		objects, err := end.Probe.Objects()
		s.must(err)
		probes = append(probes, s.Clusters[name].ApplyTask(Step("probe", name), objects...))
	}
	s.Run(probes...)
	layout, err := m.Plan(m.Observe(s.t.Context()))
	s.must(err)
	configure("joined", &layout)
	tunnels := m.TunnelTasks(layout)
	for i := range tunnels {
		tunnels[i].Step = Step("tunnel", geored.SiteName(string(rune('a'+i))))
	}
	s.Run(tunnels...)
}

// Step is a step of a test.
func Step(what string, site geored.SiteName) geored.Step {
	return geored.Step{ID: geored.StepID(what + "/" + string(site)), Target: what, Action: geored.Apply}
}

// Run carries tasks out, with three minutes for each, and fails the test when one is not done.
func (s *Sites) Run(tasks ...geored.Task) {
	s.t.Helper()
	book := geored.Runbook{Name: s.t.Name(), Stages: []geored.Stage{geored.StageOf("only", tasks...)}}
	result, err := book.Run(context.WithoutCancel(s.t.Context()), geored.RunConfig{StepTimeout: 3 * time.Minute, Poll: 200 * time.Millisecond})
	if err != nil {
		for _, o := range result.Outcomes {
			s.t.Logf("%s: %s: %s", o.ID, o.Status, o.Detail)
		}
		s.t.Fatal(err)
	}
}
