//go:build lab

package kube_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/probe"
	meshkube "github.com/georedkit/georedkit/mesh/kube"
)

var both = []string{"dc1 dc2", "dc2 dc1"}

func TestAMeshThatStands(t *testing.T) {
	r := joined(t)
	found := r.proves()
	for _, check := range []geored.CheckID{meshkube.CheckHandshake, meshkube.CheckPods, meshkube.CheckServices, meshkube.CheckTunnel, meshkube.CheckPathMTU} {
		for _, where := range both {
			found.has(check, where, geored.Pass)
		}
	}
	found.has(meshkube.CheckGateways, "dc1", geored.Pass, "has its 1 peers")
	found.has(meshkube.CheckGateways, "dc2", geored.Pass)
	found.has(meshkube.CheckPathMTU, "dc1 dc2", geored.Pass, "1420 bytes")
	if len(found.Findings) != 12 {
		found.log()
		t.Errorf("%d findings", len(found.Findings))
	}
}

// The stages of an installation that is carried out again cut nothing: a gateway that has peers keeps them.
func TestAGatewayIsNotLeftAloneAgain(t *testing.T) {
	r := joined(t)
	for _, site := range r.mesh.Network.Sites {
		if state, err := r.alone(site).Observe(t.Context()); err != nil || !state.Done {
			t.Errorf("%s: %+v, %v", site.Name, state, err)
		}
		r.must(r.alone(site).Apply(t.Context()))
	}
	r.proves()
}

// Pods beside the gateway and on the other node reach pods and services on both nodes of the other site.
func TestEveryNodeIsJoined(t *testing.T) {
	r := joined(t)
	for _, from := range []geored.SiteName{"dc1", "dc2"} {
		to := map[geored.SiteName]geored.SiteName{"dc1": "dc2", "dc2": "dc1"}[from]
		near, far := r.mesh.Ends[from], r.mesh.Ends[to]
		for _, asker := range []probe.Client{near.Probe.Probe(near.Gateways.Cluster), r.extra[from].Probe(near.Gateways.Cluster)} {
			for _, target := range []string{"probe", "beside"} {
				spec := far.Probe
				spec.Name = target
				podIP, serviceIP, err := spec.Addresses(t.Context(), far.Gateways.Cluster)
				if err != nil {
					t.Fatal(err)
				}
				for _, host := range []string{podIP + ":8080", serviceIP} {
					answer, err := probe.Ask(t.Context(), asker, probe.HTTP{URL: "http://" + host + "/"})
					if want := fmt.Sprintf(`{"site":%q,"pod":%q`, to, target); err != nil || !strings.HasPrefix(answer.Body, want) {
						t.Errorf("%s to %s: %s, %v", from, host, answer.Body, err)
					}
				}
			}
		}
	}
}

func TestACutLink(t *testing.T) {
	r := joined(t)
	for name, fault := range map[string][]string{
		"both ways":  {"cut", "dc1", "dc2"},
		"dc1 to dc2": {"cut-oneway", "dc1", "dc2"},
		"dc2 to dc1": {"cut-oneway", "dc2", "dc1"},
	} {
		t.Run(name, func(t *testing.T) {
			r := joined(t)
			r.Fault(fault[0], fault[1:]...)
			found := r.prove()
			found.has(meshkube.CheckGateways, "dc1", geored.Pass)
			for _, check := range []geored.CheckID{meshkube.CheckHandshake, meshkube.CheckPods, meshkube.CheckServices, meshkube.CheckTunnel, meshkube.CheckPathMTU} {
				for _, where := range both {
					found.has(check, where, geored.Fail)
				}
			}
		})
	}
	r.Mend()
	r.proves()
}

// What cannot be asked is unknown, and never worse or better.
func TestASiteThatDoesNotAnswer(t *testing.T) {
	r := joined(t)
	for name, fault := range map[string][]string{"frozen": {"freeze", "dc2"}, "without its API": {"pause", "dc2", "kube-apiserver"}} {
		t.Run(name, func(t *testing.T) {
			r := joined(t)
			r.Fault(fault[0], fault[1:]...)
			found := r.prove()
			found.has(meshkube.CheckGateways, "dc2", geored.Unknown)
			found.has(meshkube.CheckGateways, "dc1", geored.Unknown, "could not be planned")
			for _, check := range []geored.CheckID{meshkube.CheckHandshake, meshkube.CheckTunnel, meshkube.CheckPathMTU} {
				found.has(check, "", geored.Unknown, "needs mesh/gateways")
			}
			for _, check := range []geored.CheckID{meshkube.CheckPods, meshkube.CheckServices} {
				for _, where := range both {
					found.has(check, where, geored.Unknown)
				}
			}
		})
	}
	r.Mend()
	r.proves()
}

// A cut behind checks that need a planned mesh: the gateways answered, then a site is gone.
func TestASiteThatGoesSilentMeanwhile(t *testing.T) {
	r := joined(t)
	checks := meshkube.NewProof(r.mesh).Checks()
	checks[0].Run(t.Context())
	r.Fault("pause", "dc2", "kube-apiserver")
	checks = checks[1:]
	for i := range checks {
		checks[i].Needs = nil
	}
	found, err := geored.Prove(t.Context(), geored.CheckConfig{}, checks...)
	if err != nil {
		t.Fatal(err)
	}
	for _, check := range checks {
		for _, where := range both {
			report{t, found}.has(check.ID, where, geored.Unknown)
		}
	}
	r.Mend()
	r.proves()
}

func TestAProbeThatIsGone(t *testing.T) {
	r := joined(t)
	end := r.mesh.Ends["dc2"]
	objects, err := end.Probe.Objects()
	if err != nil {
		t.Fatal(err)
	}
	if err := end.Gateways.Cluster.Delete(t.Context(), objects[0]); err != nil {
		t.Fatal(err)
	}
	defer r.run(r.probes()...)
	r.until(func() bool {
		_, _, err := end.Probe.Addresses(t.Context(), end.Gateways.Cluster)
		return err != nil
	})
	found := r.prove()
	found.has(meshkube.CheckGateways, "dc2", geored.Pass)
	found.has(meshkube.CheckHandshake, "dc1 dc2", geored.Unknown, "probe of site dc2")
	found.has(meshkube.CheckHandshake, "dc2 dc1", geored.Pass)
	for _, check := range []geored.CheckID{meshkube.CheckPods, meshkube.CheckServices, meshkube.CheckTunnel, meshkube.CheckPathMTU} {
		for _, where := range both {
			found.has(check, where, geored.Unknown, `"probe" not found`)
		}
	}
}
