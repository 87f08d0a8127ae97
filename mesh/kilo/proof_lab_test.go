//go:build lab

package kilo_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/geored/probe"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/kilo"
	meshkube "github.com/georedkit/georedkit/mesh/kube"
)

var (
	ways      = []string{"dc1 dc2", "dc2 dc1"}
	allChecks = []geored.CheckID{meshkube.CheckHandshake, meshkube.CheckPods, meshkube.CheckServices, meshkube.CheckTunnel, meshkube.CheckPathMTU}
)

// Each way of joining comes after the other too: with a tunnel for every node Kilo takes the site's own routes over, and
// a leader needs them.
func TestKiloJoinsSites(t *testing.T) {
	for _, how := range []struct {
		name, version string
		granularity   kilo.Granularity
		tunnels       int // of each site to the other
	}{
		{"every node, 0.7", "0.7", kilo.ByNode, 2},
		{"a leader, 0.6", "0.6", kilo.ByLocation, 1},
		{"every node again, 0.6", "0.6", kilo.ByNode, 2},
	} {
		t.Run(how.name, func(t *testing.T) {
			r := kilos(t, how.version, how.granularity)
			report := r.proves()
			for _, site := range []string{"dc1", "dc2"} {
				report.has(meshkube.CheckKiloNodes, site, geored.Pass, "2 nodes")
				report.has(meshkube.CheckKiloPeers, site, geored.Pass)
				report.has(meshkube.CheckGateways, site, geored.Pass)
			}
			for _, way := range ways {
				for _, check := range allChecks {
					report.has(check, way, geored.Pass)
				}
			}
			if device, _ := r.plan().Device("dc1", leaderOf(r, "dc1")); len(device.Peers) != how.tunnels {
				t.Errorf("%d tunnels", len(device.Peers))
			}
		})
	}
}

// leaderOf is a node of a site that has a tunnel.
func leaderOf(r *rig, site geored.SiteName) string {
	for g := range r.plan().Nodes() {
		if g.Site == site {
			return g.Node
		}
	}
	r.t.Fatalf("site %s: no node has a tunnel", site)
	return ""
}

func TestFaultsOfAKiloMesh(t *testing.T) {
	r := kilos(t, "0.7", kilo.ByNode)
	r.proves()
	cluster := r.mesh.Ends["dc1"].Observers.Cluster

	t.Run("the link is cut", func(t *testing.T) {
		r := &rig{Lab: lab.Up(t), t: t, mesh: r.mesh}
		r.Fault("cut", "dc1", "dc2")
		report := r.prove()
		for _, way := range ways {
			for _, check := range allChecks {
				report.has(check, way, geored.Fail)
			}
		}
		report.has(meshkube.CheckGateways, "dc1", geored.Pass) // everything is as Kilo was asked to have it
	})
	t.Run("a site does not answer", func(t *testing.T) {
		r := &rig{Lab: lab.Up(t), t: t, mesh: r.mesh}
		r.Fault("pause", "dc2", "kube-apiserver")
		report := r.prove()
		report.has(meshkube.CheckKiloNodes, "dc2", geored.Unknown)
		report.has(meshkube.CheckKiloNodes, "dc1", geored.Unknown, "could not be planned")
		for _, way := range ways {
			report.has(meshkube.CheckPods, way, geored.Unknown)
		}
	})
	r.proves()
	t.Run("somebody changed a peer", func(t *testing.T) {
		patchPeer(t, cluster, "dc2-1", `{"spec":{"endpoint":{"port":51999}}}`)
		r.prove().has(meshkube.CheckKiloPeers, "dc1", geored.Fail, "peer dc2-1: endpoint is 10.98.2.1:51999 instead of 10.98.2.1:51820")
	})
	t.Run("two peers claim one prefix", func(t *testing.T) {
		// By name dc2-1 comes first: Kilo leaves it with that one, and says nothing.
		patchPeer(t, cluster, "dc2-2", `{"spec":{"allowedIPs":["10.110.0.2/32","10.120.1.0/24","10.130.0.0/16"]}}`)
		r.prove().has(meshkube.CheckKiloPeers, "dc1", geored.Fail, "peer dc2-2 loses 10.130.0.0/16 to dc2-1")
	})
	t.Run("a peer is gone", func(t *testing.T) {
		key := keyOf(r, "dc2-1")
		r.removePeer(cluster, "dc2-1")
		r.until("Kilo takes the peer away", func() bool { return r.carries("dc1", "dc1-1", key) == nil })
		report := r.prove()
		report.has(meshkube.CheckKiloPeers, "dc1", geored.Fail, "peer dc2-1: object is missing")
		report.has(meshkube.CheckGateways, "dc1", geored.Fail, "peer dc2/dc2-1: publicKey is missing")
	})
	r.join()
	r.proves()
	t.Run("an annotation that Kilo passes over", func(t *testing.T) {
		annotate(t, cluster, "dc1-2", kilo.PersistentKeepalive, "10s")
		report := r.prove()
		report.has(meshkube.CheckKiloNodes, "dc1", geored.Warn, "is not a whole number")
		annotate(t, cluster, "dc1-2", kilo.PersistentKeepalive, "10")
	})
	r.proves()
}

func keyOf(r *rig, node string) mesh.PublicKey {
	for g := range r.plan().Nodes() {
		if g.Node == node {
			return g.PublicKey
		}
	}
	r.t.Fatalf("node %s has no tunnel", node)
	return mesh.PublicKey{}
}

func patchPeer(t *testing.T, cluster *kube.Cluster, name, patch string) {
	t.Helper()
	_, err := cluster.Client().Discovery().RESTClient().Patch(types.MergePatchType).AbsPath("/apis", kilo.APIVersion, kilo.PeerPlural, name).Body([]byte(patch)).DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
}

func annotate(t *testing.T, cluster *kube.Cluster, node, key, value string) {
	t.Helper()
	patch := `{"metadata":{"annotations":{"` + key + `":"` + value + `"}}}`
	if _, err := cluster.Client().CoreV1().Nodes().Patch(t.Context(), node, types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
}

// The owner of dc2's services hands over to the other node while somebody asks for a service: in two steps, of which the
// second begins when every node of dc1 was seen without the prefix.
func TestKiloHandsOver(t *testing.T) {
	r := kilos(t, "0.7", kilo.ByNode)
	full := r.plan()
	services := r.mesh.Network.Sites[1].Services[0]
	if owner := full.Owner("dc2", services); owner != "dc2-1" {
		t.Fatalf("the owner is %q", owner)
	}
	move, err := full.HandOver("dc2", "dc2-1", "dc2-2")
	must(t, move, err)
	first, second := keyOf(r, "dc2-1"), keyOf(r, "dc2-2")
	stages := r.mesh.HandOver(move)
	for i := range stages {
		bind := stages[i].Bind
		stages[i].Bind = func(ctx context.Context) ([]geored.Task, error) {
			for _, node := range []string{"dc1-1", "dc1-2"} {
				has := slices.Contains(r.carries("dc1", node, first), services)
				if takes := slices.Contains(r.carries("dc1", node, second), services); takes || has != (i == 0) {
					t.Errorf("stage %d begins with %s: the old owner has it %v, the new one %v", i, node, has, takes)
				}
			}
			return bind(ctx)
		}
	}
	r.run(stages...)
	for _, node := range []string{"dc1-1", "dc1-2"} {
		if !slices.Contains(r.carries("dc1", node, second), services) {
			t.Errorf("%s does not send to the new owner", node)
		}
	}
	// Carried out again, it takes nothing from the new owner.
	again, err := geored.Runbook{Name: "again", Stages: r.mesh.HandOver(move)}.Run(t.Context(), geored.RunConfig{})
	if err != nil || again.Count(geored.Unchanged) != len(again.Outcomes) {
		t.Errorf("again: %+v, %v", again.Outcomes, err)
	}
	// The services are reached through the new owner.
	end := r.mesh.Ends["dc2"]
	_, serviceIP, err := end.Probe.Addresses(t.Context(), end.Observers.Cluster)
	must(t, serviceIP, err)
	near := r.mesh.Ends["dc1"]
	answer, err := probe.Ask(t.Context(), near.Probe.Probe(near.Observers.Cluster), probe.HTTP{URL: "http://" + serviceIP + "/"})
	if err != nil || !strings.Contains(answer.Body, `"site":"dc2"`) {
		t.Errorf("%+v, %v", answer, err)
	}
	// Whoever plans as before sees it.
	r.prove().has(meshkube.CheckKiloPeers, "dc1", geored.Fail, "peer dc2-1: allowedIPs")
	r.join()
	r.proves()
}
