package ice

import (
	"net/netip"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"

	"github.com/georedkit/georedkit/dnsfed/coredns"
	"github.com/georedkit/georedkit/dnsfed/resolver"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
	"github.com/georedkit/georedkit/geored/probe"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/gateway"
)

// honest holds a check whose findings are made answer by answer to its rule, over three sites that answer alike.
func honest[T any](t *testing.T, id geored.CheckID, answer T, judge func(geored.Target, T) geored.Finding) {
	t.Helper()
	answers := map[geored.Target]T{{Site: "dc1", To: "dc2"}: answer, {Site: "dc2", To: "dc2"}: answer, {Site: "dc3", To: "dc2"}: answer}
	geotest.HonestAnswers(t, id, answers, func(a geored.Answers[T]) []geored.Finding { return a.Each(judge) })
}

// alone lets a judge of an answer be asked without its target.
func alone[T any](judge func(T) geored.Finding) func(geored.Target, T) geored.Finding {
	return func(_ geored.Target, answer T) geored.Finding { return judge(answer) }
}

// Without an answer of any site, no check passes.
func TestHonesty(t *testing.T) {
	skew := probe.Skew{Ahead: time.Millisecond, Error: time.Millisecond}
	clocks := map[geored.Target]probe.Skew{{Site: "dc1"}: skew, {Site: "dc2"}: skew, {Site: "dc3"}: skew}
	geotest.HonestAnswers(t, "site/clock", clocks, func(a geored.Answers[probe.Skew]) []geored.Finding {
		return []geored.Finding{judgeClocks(a)}
	})

	site := Site{DNSIP: netip.MustParseAddr("10.130.0.10"),
		Site: mesh.Site{Site: geored.Site{Name: "dc2", Pods: []netip.Prefix{netip.MustParsePrefix("10.120.0.0/16")}}}}
	node := geored.Node{Name: "dc2-1", PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.120.0.0/24")}}
	dns := coredns.DNS{Service: &corev1.Service{Spec: corev1.ServiceSpec{ClusterIP: "10.130.0.10"}},
		Deployments: []coredns.Deployment{{Name: "coredns", Behind: true, Pods: []coredns.Pod{{Name: "coredns-1", ImageID: "x", Ready: true}}}}}

	honest(t, CheckAnswers, "uid", judgeAnswer)
	honest(t, CheckPermissions, []string(nil), alone(judgePermissions))
	honest(t, CheckVersion, version.Info{Major: "1", Minor: "33", GitVersion: "v1.33.0"}, alone(judgeVersion))
	honest(t, CheckRanges, []geored.Node{node}, func(_ geored.Target, nodes []geored.Node) geored.Finding { return judgeRanges(site, nodes) })
	honest(t, CheckCNI, &corev1.ConfigMap{Data: map[string]string{"net-conf.json": `{"Backend":{"Type":"host-gw"}}`}}, alone(judgeCNI))
	honest(t, CheckStorageClass, []storagev1.StorageClass{{ObjectMeta: metav1.ObjectMeta{Name: "local", Annotations: map[string]string{defaultClass: "true"}}}}, alone(judgeClasses))
	honest(t, CheckDNSService, dns, func(_ geored.Target, dns coredns.DNS) geored.Finding { return judgeDNSService(site, dns) })
	honest(t, CheckNodeCache, dns, func(_ geored.Target, dns coredns.DNS) geored.Finding { return judgeNodeCaches(site, dns.NodeCaches) })
	honest(t, CheckAPIServer, reached{address: "192.168.1.106:6443"}, judgeReached)
	honest(t, CheckWireGuard, gateway.Support{Kernel: true}, func(t geored.Target, s gateway.Support) geored.Finding { return judgeSupport(t.Name, s) })
	honest(t, CheckPath, reach{mtu: 1500}, func(t geored.Target, p reach) geored.Finding { return judgePath(t, node, p) })
	honest(t, CheckFetch, fetched{url: "http://probe", who: probe.Identity{Site: "dc2"}}, judgeFetched)

	honest(t, CheckChangeOver, (*resolver.Watch)(nil), judgeChangeOver)

	servers := map[geored.Target]coredns.DNS{{Site: "dc1"}: dns, {Site: "dc2"}: dns, {Site: "dc3"}: dns}
	geotest.HonestAnswers(t, CheckNameServers, servers, coredns.Judge)
}
