package kube

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/georedkit/georedkit/geored"
)

// nodeOf takes the first address of type InternalIP. The guide takes status.addresses[0], whatever type it has
// (ICE guide, 4.2.2), which may be a host name or an external address.
func nodeOf(item corev1.Node) (geored.Node, error) {
	node := geored.Node{Name: item.Name}
	for _, address := range item.Status.Addresses {
		if address.Type == corev1.NodeInternalIP && !node.InternalIP.IsValid() {
			ip, err := netip.ParseAddr(address.Address)
			if err != nil {
				return node, fmt.Errorf("node %s: InternalIP: %w", item.Name, err)
			}
			node.InternalIP = ip
		}
	}
	for _, text := range item.Spec.PodCIDRs {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return node, fmt.Errorf("node %s: podCIDRs: %w", item.Name, err)
		}
		node.PodCIDRs = append(node.PodCIDRs, prefix)
	}
	return node, nil
}

func sortedByName(nodes []geored.Node) []geored.Node {
	slices.SortFunc(nodes, func(a, b geored.Node) int { return cmp.Compare(a.Name, b.Name) })
	return nodes
}
