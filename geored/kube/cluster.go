package kube

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
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
	ref     geored.KubeRef // zero: it was not opened from a file
	config  *rest.Config
	client  kubernetes.Interface
	dynamic dynamic.Interface
	mapper  *restmapper.DeferredDiscoveryRESTMapper
}

// Open reads the kubeconfig of a site. It makes no connection. The error names the site, the file and what is wrong with
// it, such as a context that is not in it.
//
// A program that the kubeconfig names for a credential (exec) is started when the site is first asked. What it prints is
// the credential, and stands in no error; what it says on its standard error goes to that of this process, as with
// kubectl: prompts to log in are told there, and client-go has no other place for it.
func Open(site geored.SiteName, ref geored.KubeRef) (*Cluster, error) {
	if ref.Kubeconfig == "" {
		return nil, fmt.Errorf("site %s: no kubeconfig is named", site)
	}
	config, err := readKubeconfig(ref)
	if err == nil {
		var cluster *Cluster
		if cluster, err = New(site, config); err == nil {
			cluster.ref = ref
			return cluster, nil
		}
	}
	return nil, fmt.Errorf("site %s: kubeconfig %s: %w", site, ref.Kubeconfig, err)
}

// readKubeconfig takes nothing from the machine that the file does not say: client-go's usual way goes on with the
// cluster that the program itself runs in.
func readKubeconfig(ref geored.KubeRef) (*rest.Config, error) {
	file, err := (&clientcmd.ClientConfigLoadingRules{ExplicitPath: ref.Kubeconfig}).Load()
	if err != nil {
		return nil, err
	}
	name := cmp.Or(ref.Context, file.CurrentContext)
	if name == "" {
		return nil, fmt.Errorf("it has no current context: name one of %q", slices.Sorted(maps.Keys(file.Contexts)))
	}
	context, ok := file.Contexts[name]
	if !ok {
		return nil, fmt.Errorf("context %q is not in it: it has %q", name, slices.Sorted(maps.Keys(file.Contexts)))
	}
	cluster, ok := file.Clusters[context.Cluster]
	if !ok {
		return nil, fmt.Errorf("context %q: cluster %q is not in it", name, context.Cluster)
	}
	if _, ok := file.AuthInfos[context.AuthInfo]; !ok && context.AuthInfo != "" {
		return nil, fmt.Errorf("context %q: user %q is not in it", name, context.AuthInfo)
	}
	if strings.Contains(cluster.Server, "@") {
		return nil, fmt.Errorf("cluster %q: its server holds a user name: write it among the users", context.Cluster) // errors show the server
	}
	if !isProxy(cluster.ProxyURL) {
		return nil, fmt.Errorf("cluster %q: its proxy-url is none: write http://, https:// or socks5://HOST:PORT, and what is odd in a password as %%XX", context.Cluster)
	}
	return clientcmd.NewNonInteractiveClientConfig(*file, name, &clientcmd.ConfigOverrides{}, nil).ClientConfig()
}

// isProxy is asked before client-go is, whose error shows the whole URL with its password. Empty is fine.
func isProxy(text string) bool {
	u, err := url.Parse(text)
	return text == "" || err == nil && u.Host != "" && slices.Contains([]string{"http", "https", "socks5"}, u.Scheme)
}

// New is [Open] for those who have a client configuration. It does not change config.
func New(site geored.SiteName, config *rest.Config) (*Cluster, error) {
	config = rest.CopyConfig(config)
	config.UserAgent = FieldManager
	if config.QPS == 0 {
		config.QPS, config.Burst = 100, 200 // the default of 5 makes a run wait for itself
	}
	if config.WarningHandler == nil {
		config.WarningHandler = rest.NoWarnings{} // client-go's own prints
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

// Config is a copy of the client configuration, for what builds clients of its own.
func (c *Cluster) Config() *rest.Config { return rest.CopyConfig(c.config) }

// Mapper finds where objects of a kind live. Its calls take no context.
func (c *Cluster) Mapper() meta.ResettableRESTMapper { return c.mapper }

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
