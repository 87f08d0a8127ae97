//go:build lab

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/examples/internal/ice"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/geored/probe"
	"github.com/georedkit/georedkit/internal/laboratory"
	"github.com/georedkit/georedkit/internal/laboratory/labtest"
	"github.com/georedkit/georedkit/mesh"
	meshkube "github.com/georedkit/georedkit/mesh/kube"
)

// nodeLab is a laboratory of two sites with two nodes each.
func nodeLab(t *testing.T) *lab {
	t.Helper()
	l := newLab(t)
	image, err := l.driver.ProbeImage(t.Context())
	if err == nil {
		_, err = l.driver.Up(t.Context(), laboratory.Spec{Name: l.name, Sites: 2, Nodes: 2, Images: []string{image}})
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// leaves drains a node, switches it off and takes it out of its cluster, as an operator does.
func (l *lab) leaves(site geored.SiteName, node string) {
	l.t.Helper()
	client := l.cluster(site).Client().CoreV1()
	l.fault("lose-node", string(site)+"/"+node)
	err := client.Nodes().Delete(l.t.Context(), node, metav1.DeleteOptions{})
	var pods *corev1.PodList
	if err == nil {
		pods, err = client.Pods(corev1.NamespaceAll).List(l.t.Context(), metav1.ListOptions{FieldSelector: "spec.nodeName=" + node})
	}
	if err != nil {
		l.t.Fatal(err)
	}
	now := int64(0)
	for _, pod := range pods.Items {
		if err := client.Pods(pod.Namespace).Delete(l.t.Context(), pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil && !apierrors.IsNotFound(err) {
			l.t.Fatal(err)
		}
	}
	labtest.Until(l.t, fmt.Sprintf("DNS of site %s without node %s", site, node), func() error {
		pods, err := client.Pods("kube-system").List(l.t.Context(), metav1.ListOptions{})
		if err == nil && !serves(pods.Items) {
			err = labtest.ErrNotYet
		}
		return err
	})
}

// serves says whether there are pods of Deployments, and all of them are ready: the name servers.
func serves(pods []corev1.Pod) bool {
	found := false
	for _, pod := range pods {
		if len(pod.OwnerReferences) == 0 || pod.OwnerReferences[0].Kind != "ReplicaSet" {
			continue
		}
		ready := slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue })
		if found = true; !ready {
			return false
		}
	}
	return found
}

// onlyNodes leaves a site with some of its nodes.
func onlyNodes(site string, names ...string) func(*ownFile) {
	return func(f *ownFile) {
		for _, s := range f.Sites {
			if s["name"] == site {
				s["nodes"] = slices.DeleteFunc(s["nodes"].([]any), func(n any) bool { return !slices.Contains(names, n.(map[string]any)["name"].(string)) })
			}
		}
	}
}

// pod is a pod on a node of a site, for as long as the test.
func (l *lab) pod(site geored.SiteName, node string) kube.ProbeSpec {
	l.t.Helper()
	spec := kube.ProbeSpec{Namespace: ice.Namespace, Name: "on-" + node, Site: string(site), Image: laboratory.ProbeRef, Node: node}
	objects, err := spec.Objects()
	if err != nil {
		l.t.Fatal(err)
	}
	up := geored.StageOf("pod", l.cluster(site).ApplyTask(geored.Step{ID: "pod", Target: "pod", Action: geored.Apply}, objects...))
	if _, err := (geored.Runbook{Name: "pod", Stages: []geored.Stage{up}}).Run(l.t.Context(), geored.RunConfig{}); err != nil {
		l.t.Fatal(err)
	}
	return spec
}

// crosses says what fails on the way between a pod and the other site's probe: by address, through the service, by name,
// and back.
func (l *lab) crosses(site, other geored.SiteName, pod kube.ProbeSpec) error {
	l.t.Helper()
	far := kube.ProbeSpec{Namespace: ice.Namespace, Name: "probe-" + string(other)}
	farPod, farService, err := far.Addresses(l.t.Context(), l.cluster(other))
	if err != nil {
		l.t.Fatal(err)
	}
	own, _, err := pod.Addresses(l.t.Context(), l.cluster(site))
	if err != nil {
		l.t.Fatal(err)
	}
	at := func(address string) string { return net.JoinHostPort(address, strconv.Itoa(probe.HTTPPort)) }
	ask := func(from kube.Probe, host, want string) error {
		answer, err := probe.Ask(l.t.Context(), from, probe.HTTP{URL: "http://" + host + "/", Timeout: 3 * time.Second})
		if err == nil && !strings.Contains(answer.Body, `"pod":"`+want+`"`) {
			err = fmt.Errorf("answered as %s", answer.Body)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", host, err)
		}
		return nil
	}
	near := pod.Probe(l.cluster(site))
	return errors.Join(ask(near, at(farPod), far.Name), ask(near, farService, far.Name), ask(near, far.Name+"."+ice.Namespace+".svc.cluster.local.", far.Name),
		ask(far.Probe(l.cluster(other)), at(own), pod.Name))
}

// passes wants a proven end of a run over sites of one's own.
func (l *lab) passes(what string, edit func(*ownFile), args ...string) {
	l.t.Helper()
	l.passesBut(what, "", edit, args...)
}

// passesBut is the same, but for one check.
func (l *lab) passesBut(what string, but geored.CheckID, edit func(*ownFile), args ...string) {
	l.t.Helper()
	c := l.told(l.own(edit, args...), func() call { return l.own(edit, append(slices.Clone(args), "-check")...) })
	report := c.report(l.t)
	report.Findings = slices.DeleteFunc(slices.Clone(report.Findings), func(f geored.Finding) bool { return f.Check == but || isAskedAgain(f) })
	if c.code != 0 || report.Verdict() != geored.Pass {
		l.t.Fatalf("%s: exit code %d\n%s\n%s", what, c.code, c.stderr, c.stdout)
	}
}

// fails wants a failed finding of a check that says those words.
func (l *lab) fails(c call, check geored.CheckID, words string) {
	l.t.Helper()
	for _, f := range c.report(l.t).Findings {
		if f.Check == check && f.Verdict == geored.Fail && strings.Contains(fmt.Sprint(f.Message, f.Evidence), words) {
			return
		}
	}
	l.t.Errorf("exit code %d: %s does not fail with %q\n%s\n%s", c.code, check, words, c.stderr, c.stdout)
}

// peersOf are the Peer objects of a site, by name.
func (l *lab) peersOf(site geored.SiteName) (names []string) {
	l.t.Helper()
	peers, err := meshkube.KiloPeers(l.t.Context(), l.cluster(site))
	if err != nil {
		l.t.Fatal(err)
	}
	for _, p := range peers {
		names = append(names, p.Metadata.Name)
	}
	return names
}

// A node joins a site that is installed, all nodes of a site go behind one leader, and the node leaves: each time one more
// run of the program, and a pod of that very node is asked before and after it.
func TestNodesComeAndGo(t *testing.T) {
	l := nodeLab(t)
	l.leaves("dc2", "dc2-2")
	alone, all := onlyNodes("dc2", "dc2-1"), onlyNodes("dc2", "dc2-1", "dc2-2")
	l.passes("without dc2-2", alone)
	if got := l.peersOf("dc1"); !slices.Equal(got, []string{"dc2-1"}) {
		t.Errorf("peers of dc1: %q", got)
	}

	l.fault("return-node", "dc2/dc2-2")
	joined := l.pod("dc2", "dc2-2")
	if err := l.crosses("dc2", "dc1", joined); err == nil {
		t.Fatal("a pod of a node that was never joined reaches the other site")
	}
	l.fails(l.own(all, "-check"), meshkube.CheckKiloNodes, "nodes[dc2-2].endpoint") // Kilo runs on it, and nobody told it where it is reached
	l.passes("with dc2-2", all)
	if got := l.peersOf("dc1"); !slices.Equal(got, []string{"dc2-1", "dc2-2"}) {
		t.Errorf("peers of dc1: %q", got)
	}
	if err := l.crosses("dc2", "dc1", joined); err != nil {
		t.Errorf("a pod of the new node: %v", err)
	}

	led := func(f *ownFile) { f.Granularity = "location" }
	l.fails(l.own(led, "-check"), meshkube.CheckKiloNodes, "Kilo keeps granularity full, and location is wanted")
	values := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(values, []byte("ice-kilo: {lab: {granularity: location}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// The guide wants a handshake on each node, and those that do not lead have no peer: the report says that they disagree.
	l.passesBut("one leader", "guide/4.2.5-wg", led, "-values", values)
	if got := l.peersOf("dc1"); len(got) != 1 {
		t.Errorf("peers of dc1: %q", got)
	}
	if err := l.crosses("dc2", "dc1", joined); err != nil {
		t.Errorf("a pod of a node that does not lead: %v", err)
	}

	l.passes("every node again", func(f *ownFile) { f.Granularity = "full" })
	key := l.keyAt("dc1", "dc2-2")
	l.leaves("dc2", "dc2-2")
	l.fails(l.own(alone, "-check"), meshkube.CheckKiloPeers, "dc2-2")
	l.passes("without dc2-2 again", alone)
	if got := l.peersOf("dc1"); !slices.Equal(got, []string{"dc2-1"}) {
		t.Errorf("peers of dc1: %q", got)
	}
	for _, node := range []string{"dc1-1", "dc1-2"} {
		device, err := meshkube.Observers{Cluster: l.cluster("dc1"), Namespace: ice.Namespace}.Device(t.Context(), node, "kilo0")
		if err != nil {
			t.Error(err)
		}
		if _, there := device.Peer(key); there {
			t.Errorf("%s still sends to the node that left", node)
		}
	}
}

// keyAt is the key of a node of another site as a site's Peer object has it.
func (l *lab) keyAt(site geored.SiteName, node string) mesh.PublicKey {
	l.t.Helper()
	peers, err := meshkube.KiloPeers(l.t.Context(), l.cluster(site))
	for _, p := range peers {
		if p.Metadata.Name == node {
			var key mesh.PublicKey
			if key, err = mesh.ParsePublicKey(p.Spec.PublicKey); err == nil {
				return key
			}
		}
	}
	l.t.Fatalf("site %s has no peer %s: %v", site, node, err)
	return mesh.PublicKey{}
}
