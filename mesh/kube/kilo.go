package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/mesh/kilo"
)

// KiloNodes are a cluster's nodes as Kilo has them, by name. The faults are what Kilo passes over without a word, and
// what it has not written yet; they are no error.
func KiloNodes(ctx context.Context, c *kube.Cluster) ([]kilo.Node, geored.Faults, error) {
	if c == nil {
		return nil, nil, errNoCluster
	}
	list, err := c.Client().CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, nil, err
	}
	slices.SortFunc(list.Items, func(a, b corev1.Node) int { return strings.Compare(a.Name, b.Name) })
	var nodes []kilo.Node
	var faults geored.Faults
	for _, item := range list.Items {
		source := kilo.Source{Site: c.Site(), Name: item.Name, Annotations: item.Annotations, Labels: item.Labels}
		for _, text := range item.Spec.PodCIDRs {
			prefix, err := netip.ParsePrefix(text)
			if err != nil {
				return nil, nil, fmt.Errorf("node %s: spec.podCIDRs: %w", item.Name, err)
			}
			source.PodCIDRs = append(source.PodCIDRs, prefix)
		}
		node, more := kilo.ParseNode(source)
		nodes, faults = append(nodes, node), append(faults, more...)
	}
	return nodes, faults, nil
}

// ErrNoKilo says that a cluster does not know Kilo's Peer objects.
var ErrNoKilo = errors.New("the cluster knows no " + kilo.PeerPlural + " of " + kilo.APIVersion + ": Kilo is not installed")

// KiloPeers are a cluster's Peer objects, by name, without their preshared keys. The error wraps [ErrNoKilo] where there
// can be none.
func KiloPeers(ctx context.Context, c *kube.Cluster) ([]kilo.Peer, error) {
	if c == nil {
		return nil, errNoCluster
	}
	text, err := c.Client().Discovery().RESTClient().Get().AbsPath("/apis", kilo.APIVersion, kilo.PeerPlural).DoRaw(ctx)
	if apierrors.IsNotFound(err) {
		return nil, ErrNoKilo
	}
	if err != nil {
		return nil, err
	}
	var list struct{ Items []json.RawMessage }
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", kilo.PeerPlural, err)
	}
	peers := make([]kilo.Peer, 0, len(list.Items))
	for _, item := range list.Items {
		peer, err := kilo.ParsePeer(item)
		if err != nil {
			return nil, err
		}
		peers = append(peers, peer)
	}
	slices.SortFunc(peers, func(a, b kilo.Peer) int { return strings.Compare(a.Metadata.Name, b.Metadata.Name) })
	return peers, nil
}
