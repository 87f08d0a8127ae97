//go:build lab

package kube_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/internal/laboratory/labtest"
	"github.com/georedkit/georedkit/mesh"
	meshkube "github.com/georedkit/georedkit/mesh/kube"
)

var lab = labtest.Shared{Sites: 2, Nodes: 2}

func TestMain(m *testing.M) { lab.Main(m) }

const namespace = "mesh-test"

// rig is two sites of two nodes each. The gateways run on the first nodes, the proof's probes on the second.
type rig struct {
	*labtest.Lab
	t     *testing.T
	mesh  meshkube.Mesh
	extra map[geored.SiteName]kube.ProbeSpec // one more probe per site, beside its gateway
}

var (
	join   sync.Once
	stands bool
)

// joined gives the rig with its sites joined.
func joined(t *testing.T) *rig {
	t.Helper()
	r := &rig{Lab: lab.Up(t), t: t, extra: map[geored.SiteName]kube.ProbeSpec{}}
	r.mesh = meshkube.Mesh{Network: network(t, r.Topology()), Ends: map[geored.SiteName]meshkube.End{}}
	for _, site := range r.mesh.Network.Sites {
		cluster, err := kube.Open(site.Name, site.Kube)
		if err != nil {
			t.Fatal(err)
		}
		spec := kube.ProbeSpec{Namespace: namespace, Site: string(site.Name), Image: r.Probe}
		spec.Name, spec.Node = "beside", string(site.Name)+"-1"
		r.extra[site.Name] = spec
		spec.Name, spec.Node = "probe", string(site.Name)+"-2"
		r.mesh.Ends[site.Name] = meshkube.End{Gateways: meshkube.Gateways{Cluster: cluster, Namespace: namespace, Image: r.Probe}, Probe: spec}
	}
	join.Do(func() { r.install(); stands = true })
	if !stands {
		t.Fatal("the mesh was never joined")
	}
	return r
}

func network(t *testing.T, path string) mesh.Network {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Sites []struct {
			mesh.SiteFile `yaml:",inline"`
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	var n mesh.Network
	for _, f := range file.Sites {
		site, faults := f.Site()
		if err := faults.Err(); err != nil {
			t.Fatal(err)
		}
		site.Gateway = string(site.Name) + "-1"
		n.Sites = append(n.Sites, site)
	}
	return n
}

// install brings up gateways and probes, and joins them.
func (r *rig) install() {
	r.t.Helper()
	var tasks []geored.Task
	for _, site := range r.mesh.Network.Sites {
		tasks = append(tasks, r.alone(site))
	}
	r.run(tasks...) // makes the namespaces
	r.run(r.probes()...)
	r.join()
}

func (r *rig) probes() []geored.Task {
	r.t.Helper()
	var tasks []geored.Task
	for _, site := range r.mesh.Network.Sites {
		end := r.mesh.Ends[site.Name]
		for _, spec := range []kube.ProbeSpec{end.Probe, r.extra[site.Name]} {
			objects, err := spec.Objects()
			r.must(err)
			tasks = append(tasks, end.Gateways.Cluster.ApplyTask(step("probe", site.Name, spec.Name), objects...))
		}
	}
	return tasks
}

func (r *rig) alone(site mesh.Site) geored.Task {
	r.t.Helper()
	task, err := r.mesh.Ends[site.Name].Gateways.Task(step("alone", site.Name), r.mesh.Alone(site))
	r.must(err)
	return task
}

// join gives every gateway its peers, from the keys that are there now, and waits for the tunnels.
func (r *rig) join() {
	r.t.Helper()
	layout := r.layout()
	var tasks []geored.Task
	for _, site := range r.mesh.Network.Sites {
		config, err := r.mesh.Joined(site, layout)
		r.must(err)
		task, err := r.mesh.Ends[site.Name].Gateways.Task(step("joined", site.Name), config)
		r.must(err)
		tasks = append(tasks, task)
	}
	r.run(tasks...)
	tunnels := r.mesh.TunnelTasks(layout)
	for i := range tunnels {
		tunnels[i].Step = step("tunnel", geored.SiteName(fmt.Sprint(i)))
	}
	r.run(tunnels...)
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) layout() mesh.Layout {
	r.t.Helper()
	layout, err := r.mesh.Plan(r.mesh.Observe(context.WithoutCancel(r.t.Context())))
	r.must(err)
	return layout
}

func step(what string, site geored.SiteName, rest ...string) geored.Step {
	id := strings.Join(append([]string{what, string(site)}, rest...), "/")
	return geored.Step{ID: geored.StepID(id), Target: what, Action: geored.Apply}
}

func (r *rig) run(tasks ...geored.Task) {
	r.t.Helper()
	book := geored.Runbook{Name: r.t.Name(), Stages: []geored.Stage{geored.StageOf("only", tasks...)}}
	result, err := book.Run(context.WithoutCancel(r.t.Context()), geored.RunConfig{})
	if err != nil {
		for _, o := range result.Outcomes {
			r.t.Logf("%s: %s: %s", o.ID, o.Status, o.Detail)
		}
		r.t.Fatal(err)
	}
}

// report is what the proof finds.
type report struct {
	t *testing.T
	geored.Report
}

func (r *rig) prove() report {
	r.t.Helper()
	found, err := geored.Prove(r.t.Context(), geored.CheckConfig{}, meshkube.NewProof(r.mesh).Checks()...)
	if err != nil {
		r.t.Fatal(err)
	}
	return report{r.t, found}
}

// proves waits until everything passes: after a cure, a handshake may take its time.
func (r *rig) proves() (found report) {
	r.t.Helper()
	// A node that was silent for 10 s takes its pods out of their services for a while.
	labtest.Until(r.t, "a mesh that stands", func() error {
		found = r.prove()
		return labtest.Passes(found.Report)
	})
	return found
}

func (r report) log() {
	r.t.Helper()
	for _, f := range r.Findings {
		r.t.Logf("%s %s %s: %s: %s %q", f.Check, f.Site, f.To, f.Verdict, f.Message, f.Evidence)
	}
}

// finding of a check about a site, or about the way from one to another: "dc1" or "dc1 dc2".
func (r report) finding(check geored.CheckID, where string) geored.Finding {
	for _, f := range r.Findings {
		if f.Check == check && strings.TrimSpace(fmt.Sprintf("%s %s", f.Site, f.To)) == where {
			return f
		}
	}
	return geored.Finding{}
}

// has holds the verdict against what is wanted, and its words with it.
func (r report) has(check geored.CheckID, where string, verdict geored.Verdict, words ...string) {
	r.t.Helper()
	f := r.finding(check, where)
	text := fmt.Sprint(f.Message, f.Evidence)
	for _, w := range words {
		if !strings.Contains(text, w) {
			r.t.Errorf("%s %s does not say %q: %s", check, where, w, text)
		}
	}
	if f.Verdict != verdict {
		r.t.Errorf("%s %s is %s, want %s: %s", check, where, f.Verdict, verdict, text)
	}
}
