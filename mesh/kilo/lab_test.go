//go:build lab

package kilo_test

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/internal/laboratory/labtest"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/kilo"
	meshkube "github.com/georedkit/georedkit/mesh/kube"
)

var lab = labtest.Shared{Sites: 2, Nodes: 2}

func TestMain(m *testing.M) { lab.Main(m) }

const labNamespace = "kilo-test"

// rig is two sites of two nodes each that Kilo joins.
type rig struct {
	*labtest.Lab
	t    *testing.T
	mesh meshkube.KiloMesh
}

// kilos installs Kilo in both sites as that version, in that granularity, and joins them.
func kilos(t *testing.T, version string, granularity kilo.Granularity) *rig {
	t.Helper()
	r := &rig{Lab: lab.Up(t), t: t, mesh: meshkube.KiloMesh{Ends: map[geored.SiteName]meshkube.KiloEnd{}}}
	r.mesh.Network = labNetwork(t, r.Topology())
	for _, site := range r.mesh.Network.Sites {
		cluster, err := kube.Open(site.Name, site.Kube)
		must(t, cluster, err)
		r.mesh.Ends[site.Name] = meshkube.KiloEnd{
			Observers: meshkube.Observers{Cluster: cluster, Namespace: labNamespace, Image: r.Probe},
			Probe:     kube.ProbeSpec{Namespace: labNamespace, Name: "probe", Site: string(site.Name), Image: r.Probe, Node: string(site.Name) + "-2"},
		}
	}
	r.install(version, granularity)
	r.settle()
	r.join()
	return r
}

func labNetwork(t *testing.T, path string) mesh.Network {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, text, err)
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
		n.Sites = append(n.Sites, site)
	}
	return n
}

// chart is the templates of the laboratory's chart with their values put in.
func chart(t *testing.T, version string, granularity kilo.Granularity, site mesh.Site) []*kube.Object {
	t.Helper()
	values := map[string]any{
		"Chart": map[string]any{"AppVersion": version},
		"Values": map[string]any{"lab": map[string]any{"granularity": string(granularity)},
			"config": map[string]any{"multidatacenter": map[string]any{"wgCIDR": site.WireGuardCIDR.String()}}},
	}
	folder := filepath.Join("..", "..", "internal", "lab", "charts", "ice-kilo")
	var all bytes.Buffer
	for _, name := range []string{"crds/peers.yaml", "templates/rbac.yaml", "templates/daemonset.yaml"} {
		text, err := os.ReadFile(filepath.Join(folder, name))
		must(t, text, err)
		parsed, err := template.New(name).Parse(string(text))
		must(t, parsed, err)
		if err := parsed.Execute(&all, values); err != nil {
			t.Fatal(err)
		}
		all.WriteString("\n---\n")
	}
	objects, err := kube.ReadObjects(all.Bytes())
	return must(t, objects, err)
}

func labStep(parts ...string) geored.Step {
	return geored.Step{ID: geored.StepID(strings.Join(parts, "/")), Target: parts[0], Action: geored.Apply}
}

func (r *rig) run(stages ...geored.Stage) {
	r.t.Helper()
	result, err := geored.Runbook{Name: r.t.Name(), Stages: stages}.Run(context.WithoutCancel(r.t.Context()), geored.RunConfig{StepTimeout: 2 * time.Minute})
	if err != nil {
		for _, o := range result.Outcomes {
			r.t.Logf("%s: %s: %s", o.ID, o.Status, o.Detail)
		}
		r.t.Fatal(err)
	}
}

func (r *rig) install(version string, granularity kilo.Granularity) {
	r.t.Helper()
	var annotate, observe, start []geored.Task
	for _, site := range r.mesh.Network.Sites {
		end := r.mesh.Ends[site.Name]
		for _, node := range site.Nodes {
			annotate = append(annotate, meshkube.AnnotateTask(end.Observers.Cluster, labStep("annotate", node.Name), node.Name, kilo.Annotations(node.Endpoint, 10*time.Second)))
		}
		task, err := end.Observers.Task(labStep("observe", string(site.Name)))
		observe = append(observe, must(r.t, task, err))
		objects, err := end.Probe.Objects()
		start = append(start, end.Observers.Cluster.ApplyTask(labStep("kilo", string(site.Name)), chart(r.t, version, granularity, site)...),
			end.Observers.Cluster.ApplyTask(labStep("probe", string(site.Name)), must(r.t, objects, err)...))
	}
	r.run(geored.StageOf("annotate", annotate...), geored.StageOf("observe", observe...), geored.StageOf("start", start...))
}

func (r *rig) settle() {
	r.t.Helper()
	var tasks []geored.Task
	for _, site := range r.mesh.Network.Sites {
		tasks = append(tasks, r.mesh.SettledTask(labStep("settled", string(site.Name)), site))
	}
	r.run(geored.StageOf("settle", tasks...))
}

func (r *rig) plan() mesh.Full {
	r.t.Helper()
	full, err := r.mesh.Plan(r.mesh.Observe(context.WithoutCancel(r.t.Context())))
	return must(r.t, full, err)
}

// join makes the Peer objects, takes away those of an earlier layout, and waits for the tunnels.
func (r *rig) join() {
	r.t.Helper()
	full := r.plan()
	var tasks []geored.Task
	for _, site := range r.mesh.Network.Sites {
		cluster := r.mesh.Ends[site.Name].Observers.Cluster
		live, err := meshkube.KiloPeers(r.t.Context(), cluster)
		for _, p := range must(r.t, live, err) {
			if !strings.Contains(fmt.Sprint(allowed(full, site.Name)), p.Metadata.Name) {
				r.removePeer(cluster, p.Metadata.Name)
			}
		}
		tasks = append(tasks, r.mesh.PeersTask(labStep("peers", string(site.Name)), site.Name, full))
	}
	tunnels := r.mesh.TunnelTasks(full.Layout())
	for i := range tunnels {
		tunnels[i].Step = labStep("tunnel", fmt.Sprint(i))
	}
	r.run(geored.StageOf("peers", tasks...), geored.StageOf("tunnels", tunnels...))
}

func (r *rig) removePeer(cluster *kube.Cluster, name string) {
	r.t.Helper()
	object := &kube.Object{Object: map[string]any{"apiVersion": kilo.APIVersion, "kind": kilo.PeerKind, "metadata": map[string]any{"name": name}}}
	if err := cluster.Delete(r.t.Context(), object); err != nil {
		r.t.Fatal(err)
	}
}

type found struct {
	t *testing.T
	geored.Report
}

func (r *rig) prove() found {
	r.t.Helper()
	report, err := geored.Prove(r.t.Context(), geored.CheckConfig{}, meshkube.NewKiloProof(r.mesh).Checks()...)
	return found{r.t, must(r.t, report, err)}
}

// proves waits until everything passes: Kilo looks around every 30 s.
func (r *rig) proves() (report found) {
	r.t.Helper()
	labtest.Until(r.t, "a mesh that stands", func() error {
		report = r.prove()
		return labtest.Passes(report.Report)
	})
	return report
}

// has wants a finding of a check, about a site or from one to another, with that verdict and those words.
func (f found) has(check geored.CheckID, where string, verdict geored.Verdict, words ...string) {
	f.t.Helper()
	var seen []string
	for _, finding := range f.Findings {
		if finding.Check != check || strings.TrimSpace(fmt.Sprintf("%s %s", finding.Site, finding.To)) != where {
			continue
		}
		text := fmt.Sprint(finding.Message, finding.Evidence)
		seen = append(seen, string(finding.Verdict)+": "+text)
		all := finding.Verdict == verdict
		for _, w := range words {
			all = all && strings.Contains(text, w)
		}
		if all {
			return
		}
	}
	f.t.Errorf("%s %s: want %s %q, found %q", check, where, verdict, words, seen)
}

// until waits for a fault to bite.
func (r *rig) until(what string, so func() bool) {
	r.t.Helper()
	labtest.Until(r.t, what, func() error {
		if !so() {
			return labtest.ErrNotYet
		}
		return nil
	})
}

// carries says what a node sends to a peer, by its device.
func (r *rig) carries(site geored.SiteName, node string, key mesh.PublicKey) []netip.Prefix {
	r.t.Helper()
	var state mesh.DeviceState
	labtest.Until(r.t, "a look at kilo0 of "+node, func() (err error) {
		state, err = r.mesh.Ends[site].Observers.Device(r.t.Context(), node, "kilo0")
		return err
	})
	peer, _ := state.Peer(key)
	return peer.AllowedIPs
}
