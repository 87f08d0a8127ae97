package kube

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/geored/probe"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/gateway"
)

// Devices reads the WireGuard interfaces of one site's nodes from where they are. [Gateways] and [Observers] do.
type Devices interface {
	// Device gives the state of an interface. The error wraps [fs.ErrNotExist] when the node answers and has none.
	Device(ctx context.Context, node, link string) (mesh.DeviceState, error)
	// Sample gives two of them with a packet through each tunnel between.
	Sample(ctx context.Context, node string, question gateway.SampleQuestion) (mesh.Sample, error)
	// LinkMTU gives the MTU of the interface by which a node's packets to an address leave.
	LinkMTU(ctx context.Context, node string, to netip.Addr) (int, error)
}

// fleet is the pods of a DaemonSet that run the probe program on the nodes' own network.
type fleet struct {
	*kube.Cluster
	namespace, container, what string
	labels                     map[string]string
}

// errNoCluster is of a site that the network has and the mesh's Ends have not.
var errNoCluster = errors.New("no cluster is named: give each site of the network an end with one")

// pods are those that run, by node.
func (f fleet) pods(ctx context.Context) (map[string]kube.Probe, error) {
	if f.Cluster == nil {
		return nil, errNoCluster
	}
	selector := labels.SelectorFromSet(f.labels).String()
	list, err := f.Client().CoreV1().Pods(f.namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, err
	}
	pods := map[string]kube.Probe{}
	for _, item := range list.Items {
		if item.DeletionTimestamp == nil && item.Status.Phase == corev1.PodRunning {
			pods[item.Spec.NodeName] = kube.Probe{Cluster: f.Cluster, Namespace: f.namespace, Pod: item.Name, Container: f.container}
		}
	}
	return pods, nil
}

func (f fleet) on(ctx context.Context, node string) (kube.Probe, error) {
	pods, err := f.pods(ctx)
	if err != nil {
		return kube.Probe{}, err
	}
	if pod, ok := pods[node]; ok {
		return pod, nil
	}
	return kube.Probe{}, fmt.Errorf("node %s: no %s runs on it", node, f.what)
}

func (f fleet) device(ctx context.Context, node, link string) (mesh.DeviceState, error) {
	pod, err := f.on(ctx, node)
	if err != nil {
		return mesh.DeviceState{}, err
	}
	return askDevice(ctx, pod, link)
}

func askDevice(ctx context.Context, pod kube.Probe, link string) (mesh.DeviceState, error) {
	return probe.AskNamed[mesh.DeviceState](ctx, pod, gateway.AskDevice, gateway.DeviceQuestion{Interface: link})
}

func (f fleet) sample(ctx context.Context, node string, question gateway.SampleQuestion) (mesh.Sample, error) {
	pod, err := f.on(ctx, node)
	if err != nil {
		return mesh.Sample{}, err
	}
	return probe.AskNamed[mesh.Sample](ctx, pod, gateway.AskHandshakes, question)
}

func (f fleet) linkMTU(ctx context.Context, node string, to netip.Addr) (int, error) {
	pod, err := f.on(ctx, node)
	if err != nil {
		return 0, err
	}
	return probe.AskNamed[int](ctx, pod, gateway.AskLinkMTU, gateway.LinkQuestion{To: to})
}
