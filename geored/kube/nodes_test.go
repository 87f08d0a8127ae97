package kube

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

func node(name string, podCIDRs []string, addresses ...corev1.NodeAddress) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.NodeSpec{PodCIDRs: podCIDRs}, Status: corev1.NodeStatus{Addresses: addresses}}
}

func TestNodes(t *testing.T) {
	c := &Cluster{client: fake.NewClientset(
		node("b", []string{"10.1.1.0/24", "fd00:1::/64"},
			corev1.NodeAddress{Type: corev1.NodeHostName, Address: "b"}, corev1.NodeAddress{Type: corev1.NodeExternalIP, Address: "192.0.2.1"},
			corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: "10.0.0.2"}, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: "fd00::2"}),
		node("a", nil, corev1.NodeAddress{Type: corev1.NodeHostName, Address: "a"}))}
	nodes, err := c.Nodes(t.Context())
	if got, want := fmt.Sprint(nodes), "[{a invalid IP  []} {b 10.0.0.2  [10.1.1.0/24 fd00:1::/64]}]"; err != nil || got != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
}

func TestNodesThatCannotBeRead(t *testing.T) {
	for want, bad := range map[string]*corev1.Node{
		"node x: InternalIP": node("x", nil, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: "10.0.0.300"}),
		"node y: podCIDRs":   node("y", []string{"10.1.1.0"}),
	} {
		nodes, err := (&Cluster{client: fake.NewClientset(bad)}).Nodes(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, %v, want %s", nodes, err, want)
		}
	}
}
