package kube

import (
	"strings"
	"testing"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/gateway"
)

// A site of the network that has no end is told, and passes for nothing.
func TestASiteWithoutAnEnd(t *testing.T) {
	network := mesh.Network{Sites: []mesh.Site{{Site: geored.Site{Name: "dc1"}}, {Site: geored.Site{Name: "dc2"}}}}
	gateways, kiloMesh := Mesh{Network: network}, KiloMesh{Network: network}
	for name, proof := range map[string]*Proof{"gateways": NewProof(gateways), "Kilo": NewKiloProof(kiloMesh)} {
		report, err := geored.Prove(t.Context(), geored.CheckConfig{}, proof.Checks()...)
		if err != nil || report.Verdict() != geored.Unknown {
			t.Errorf("%s: %s, %v", name, report.Verdict(), err)
		}
		for _, f := range report.Findings {
			if f.Verdict != geored.Unknown {
				t.Errorf("%s: %+v", name, f)
			}
		}
		if !strings.Contains(report.Findings[0].Message, "no cluster is named") {
			t.Errorf("%s: %+v", name, report.Findings[0])
		}
	}
	if _, err := gateways.Plan(gateways.Observe(t.Context())); err == nil || !strings.Contains(err.Error(), "site dc1") || !strings.Contains(err.Error(), "no cluster is named") {
		t.Error(err)
	}
	if _, err := kiloMesh.Plan(kiloMesh.Observe(t.Context())); err == nil || !strings.Contains(err.Error(), "no cluster is named") {
		t.Error(err)
	}
	tasks := append(gateways.TunnelTasks(mesh.Layout{}), kiloMesh.TunnelTasks(mesh.Layout{})...)
	tasks = append(tasks, kiloMesh.SettledTask(geored.Step{}, network.Sites[0]), kiloMesh.PeersTask(geored.Step{}, "dc1", mesh.Full{}))
	for i, task := range tasks {
		if state, err := task.Observe(t.Context()); state.Done {
			t.Errorf("task %d: %+v, %v", i, state, err)
		}
	}
	if _, err := (Gateways{}).Task(geored.Step{}, gateway.Config{}); err == nil {
		t.Error("gateways of no cluster")
	}
	if _, err := (Observers{Image: "probe"}).Task(geored.Step{}); err == nil {
		t.Error("observers of no cluster")
	}
}
