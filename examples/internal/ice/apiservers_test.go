package ice

import (
	"fmt"
	"net"
	"strings"
	"testing"
)

// listing is the endpoints of a site's API servers, as the service default/kubernetes has them.
func listing(addresses ...string) table {
	var endpoints []table
	for _, a := range addresses {
		endpoints = append(endpoints, table{"addresses": []string{a}})
	}
	return table{"kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1", "metadata": table{"name": "kubernetes", "namespace": "default",
		"labels": table{"kubernetes.io/service-name": "kubernetes"}}, "addressType": "IPv4", "endpoints": endpoints, "ports": []table{{"port": 6443}}}
}

const listingPath = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes"

// Each API server is reached where the topology says, and a single one by the kubeconfig; one of several that stands nowhere
// is asked at its own address, and at no other's.
func TestSingleAPIServersAreReached(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	here := listener.Addr().String()
	text := strings.Replace(good, "dnsIP: 10.130.0.53", fmt.Sprintf("apiServers: [{address: '10.99.2.101:6443', endpoint: %q}]", here), 1)
	d, servers := onServers(t, text, Options{})
	dialled := func(address string) string {
		t.Helper()
		conn, err := d.dial("dc2")(t.Context(), "tcp", address)
		if err != nil {
			return err.Error()
		}
		defer conn.Close()
		return conn.RemoteAddr().String()
	}
	servers["dc2"].put(listingPath, listing("127.0.0.2", "10.99.2.101"))
	if got := dialled("10.99.2.101:6443"); got != here {
		t.Errorf("the topology says %s: %s", here, got)
	}
	if got := dialled("127.0.0.2:1"); !strings.Contains(got, "127.0.0.2:1: connect: connection refused") {
		t.Errorf("one of two that is not in the topology: %s", got)
	}
	servers["dc2"].put(listingPath, listing("127.0.0.2"))
	if got, want := dialled("127.0.0.2:1"), strings.TrimPrefix(d.Clusters["dc2"].Config().Host, "http://"); got != want {
		t.Errorf("the only one: %s, want %s", got, want)
	}
}
