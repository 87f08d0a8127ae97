package coredns

import (
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/georedkit/georedkit/geored"
)

// As Kubespray writes it (roles/kubernetes-apps/ansible/templates/nodelocaldns-config.yml.j2).
const cacheFile = `cluster.local:53 {
    errors
    cache {
        success 9984 30
    }
    bind 169.254.25.10
    forward . 10.100.0.10 {
        force_tcp
    }
}
in-addr.arpa:53 {
    bind 169.254.25.10
    forward . 10.100.0.11
}
.:53 {
    bind 169.254.25.10
    forward . /etc/resolv.conf
}
`

func TestNodeCacheIsReadFromItsCorefile(t *testing.T) {
	service := &corev1.Service{Spec: corev1.ServiceSpec{ClusterIPs: []string{"10.100.0.10"}}}
	for name, c := range map[string]struct{ file, servers, upstreams string }{
		"kubespray":   {cacheFile, "169.254.25.10:53", "[10.100.0.10]"},
		"iptables":    {strings.ReplaceAll(cacheFile, "bind 169.254.25.10", "bind 169.254.25.10 10.100.0.10"), "169.254.25.10:53", "[10.100.0.10]"},
		"placeholder": {strings.ReplaceAll(strings.ReplaceAll(cacheFile, "169.254.25.10", "__PILLAR__LOCAL__DNS__"), "10.100.0.10", "__PILLAR__CLUSTER__DNS__"), "", "[]"},
		"no file":     {"", "", "[]"},
		"not a file":  {"{{{", "", "[]"},
	} {
		cache := nodeCacheOf("nodelocaldns", c.file)
		var servers []string
		for _, s := range cache.Servers("dc1", service) {
			servers = append(servers, s.Address.String())
		}
		if got := strings.Join(servers, " "); got != c.servers || fmt.Sprint(cache.Upstreams) != c.upstreams {
			t.Errorf("%s: servers %q, upstreams %v", name, got, cache.Upstreams)
		}
	}
}

func TestWaysPastTheServiceAreFound(t *testing.T) {
	service := &corev1.Service{Spec: corev1.ServiceSpec{ClusterIPs: []string{"10.100.0.10"}}}
	dns := func() DNS {
		return DNS{Service: service, Deployments: []Deployment{stock("new", true, "x")}, NodeCaches: []NodeCache{nodeCacheOf("nodelocaldns", cacheFile)}}
	}
	for want, spoil := range map[string]func(*DNS){
		"": func(*DNS) {},
		"node cache nodelocaldns asks 10.100.0.99": func(d *DNS) {
			d.NodeCaches[0] = nodeCacheOf("nodelocaldns", strings.ReplaceAll(cacheFile, "10.100.0.10", "10.100.0.99"))
		},
		"service upstream leads to old, and kube-dns to new": func(d *DNS) {
			d.Beside = []BesideService{{Name: "upstream", Leads: []string{"old"}, Queries: true}}
		},
	} {
		d := dns()
		spoil(&d)
		if got := strings.Join(d.problems(), "; "); (want == "") != (got == "") || !strings.HasPrefix(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	// A cache that asks another Service with the same name servers behind it is right; one for metrics is nobody's way.
	d := dns()
	d.NodeCaches[0] = nodeCacheOf("nodelocaldns", strings.ReplaceAll(cacheFile, "10.100.0.10", "10.100.0.99"))
	d.Beside = []BesideService{{Name: "upstream", Leads: []string{"new"}, Queries: true, clusters: []string{"10.100.0.99"}}, {Name: "metrics", Leads: []string{"old"}}}
	if got := d.problems(); len(got) > 0 {
		t.Errorf("%q", got)
	}
}

func TestChangeOversThatWouldLeaveSomebodyBehind(t *testing.T) {
	old := Deployment{Name: "old", live: &appsv1.Deployment{}}
	dns := DNS{Deployments: []Deployment{old}, Beside: []BesideService{{Name: "kube-dns-upstream", Leads: []string{"old"}, Queries: true}, {Name: "metrics", Leads: []string{"old"}}}}
	faults := dns.BesideFaults("dc1", "old", "older")
	if len(faults) != 1 || faults[0].Field != "service kube-dns-upstream" || faults[0].Site != geored.SiteName("dc1") || faults[0].Remedy == "" {
		t.Errorf("%v", faults)
	}
}
