package ice

import (
	"errors"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/geored/kube"
)

// A site whose API server is silent is no site whose nodes are down: nothing is said of the ring. One that has no pods is.
func TestASilentSiteIsNoRing(t *testing.T) {
	d, servers := onServers(t, withApplications(2), Options{})
	servers["dc1"].put("/api/v1/namespaces/"+cassandraNamespace+"/secrets/"+cassandraSecret, table{"kind": "Secret", "apiVersion": "v1",
		"metadata": table{"name": cassandraSecret, "namespace": cassandraNamespace}, "data": table{"user": "bGFi", "password": "c2VjcmV0"}})
	ring, err := d.ring(t.Context())
	if err != nil {
		t.Fatalf("no pod is there: %v", err)
	}
	ring.Close()
	servers["dc2"].silent = true
	if _, err := d.ring(t.Context()); err == nil || !strings.Contains(err.Error(), "site dc2") || errors.Is(err, kube.ErrNoPod) {
		t.Errorf("its API server is silent: %v", err)
	}
}
