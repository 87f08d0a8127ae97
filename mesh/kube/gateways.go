package kube

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/geored/probe"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/gateway"
)

// Gateways are the agents of one site.
type Gateways struct {
	Cluster    *kube.Cluster
	Namespace  string // is made too; it must admit pods on the host network
	Image      string // the probe image
	PullSecret string // name of a Secret of type kubernetes.io/dockerconfigjson in Namespace; zero: none
}

const (
	name     = "wireguard-gateway"
	stateDir = "/var/lib/georedkit"
)

var podLabels = map[string]string{"app.kubernetes.io/name": name}

// Task is a task that is done when every node of the site is as the config wants it: the gateway's interface without
// drift, the other nodes' routes in place.
func (g Gateways) Task(step geored.Step, c gateway.Config) (geored.Task, error) {
	objects, err := g.Objects(c)
	if err != nil {
		return geored.Task{}, err
	}
	task := g.Cluster.ApplyTask(step, objects...)
	applied := task.Observe
	task.Observe = func(ctx context.Context) (geored.State, error) {
		if state, err := applied(ctx); err != nil || !state.Done {
			return state, err
		}
		return g.state(ctx, c)
	}
	return task, nil
}

// state asks every agent.
func (g Gateways) state(ctx context.Context, c gateway.Config) (geored.State, error) {
	pods, err := g.pods(ctx)
	if err != nil {
		return geored.State{}, err
	}
	var targets []geored.Target
	byNode := map[string]pod{}
	for _, p := range pods {
		targets = append(targets, geored.Target{Site: g.Cluster.Site(), Name: p.node})
		byNode[p.node] = p
	}
	if _, ok := byNode[c.Node]; !ok {
		return geored.State{Detail: fmt.Sprintf("node %s, which is to be the gateway, runs no agent", c.Node)}, nil
	}
	answers := geored.Ask(ctx, targets, func(ctx context.Context, t geored.Target) (string, error) {
		if t.Name == c.Node {
			return g.deviceDrift(ctx, byNode[t.Name], c.Device)
		}
		return g.routeDrift(ctx, byNode[t.Name], c)
	})
	for _, silent := range answers.Unanswered() {
		return geored.State{}, silent
	}
	for t, drift := range answers.All() {
		if drift != "" {
			return geored.State{Detail: fmt.Sprintf("node %s: %s", t.Name, drift)}, nil
		}
	}
	return geored.State{Done: true, Detail: fmt.Sprintf("interface %s on %s, routes on %d other nodes", c.Device.Interface, c.Node, len(pods)-1)}, nil
}

func (g Gateways) deviceDrift(ctx context.Context, pod pod, wanted mesh.Device) (string, error) {
	state, err := g.device(ctx, pod, wanted.Interface)
	if remote := new(probe.RemoteError); errors.As(err, &remote) {
		return remote.Message, nil // the agent answers, the interface is not there yet
	}
	if err != nil {
		return "", err
	}
	if state.PublicKey.IsZero() {
		return "the interface has no key yet", nil
	}
	if wanted.PublicKey.IsZero() {
		wanted.PublicKey = state.PublicKey // whatever key the node made is the wanted one
	}
	if drift := wanted.Drift(state); len(drift) > 0 {
		return drift[0].String(), nil
	}
	return "", nil
}

func (g Gateways) routeDrift(ctx context.Context, pod pod, c gateway.Config) (string, error) {
	byGateway, err := probe.AskNamed[map[netip.Addr][]netip.Prefix](ctx, g.probe(pod), gateway.AskRoutes, struct{}{})
	if err != nil {
		return "", err
	}
	wanted := c.Device.Routes()
	var have []netip.Prefix
	for via, prefixes := range byGateway {
		for _, prefix := range prefixes {
			if !slices.Contains(c.InternalIPs, via) || !slices.Contains(wanted, prefix) {
				return fmt.Sprintf("still has a route to %s through %s", prefix, via), nil
			}
		}
		have = append(have, prefixes...)
	}
	for _, want := range wanted {
		if !slices.Contains(have, want) {
			return fmt.Sprintf("has no route to %s through the gateway", want), nil
		}
	}
	return "", nil
}

// Device asks the agent of a node for its interface. The error wraps a probe.RemoteError when the agent answers and the
// interface is not there.
func (g Gateways) Device(ctx context.Context, node, link string) (mesh.DeviceState, error) {
	pod, err := g.podOn(ctx, node)
	if err != nil {
		return mesh.DeviceState{}, err
	}
	return g.device(ctx, pod, link)
}

func (g Gateways) device(ctx context.Context, pod pod, link string) (mesh.DeviceState, error) {
	return probe.AskNamed[mesh.DeviceState](ctx, g.probe(pod), gateway.AskDevice, gateway.DeviceQuestion{Interface: link})
}

// Sample asks the agent of a node for two samples of its interface with a packet through each tunnel between them.
func (g Gateways) Sample(ctx context.Context, node string, question gateway.SampleQuestion) (mesh.Sample, error) {
	pod, err := g.podOn(ctx, node)
	if err != nil {
		return mesh.Sample{}, err
	}
	return probe.AskNamed[mesh.Sample](ctx, g.probe(pod), gateway.AskHandshakes, question)
}

type pod struct{ name, node string }

func (g Gateways) probe(p pod) kube.Probe {
	return kube.Probe{Cluster: g.Cluster, Namespace: g.Namespace, Pod: p.name, Container: "agent"}
}

// pods are the running agents.
func (g Gateways) pods(ctx context.Context) ([]pod, error) {
	selector := labels.SelectorFromSet(podLabels).String()
	list, err := g.Cluster.Client().CoreV1().Pods(g.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, err
	}
	var pods []pod
	for _, item := range list.Items {
		if item.DeletionTimestamp == nil && item.Status.Phase == corev1.PodRunning {
			pods = append(pods, pod{item.Name, item.Spec.NodeName})
		}
	}
	return pods, nil
}

func (g Gateways) podOn(ctx context.Context, node string) (pod, error) {
	pods, err := g.pods(ctx)
	if err != nil {
		return pod{}, err
	}
	for _, p := range pods {
		if p.node == node {
			return p, nil
		}
	}
	return pod{}, fmt.Errorf("node %s: no gateway agent runs on it", node)
}

// digest makes the pods of another config other pods.
func digest(c gateway.Config) (text []byte, sum string, err error) {
	text, err = json.MarshalIndent(c, "", "  ")
	return text, fmt.Sprintf("%x", sha256.Sum256(text))[:12], err
}
