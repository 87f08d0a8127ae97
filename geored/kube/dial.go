package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
)

// ErrNoPod says that no pod of a cluster stands behind an address, now.
var ErrNoPod = errors.New("no pod stands behind it")

// Dial opens a TCP connection to where the address leads inside the cluster, through its API server (port-forward). It
// fits where clients of stores take a dial function: servers may go on telling addresses that only pods can reach. The
// address is one of
//
//	10.90.0.7:9042                            a pod
//	minio.ice-minio.svc:9000                  a Service: one of its ready pods
//	kafka-0.kafka.ice-kafka.svc:9092          a pod of a Service, by its host name
//
// where the cluster's domain may follow svc. The network must be TCP. The context ends the attempt, not the connection. A
// pod that refuses the port is told by the first read: the API server does not know before. The error is [ErrNoPod] when
// the cluster answered and knows no such pod. It needs the right to list pods, services and endpointslices and to create
// pods/portforward.
func (c *Cluster) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if !strings.HasPrefix(network, "tcp") {
		return nil, fmt.Errorf("site %s: dial %s: network %s is not forwarded; TCP is", c.site, address, network)
	}
	backend, err := c.locate(ctx, address)
	if err == nil {
		var conn net.Conn
		if conn, err = c.forward(ctx, backend); err == nil {
			return conn, nil
		}
	}
	return nil, fmt.Errorf("site %s: dial %s: %w", c.site, address, retriable(err))
}

// DialAny dials in the first of the clusters that has a pod behind the address: for stores whose servers tell of each
// other's addresses over all sites. When none has one, the error is [ErrNoPod] only if all of them answered.
func DialAny(clusters ...*Cluster) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if len(clusters) == 0 {
			return nil, fmt.Errorf("dial %s: no cluster is named", address)
		}
		var silent, absent []error
		for _, c := range clusters {
			conn, err := c.Dial(ctx, network, address)
			switch {
			case err == nil:
				return conn, nil
			case errors.Is(err, ErrNoPod):
				absent = append(absent, err)
			default:
				silent = append(silent, err)
			}
		}
		if len(silent) > 0 {
			return nil, errors.Join(silent...)
		}
		return nil, errors.Join(absent...)
	}
}

// Resolve gives the addresses of the pods that a name leads to inside the cluster, sorted: those of a Service's pods, or of
// the one with that host name. The error is [ErrNoPod] when there is none.
func (c *Cluster) Resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	name, err := parseInside(host)
	if err == nil {
		var found []discoveryv1.Endpoint
		if found, _, err = c.endpoints(ctx, name); err == nil {
			return addressesOf(found)
		}
	}
	return nil, fmt.Errorf("site %s: resolve %s: %w", c.site, host, retriable(err))
}

func addressesOf(endpoints []discoveryv1.Endpoint) ([]netip.Addr, error) {
	var all []netip.Addr
	for _, e := range endpoints {
		for _, text := range e.Addresses {
			a, err := netip.ParseAddr(text)
			if err != nil {
				return nil, err
			}
			all = append(all, a)
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all), nil
}

// backend is a port of a pod.
type backend struct {
	namespace, pod string
	address        netip.AddrPort
}

// inside is a name of the cluster's own DNS.
type inside struct{ host, service, namespace string } // host: of one pod; zero: any

// parseInside reads SERVICE.NAMESPACE.svc and HOST.SERVICE.NAMESPACE.svc, with or without the cluster's domain.
func parseInside(host string) (inside, error) {
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	switch at := slices.Index(labels, "svc"); at {
	case 2:
		return inside{service: labels[0], namespace: labels[1]}, nil
	case 3:
		return inside{host: labels[0], service: labels[1], namespace: labels[2]}, nil
	}
	return inside{}, errors.New("write SERVICE.NAMESPACE.svc, HOST.SERVICE.NAMESPACE.svc, or the address of a pod")
}

func (c *Cluster) locate(ctx context.Context, address string) (backend, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return backend{}, err
	}
	number, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return backend{}, fmt.Errorf("port %q is not a number", text)
	}
	port := uint16(number)
	if ip, err := netip.ParseAddr(host); err == nil {
		return c.podAt(ctx, netip.AddrPortFrom(ip.Unmap(), port))
	}
	name, err := parseInside(host)
	if err != nil {
		return backend{}, err
	}
	return c.podOf(ctx, name, port)
}

// podAt is the running pod that has the address.
func (c *Cluster) podAt(ctx context.Context, address netip.AddrPort) (backend, error) {
	selector := fields.Set{"status.podIP": address.Addr().String(), "status.phase": string(corev1.PodRunning)}.String()
	list, err := c.client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{FieldSelector: selector})
	if err != nil {
		return backend{}, err
	}
	if len(list.Items) == 0 {
		return backend{}, ErrNoPod
	}
	return backend{list.Items[0].Namespace, list.Items[0].Name, address}, nil
}

// podOf is a ready pod of a Service, and its port behind the Service's.
func (c *Cluster) podOf(ctx context.Context, name inside, port uint16) (backend, error) {
	service, err := c.client.CoreV1().Services(name.namespace).Get(ctx, name.service, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return backend{}, fmt.Errorf("%w: there is no such Service", ErrNoPod)
	}
	if err != nil {
		return backend{}, err
	}
	endpoints, ports, err := c.endpoints(ctx, name)
	if err != nil {
		return backend{}, err
	}
	if port, err = behind(*service, ports, port); err != nil {
		return backend{}, err
	}
	for _, e := range endpoints {
		if ref := e.TargetRef; ref != nil && ref.Kind == "Pod" {
			addresses, err := addressesOf([]discoveryv1.Endpoint{e})
			if err != nil {
				return backend{}, err
			}
			return backend{ref.Namespace, ref.Name, netip.AddrPortFrom(addresses[0], port)}, nil
		}
	}
	return backend{}, fmt.Errorf("%w: its endpoints are no pods of this cluster", ErrNoPod)
}

// behind is the pods' port for one of a Service's. Behind a headless Service they are the same, as for its clients.
func behind(service corev1.Service, ports map[string]uint16, port uint16) (uint16, error) {
	if service.Spec.ClusterIP == corev1.ClusterIPNone {
		return port, nil
	}
	for _, p := range service.Spec.Ports {
		if to, ok := ports[p.Name]; ok && p.Port == int32(port) {
			return to, nil
		}
	}
	return 0, fmt.Errorf("the Service has no port %d", port)
}

// endpoints are those of a name that are ready, and their ports by name.
func (c *Cluster) endpoints(ctx context.Context, name inside) ([]discoveryv1.Endpoint, map[string]uint16, error) {
	list, err := c.client.DiscoveryV1().EndpointSlices(name.namespace).List(ctx, metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + name.service})
	if err != nil {
		return nil, nil, err
	}
	var ready []discoveryv1.Endpoint
	ports := map[string]uint16{}
	for _, slice := range list.Items {
		for _, p := range slice.Ports {
			if p.Name != nil && p.Port != nil {
				ports[*p.Name] = uint16(*p.Port)
			}
		}
		for _, e := range slice.Endpoints {
			isIt := name.host == "" || e.Hostname != nil && *e.Hostname == name.host
			if isIt && len(e.Addresses) > 0 && (e.Conditions.Ready == nil || *e.Conditions.Ready) {
				ready = append(ready, e)
			}
		}
	}
	if len(ready) == 0 {
		return nil, nil, fmt.Errorf("%w: no endpoint is ready", ErrNoPod)
	}
	return ready, ports, nil
}
