package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
)

// served is a cluster whose API server gives fixed answers by path, and 503 for "down".
func served(t *testing.T, answers map[string]string) *Cluster {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := answers[r.URL.Path]
		w.Header().Set("Content-Type", "application/json")
		switch {
		case text == "down":
			w.WriteHeader(http.StatusServiceUnavailable)
		case !ok:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`)
		default:
			fmt.Fprint(w, text)
		}
	}))
	t.Cleanup(server.Close)
	c, err := New("dc1", &rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const (
	podsPath     = "/api/v1/pods"
	servicePath  = "/api/v1/namespaces/shop/services/db"
	slicesPath   = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"
	noPods       = `{"kind":"PodList","apiVersion":"v1","items":[]}`
	onePod       = `{"kind":"PodList","apiVersion":"v1","items":[{"metadata":{"namespace":"shop","name":"db-0"}}]}`
	service      = `{"kind":"Service","apiVersion":"v1","spec":{"clusterIP":"10.100.0.9","ports":[{"name":"cql","port":80}]}}`
	headless     = `{"kind":"Service","apiVersion":"v1","spec":{"clusterIP":"None","ports":[{"name":"cql","port":80}]}}`
	twoEndpoints = `{"kind":"EndpointSliceList","apiVersion":"discovery.k8s.io/v1","items":[{"ports":[{"name":"cql","port":9042}],"endpoints":[
		{"addresses":["10.90.0.9"],"hostname":"db-0","conditions":{"ready":false},"targetRef":{"kind":"Pod","namespace":"shop","name":"db-0"}},
		{"addresses":["10.90.0.8"],"hostname":"db-1","conditions":{"ready":true},"targetRef":{"kind":"Pod","namespace":"shop","name":"db-1"}}]}]}`
)

func TestWhereAnAddressLeads(t *testing.T) {
	for _, test := range []struct {
		name, address, service string
		want                   backend
	}{
		{"a pod", "10.90.0.9:9042", service, backend{"shop", "db-0", netip.MustParseAddrPort("10.90.0.9:9042")}},
		{"a pod, as IPv4 in IPv6", "[::ffff:10.90.0.9]:9042", service, backend{"shop", "db-0", netip.MustParseAddrPort("10.90.0.9:9042")}},
		{"a service leads to a pod that is ready, and its port", "db.shop.svc:80", service, backend{"shop", "db-1", netip.MustParseAddrPort("10.90.0.8:9042")}},
		{"with the domain", "db.shop.svc.cluster.local:80", service, backend{"shop", "db-1", netip.MustParseAddrPort("10.90.0.8:9042")}},
		{"headless: the port as it is", "db.shop.svc.cluster.local.:9042", headless, backend{"shop", "db-1", netip.MustParseAddrPort("10.90.0.8:9042")}},
		{"a pod by its name", "db-1.db.shop.svc:9042", headless, backend{"shop", "db-1", netip.MustParseAddrPort("10.90.0.8:9042")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := served(t, map[string]string{podsPath: onePod, servicePath: test.service, slicesPath: twoEndpoints})
			if got, err := c.locate(t.Context(), test.address); err != nil || got != test.want {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func TestAddressesThatLeadNowhere(t *testing.T) {
	all := map[string]string{podsPath: noPods, servicePath: service, slicesPath: twoEndpoints}
	for address, want := range map[string]string{
		"10.90.0.77:9042":       "no pod stands behind it",
		"db-0.db.shop.svc:9042": "no pod stands behind it: no endpoint is ready",
		"cache.shop.svc:80":     "no pod stands behind it: there is no such Service",
		"db.shop.svc:81":        "the Service has no port 81",
		"db.shop:80":            "write SERVICE.NAMESPACE.svc",
		"db.shop.svc":           "missing port",
		"db.shop.svc:cql":       `port "cql" is not a number`,
	} {
		_, err := served(t, all).Dial(t.Context(), "tcp", address)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "site dc1: dial "+address) {
			t.Errorf("%s: %v, want %q", address, err, want)
		}
		if nobody := strings.HasPrefix(want, ErrNoPod.Error()); errors.Is(err, ErrNoPod) != nobody {
			t.Errorf("%s: %v: no pod: %t", address, err, !nobody)
		}
	}
	if _, err := served(t, all).Dial(t.Context(), "udp", "10.90.0.9:53"); err == nil {
		t.Error("UDP was forwarded")
	}
}

// Who cannot be asked may have the pod.
func TestNoPodIsSaidOnlyWhenAllAnswered(t *testing.T) {
	without, down := served(t, map[string]string{podsPath: noPods}), served(t, map[string]string{podsPath: "down"})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if _, err := DialAny(without, without)(ctx, "tcp", "10.90.0.9:9042"); !errors.Is(err, ErrNoPod) {
		t.Errorf("both answered: %v", err)
	}
	if conn, err := DialAny()(ctx, "tcp", "10.90.0.9:9042"); err == nil || conn != nil {
		t.Errorf("nobody was asked: %v, %v", conn, err)
	}
	if _, err := DialAny(without, down)(ctx, "tcp", "10.90.0.9:9042"); err == nil || errors.Is(err, ErrNoPod) {
		t.Errorf("one did not answer: %v", err)
	}
}

func TestResolve(t *testing.T) {
	c := served(t, map[string]string{slicesPath: twoEndpoints})
	if got, err := c.Resolve(t.Context(), "db.shop.svc"); err != nil || fmt.Sprint(got) != "[10.90.0.8]" {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := c.Resolve(t.Context(), "db-0.db.shop.svc"); !errors.Is(err, ErrNoPod) {
		t.Errorf("a pod that is not ready: %v", err)
	}
}

func TestALeaseNowhereIsHeldByNobody(t *testing.T) {
	if err := NewLeaseLock(LeaseConfig{Name: "it"}).Acquire(t.Context()); err == nil {
		t.Error("no cluster has the lease, and it is held")
	}
}
