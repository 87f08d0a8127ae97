// Package kube reaches Cassandra nodes that run as pods: nodetool is executed in the pod of a node, a node is restarted by
// deleting its pod, and one whose volume is lost is replaced by the next pod of its StatefulSet. The types to know are [Pods]
// and [Replacer]. For the connections of [cassandra.Config] see [Pods.Resolve], and the dialers of package geored/kube.
package kube

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

// Pods are the pods of a ring. A node's pod is the one with the address at which other nodes reach it.
type Pods struct {
	Clusters  []*kube.Cluster // of all sites
	Namespace string
	Container string // zero: the pod's only one
}

var (
	_ cassandra.Nodetool  = Pods{}
	_ cassandra.Restarter = Pods{}
)

// Run executes nodetool in the pod of a node. With an error, which is a [kube.ExitError] when nodetool said no, all that was
// printed comes too; without one its standard output alone: Java may write of its own options beside it.
func (p Pods) Run(ctx context.Context, n cassandra.Node, args ...string) (string, error) {
	output, err := p.run(ctx, n, args)
	if err != nil {
		return string(output.Stdout) + string(output.Stderr), fmt.Errorf("site %s: nodetool on %s: %w", n.Site, n.Internode, err)
	}
	return string(output.Stdout), nil
}

func (p Pods) run(ctx context.Context, n cassandra.Node, args []string) (kube.Output, error) {
	cluster, pod, err := p.pod(ctx, n)
	if err != nil {
		return kube.Output{}, err
	}
	return cluster.Exec(ctx, kube.Command{Namespace: p.Namespace, Pod: pod.Name, Container: p.Container, Argv: append([]string{"nodetool"}, args...)})
}

// Restart deletes the pod of a node, and no other that took its name or address meanwhile. It does not wait for the next one.
func (p Pods) Restart(ctx context.Context, n cassandra.Node) error {
	cluster, pod, err := p.pod(ctx, n)
	if err == nil {
		err = cluster.Client().CoreV1().Pods(p.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(pod.UID))})
	}
	if err != nil {
		return fmt.Errorf("site %s: restart node %s: %w", n.Site, n.Internode, err)
	}
	return nil
}

func (p Pods) cluster(site geored.SiteName) (*kube.Cluster, error) {
	for _, c := range p.Clusters {
		if c.Site() == site {
			return c, nil
		}
	}
	return nil, errors.New("the site has no cluster here")
}

// pod is the running pod with the node's address. Pods get other addresses when they start again: a node that is as it was
// seen a while ago may have none.
func (p Pods) pod(ctx context.Context, n cassandra.Node) (*kube.Cluster, corev1.Pod, error) {
	cluster, err := p.cluster(n.Site)
	if err != nil {
		return nil, corev1.Pod{}, err
	}
	address := n.Internode
	if !address.IsValid() {
		address = n.Address.Addr()
	}
	selector := fields.Set{"status.podIP": address.String(), "status.phase": string(corev1.PodRunning)}
	list, err := cluster.Client().CoreV1().Pods(p.Namespace).List(ctx, metav1.ListOptions{FieldSelector: selector.String()})
	if err != nil {
		return nil, corev1.Pod{}, err
	}
	if len(list.Items) != 1 {
		return nil, corev1.Pod{}, fmt.Errorf("%d running pods of namespace %s have this address: look at the ring again", len(list.Items), p.Namespace)
	}
	return cluster, list.Items[0], nil
}
