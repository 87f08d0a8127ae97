package kube

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
	name      = "wireguard-gateway"
	configKey = "gateway.json"
	stateDir  = "/var/lib/georedkit"
)

var podLabels = map[string]string{"app.kubernetes.io/name": name}

// Task is a task that is done when every node of the site is as the config wants it: the gateway's interface without
// drift, the other nodes' routes in place. A config without peers does not take the place of one with peers while the gateway has
// its key: those that it has stay.
//
// It is not taken back: interface and routes outlive the agents, and would go on with nobody to look after them.
func (g Gateways) Task(step geored.Step, c gateway.Config) (geored.Task, error) {
	if g.Cluster == nil {
		return geored.Task{}, errNoCluster
	}
	if _, err := g.Objects(c); err != nil {
		return geored.Task{}, err
	}
	step.Permanent = "the gateway's interface and the nodes' routes outlive their agents"
	step.ManualUndo = []string{g.Cluster.Kubectl("delete namespace " + g.Namespace),
		"ip link delete " + c.Device.Interface + " # on " + c.Node, "ip route flush proto 119 # on the other nodes"} // device.RouteProtocol
	return geored.Task{Step: step,
		Observe: func(ctx context.Context) (geored.State, error) {
			c, applied, err := g.applying(ctx, step, c)
			if err != nil {
				return geored.State{}, err
			}
			if state, err := applied.Observe(ctx); err != nil || !state.Done {
				return state, err
			}
			return g.state(ctx, c)
		},
		Apply: func(ctx context.Context) error {
			_, applied, err := g.applying(ctx, step, c)
			if err != nil {
				return err
			}
			return applied.Apply(ctx)
		},
	}, nil
}

// applying is the config with the peers that the gateway keeps, and the task that applies its objects.
func (g Gateways) applying(ctx context.Context, step geored.Step, c gateway.Config) (gateway.Config, geored.Task, error) {
	if len(c.Device.Peers) == 0 {
		live, err := g.live(ctx)
		if err != nil {
			return c, geored.Task{}, err
		}
		if live.Node == c.Node && g.hasKey(ctx, live) {
			c.Device.Peers, c.Device.PublicKey = live.Device.Peers, live.Device.PublicKey
		}
	}
	objects, err := g.Objects(c)
	return c, g.Cluster.ApplyTask(step, objects...), err
}

// hasKey is false where the gateway has lost the key of its config: its peers know another, and it must show its new one first.
func (g Gateways) hasKey(ctx context.Context, c gateway.Config) bool {
	state, err := g.Device(ctx, c.Node, c.Device.Interface)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	return err != nil || state.PublicKey == c.Device.PublicKey // who does not answer may have it
}

// live is the config that the agents have; zero: they have none.
func (g Gateways) live(ctx context.Context) (gateway.Config, error) {
	object, err := g.Cluster.Client().CoreV1().ConfigMaps(g.Namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return gateway.Config{}, nil
	}
	if err != nil {
		return gateway.Config{}, err
	}
	c, err := gateway.ParseConfig([]byte(object.Data[configKey]))
	if err != nil {
		return gateway.Config{}, fmt.Errorf("configmap %s/%s: %s: %w", g.Namespace, name, configKey, err)
	}
	return c, nil
}

// state asks every agent.
func (g Gateways) state(ctx context.Context, c gateway.Config) (geored.State, error) {
	byNode, err := g.fleet().pods(ctx)
	if err != nil {
		return geored.State{}, err
	}
	var targets []geored.Target
	for _, node := range slices.Sorted(maps.Keys(byNode)) {
		targets = append(targets, geored.Target{Site: g.Cluster.Site(), Name: node})
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
	return geored.State{Done: true, Detail: fmt.Sprintf("interface %s on %s, routes on %d other nodes", c.Device.Interface, c.Node, len(byNode)-1)}, nil
}

func (g Gateways) deviceDrift(ctx context.Context, agent kube.Probe, wanted mesh.Device) (string, error) {
	state, err := askDevice(ctx, agent, wanted.Interface)
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

func (g Gateways) routeDrift(ctx context.Context, agent kube.Probe, c gateway.Config) (string, error) {
	byGateway, err := probe.AskNamed[map[netip.Addr][]netip.Prefix](ctx, agent, gateway.AskRoutes, struct{}{})
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
	return g.fleet().device(ctx, node, link)
}

// Sample asks the agent of a node for two samples of its interface with a packet through each tunnel between them.
func (g Gateways) Sample(ctx context.Context, node string, question gateway.SampleQuestion) (mesh.Sample, error) {
	return g.fleet().sample(ctx, node, question)
}

// LinkMTU asks the agent of a node for the MTU of the interface by which packets to an address leave.
func (g Gateways) LinkMTU(ctx context.Context, node string, to netip.Addr) (int, error) {
	return g.fleet().linkMTU(ctx, node, to)
}

func (g Gateways) fleet() fleet {
	return fleet{Cluster: g.Cluster, namespace: g.Namespace, labels: podLabels, container: "agent", what: "gateway agent"}
}

// digest makes the pods of another config other pods.
func digest(c gateway.Config) (text []byte, sum string, err error) {
	text, err = json.MarshalIndent(c, "", "  ")
	return text, fmt.Sprintf("%x", sha256.Sum256(text))[:12], err
}
