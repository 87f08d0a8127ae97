// Package kube reaches Cassandra nodes that run as pods: nodetool is executed in the pod of a node. For the connections of
// [cassandra.Config] see the dialers of package geored/kube.
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

// Nodetool executes nodetool in the pods of nodes.
type Nodetool struct {
	Clusters  []*kube.Cluster // of all sites
	Namespace string
	Container string // zero: the pod's only one
}

var _ cassandra.Nodetool = Nodetool{}

// Run executes nodetool in the pod that has the address at which other nodes reach the node. What was printed comes also
// with an error, which is a [kube.ExitError] when nodetool said no.
func (t Nodetool) Run(ctx context.Context, n cassandra.Node, args ...string) (string, error) {
	output, err := t.run(ctx, n, args)
	text := string(output.Stdout) + string(output.Stderr)
	if err != nil {
		return text, fmt.Errorf("site %s: nodetool on %s: %w", n.Site, n.Internode, err)
	}
	return text, nil
}

func (t Nodetool) run(ctx context.Context, n cassandra.Node, args []string) (kube.Output, error) {
	cluster, err := t.cluster(n.Site)
	if err != nil {
		return kube.Output{}, err
	}
	pod, err := t.pod(ctx, cluster, n)
	if err != nil {
		return kube.Output{}, err
	}
	return cluster.Exec(ctx, kube.Command{Namespace: t.Namespace, Pod: pod, Container: t.Container, Argv: append([]string{"nodetool"}, args...)})
}

func (t Nodetool) cluster(site geored.SiteName) (*kube.Cluster, error) {
	for _, c := range t.Clusters {
		if c.Site() == site {
			return c, nil
		}
	}
	return nil, errors.New("the site has no cluster here")
}

// pod is the running pod with the node's address. Pods get other addresses when they start again: a node that is as it was
// seen a while ago may have none.
func (t Nodetool) pod(ctx context.Context, cluster *kube.Cluster, n cassandra.Node) (string, error) {
	address := n.Internode
	if !address.IsValid() {
		address = n.Address.Addr()
	}
	selector := fields.Set{"status.podIP": address.String(), "status.phase": string(corev1.PodRunning)}
	list, err := cluster.Client().CoreV1().Pods(t.Namespace).List(ctx, metav1.ListOptions{FieldSelector: selector.String()})
	if err != nil {
		return "", err
	}
	if len(list.Items) != 1 {
		return "", fmt.Errorf("%d running pods of namespace %s have this address: look at the ring again", len(list.Items), t.Namespace)
	}
	return list.Items[0].Name, nil
}
