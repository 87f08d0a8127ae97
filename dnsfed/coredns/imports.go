package coredns

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/dnsfed"
	"github.com/georedkit/georedkit/geored/kube"
)

// importsPath is where a cluster has its ServiceImports (sigs.k8s.io/mcs-api).
const importsPath = "/apis/multicluster.x-k8s.io/v1alpha1/serviceimports"

// importLabel names the ServiceImport that an EndpointSlice is of.
const importLabel = "multicluster.kubernetes.io/service-name"

// serviceImport is what is read of one.
type serviceImport struct {
	Metadata struct {
		Namespace string `json:"namespace"`
		Name      string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		Type  string   `json:"type"` // ClusterSetIP or Headless
		IPs   []string `json:"ips"`
		Ports []struct {
			Name     string `json:"name"`
			Protocol string `json:"protocol"`
			Port     uint16 `json:"port"`
		} `json:"ports"`
	} `json:"spec"`
}

// Imports reads the ServiceImports of a site; a cluster that does not know them has none. Sort order is the API's: by
// namespace and name.
func Imports(ctx context.Context, c *kube.Cluster) ([]dnsfed.Service, error) {
	text, err := c.Client().Discovery().RESTClient().Get().AbsPath(importsPath).DoRaw(ctx)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("serviceimports: %w", err)
	}
	var list struct{ Items []serviceImport }
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("serviceimports: %w", err)
	}
	published, err := c.Client().DiscoveryV1().EndpointSlices(metav1.NamespaceAll).List(ctx, metav1.ListOptions{LabelSelector: importLabel})
	if err != nil {
		return nil, fmt.Errorf("endpointslices: %w", err)
	}
	imports := make([]dnsfed.Service, len(list.Items))
	for i, item := range list.Items {
		imports[i] = item.service(c, published.Items)
	}
	return imports, nil
}

func (i serviceImport) service(c *kube.Cluster, slices []discoveryv1.EndpointSlice) dnsfed.Service {
	s := dnsfed.Service{Site: c.Site(), Namespace: i.Metadata.Namespace, Name: i.Metadata.Name}
	for _, text := range i.Spec.IPs {
		if a, err := netip.ParseAddr(text); err == nil && i.Spec.Type != "Headless" {
			s.Addresses = append(s.Addresses, a)
		}
	}
	for _, p := range i.Spec.Ports {
		s.Ports = append(s.Ports, dnsfed.Port{Name: p.Name, Protocol: strings.ToLower(p.Protocol), Number: p.Port})
	}
	for _, slice := range slices {
		if slice.Namespace == s.Namespace && slice.Labels[importLabel] == s.Name {
			s.Endpoints = append(s.Endpoints, endpointsOf(slice)...)
		}
	}
	return s
}
