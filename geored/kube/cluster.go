package kube

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/georedkit/georedkit/geored"
)

// FieldManager is the owner of every field that this package applies.
const FieldManager = "georedkit"

// Cluster is the Kubernetes API of one site.
type Cluster struct {
	site    geored.SiteName
	config  *rest.Config
	client  kubernetes.Interface
	dynamic dynamic.Interface
	mapper  *restmapper.DeferredDiscoveryRESTMapper
}

// Open reads the kubeconfig of a site. It makes no connection. The error names the site, and the file or the context
// that is at fault.
func Open(site geored.SiteName, ref geored.KubeRef) (*Cluster, error) {
	rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: ref.Kubeconfig}
	overrides := &clientcmd.ConfigOverrides{CurrentContext: ref.Context}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("site %s: kubeconfig %s: %w", site, ref.Kubeconfig, err)
	}
	cluster, err := New(site, config)
	if err != nil {
		return nil, fmt.Errorf("site %s: kubeconfig %s: %w", site, ref.Kubeconfig, err)
	}
	return cluster, nil
}

// New is [Open] for those who have a client configuration. It does not change config.
func New(site geored.SiteName, config *rest.Config) (*Cluster, error) {
	config = rest.CopyConfig(config)
	config.UserAgent = FieldManager
	if config.QPS == 0 {
		config.QPS, config.Burst = 100, 200 // the default of 5 makes a run wait for itself
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(client.Discovery()))
	return &Cluster{site: site, config: config, client: client, dynamic: objects, mapper: mapper}, nil
}

// Site is the name of the cluster's site.
func (c *Cluster) Site() geored.SiteName { return c.site }

// Client is the typed client, for what this package does not offer.
func (c *Cluster) Client() kubernetes.Interface { return c.client }

// UID is the identity of the cluster: the UID of its namespace kube-system, which nothing but a new cluster changes.
func (c *Cluster) UID(ctx context.Context) (string, error) {
	namespace, err := c.client.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	return string(namespace.UID), nil
}

// Nodes are the cluster's nodes in the core's terms, sorted by name. An endpoint is not for the API server to know.
func (c *Cluster) Nodes(ctx context.Context) ([]geored.Node, error) {
	list, err := c.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	nodes := make([]geored.Node, 0, len(list.Items))
	for _, item := range list.Items {
		node, err := nodeOf(item)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, node)
	}
	return sortedByName(nodes), nil
}
