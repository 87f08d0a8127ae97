package ice

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"

	"github.com/georedkit/georedkit/dnsfed/coredns"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube/helm"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/gateway"
)

var dc1 = Site{Site: mesh.Site{Site: geored.Site{Name: "dc1", Pods: []netip.Prefix{netip.MustParsePrefix("10.90.0.0/16")},
	Services: []netip.Prefix{netip.MustParsePrefix("10.100.0.0/16")}}}, DNSIP: netip.MustParseAddr("10.100.0.10"), APIServerIP: netip.MustParseAddr("10.100.0.1")}

func flannelWith(text string) *corev1.ConfigMap {
	return &corev1.ConfigMap{Data: map[string]string{"net-conf.json": text}}
}

func classes(isDefault ...string) []storagev1.StorageClass {
	var list []storagev1.StorageClass
	for i, value := range isDefault {
		list = append(list, storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: string('a' + rune(i)), Annotations: map[string]string{defaultClass: value}}})
	}
	return list
}

func dnsAt(ip string) coredns.DNS {
	return coredns.DNS{Service: &corev1.Service{Spec: corev1.ServiceSpec{ClusterIP: ip}}}
}

func cache(corefile string) []coredns.NodeCache {
	return []coredns.NodeCache{{Name: "nodelocaldns", Corefile: corefile}}
}

func nodesWith(slices ...string) []geored.Node {
	var nodes []geored.Node
	for _, text := range slices {
		n := geored.Node{Name: "n"}
		if text != "" {
			n.PodCIDRs = []netip.Prefix{netip.MustParsePrefix(text)}
		}
		nodes = append(nodes, n)
	}
	return nodes
}

// Each check passes, fails and cannot tell. That a silent site makes it unknown is for Ask to see to, and tested there.
func TestPreflightJudges(t *testing.T) {
	way := geored.Target{Site: "dc1", To: "dc2", Name: "dc2-1"}
	endpoint, err := geored.ParseEndpoint("192.168.1.106:51820")
	if err != nil {
		t.Fatal(err)
	}
	far := geored.Node{Name: "dc2-1", Endpoint: endpoint}
	cases := map[string]struct {
		got  geored.Finding
		want geored.Verdict
		says string
	}{
		"version tried":               {judgeVersion(version.Info{Major: "1", Minor: "33", GitVersion: "v1.33.1"}), geored.Pass, "v1.33.1"},
		"version of a vendor":         {judgeVersion(version.Info{Major: "1", Minor: "31+"}), geored.Pass, ""},
		"version too old":             {judgeVersion(version.Info{Major: "1", Minor: "28"}), geored.Fail, "older than 1.29"},
		"version not tried":           {judgeVersion(version.Info{Major: "1", Minor: "99"}), geored.Warn, "newer than"},
		"version that is none":        {judgeVersion(version.Info{Major: "1", Minor: "x"}), geored.Unknown, "cannot be read"},
		"slices":                      {judgeRanges(dc1, nodesWith("10.90.0.0/24", "10.90.1.0/24")), geored.Pass, "2 nodes"},
		"no slice":                    {judgeRanges(dc1, nodesWith("10.90.0.0/24", "")), geored.Fail, "has no slice"},
		"slice of another range":      {judgeRanges(dc1, nodesWith("10.244.0.0/24")), geored.Fail, "lies outside"},
		"slice larger than the range": {judgeRanges(dc1, nodesWith("10.0.0.0/8")), geored.Fail, "lies outside"},
		"no node":                     {judgeRanges(dc1, nil), geored.Fail, "no node"},
		"host-gw":                     {judgeCNI(flannelWith(`{"Network": "10.90.0.0/16", "Backend": {"Type": "host-gw"}}`)), geored.Pass, "host-gw"},
		"vxlan":                       {judgeCNI(flannelWith(`{"Backend": {"Type": "vxlan"}}`)), geored.Fail, "vxlan, not host-gw"},
		"flannel without back end":    {judgeCNI(flannelWith(`{}`)), geored.Unknown, "names no back end"},
		"flannel unreadable":          {judgeCNI(flannelWith(`?`)), geored.Unknown, "names no back end"},
		"no flannel":                  {judgeCNI(nil), geored.Skipped, "no flannel"},
		"one default class":           {judgeClasses(classes("false", "true")), geored.Pass, "storage class b"},
		"no default class":            {judgeClasses(classes("false")), geored.Fail, "0 of 1"},
		"two default classes":         {judgeClasses(classes("true", "true")), geored.Fail, "2 of 2"},
		"DNS service":                 {judgeDNSService(dc1, dnsAt("10.100.0.10")), geored.Pass, ""},
		"DNS at another address":      {judgeDNSService(dc1, dnsAt("10.100.0.11")), geored.Fail, "not dnsIP 10.100.0.10"},
		"no DNS service":              {judgeDNSService(dc1, coredns.DNS{}), geored.Fail, "no Service kube-dns"},
		"no node cache":               {judgeNodeCaches(dc1, nil), geored.Pass, "no DNS cache"},
		"node cache":                  {judgeNodeCaches(dc1, cache("forward . 10.100.0.10")), geored.Pass, "forwards to 10.100.0.10"},
		"node cache of another":       {judgeNodeCaches(dc1, cache("forward . 10.130.0.10")), geored.Fail, "somebody else"},
		"node cache unreadable":       {judgeNodeCaches(dc1, cache("")), geored.Unknown, "could not be read"},
		"permissions":                 {judgePermissions(nil), geored.Pass, "granted"},
		"a permission is missing":     {judgePermissions([]string{"delete secrets"}), geored.Fail, "may not delete secrets"},
		"interface is there":          {judgeSupport("n", gateway.Support{Present: true}), geored.Pass, "has its"},
		"kernel has WireGuard":        {judgeSupport("n", gateway.Support{Kernel: true, Tun: true}), geored.Pass, "kernel of node n has"},
		"TUN alone":                   {judgeSupport("n", gateway.Support{Tun: true}), geored.Warn, "in a process"},
		"no WireGuard at all":         {judgeSupport("n", gateway.Support{}), geored.Fail, "can have no WireGuard"},
		"way is open":                 {judgePath(way, far, reach{mtu: 1500}), geored.Pass, "UDP arrives"},
		"way is closed":               {judgePath(way, far, reach{err: errors.New("nothing comes back")}), geored.Fail, "does not arrive"},
		"way is narrow":               {judgePath(way, far, reach{mtu: 1400}), geored.Warn, "a tunnel of MTU 1420 does not fit"},
		"port is kilo0s":              {judgePath(way, far, reach{taken: true, ours: true}), geored.Skipped, "something listens"},
		"port is taken":               {judgePath(way, far, reach{taken: true}), geored.Fail, "WireGuard's kilo0 is not there"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if c.got.Verdict != c.want || !strings.Contains(c.got.Message, c.says) {
				t.Errorf("%s: %s, want %s: %s", c.got.Verdict, c.got.Message, c.want, c.says)
			}
			if (c.want == geored.Fail || c.want == geored.Warn) && c.got.Remedy == "" && !strings.Contains(c.says, "newer") && !strings.Contains(c.says, "no node") {
				t.Error("it names no remedy")
			}
		})
	}
}

func TestAPIServerIsAURLThatOthersReach(t *testing.T) {
	if got := dc1.apiServer(); got != "https://10.100.0.1" {
		t.Error(got)
	}
	six := dc1
	six.APIServerIP = netip.MustParseAddr("fd00::1")
	if got := six.apiServer(); got != "https://[fd00::1]" {
		t.Error(got)
	}
	six.APIServer = "https://api.dc1.example.org:6443"
	if got := six.apiServer(); got != six.APIServer {
		t.Error(got)
	}
}

// What -lint calls a secret stands in no file that is rendered, and no digest is made of it; what only names one stays.
func TestAnOverlayIsShownWithoutItsSecrets(t *testing.T) {
	of := func(secret string) Overlay {
		o, err := ParseOverlay(map[string][]byte{"a": []byte("ice-kilo: {smtp: {password: " + secret + ", user: me}, list: [{apiKey: " + secret + "}], existingSecrets: [name], token: {of: me}}")}, []string{"a"})
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	one, other := deploymentOf(t, Charts{Overlay: of("planted-one")}), deploymentOf(t, Charts{Overlay: of("planted-other")})
	files := map[string][]byte{}
	if err := one.addValues(files, "dc1", "a", KiloChart, helm.Values{}); err != nil {
		t.Fatal(err)
	}
	text := string(files["a"])
	if strings.Contains(text, "planted") || !strings.Contains(text, `"user": "me"`) || !strings.Contains(text, "existingSecrets") || !strings.Contains(text, `"of": "me"`) {
		t.Error(text)
	}
	if one.wantedChart("dc1", KiloChart, nil) != other.wantedChart("dc1", KiloChart, nil) {
		t.Error("the digest tells passwords apart")
	}
	if got := one.charts.Overlay.Of("dc1", KiloChart); !strings.Contains(fmt.Sprint(got), "planted-one") {
		t.Errorf("the password is not installed: %v", got)
	}
}

func deploymentOf(t *testing.T, charts Charts) *Deployment {
	t.Helper()
	d, _ := onServers(t, withApplications(2), Options{Charts: charts})
	return d
}

func TestOverlayIsByChartAndSite(t *testing.T) {
	files := map[string][]byte{"a": []byte("ice-kilo: {lab: {granularity: full}, x: 1}"), "b": []byte("ice-kilo: {lab: {granularity: location}}\nsites: {dc2: {ice-kilo: {x: 2}}}"),
		"c": []byte("ice-kylo: {}"), "d": []byte("ice-kilo: 1"), "e": []byte("ice-kilo: ["),
		"f": []byte("ice-kilo: {peers: [{publicKey: ___KEY_OF_DC2___}], a: {b: __X__}}"),
		"g": []byte("sites: 1"), "h": []byte("sites: {dc1: 1, dc2: {ice-kylo: {}, ice-kilo: {a: ___X___}}}")}
	overlay, err := ParseOverlay(files, []string{"a", "b"})
	if err != nil || overlay.Of("dc1", KiloChart)["lab"].(map[string]any)["granularity"] != "location" {
		t.Error(overlay, err)
	}
	if one, two := overlay.Of("dc1", KiloChart)["x"], overlay.Of("dc2", KiloChart)["x"]; fmt.Sprint(one, two) != "1 2" || overlay.Of("dc2", KiloChart)["lab"] == nil {
		t.Errorf("dc1 has %v, dc2 %v", one, two)
	}
	_, err = ParseOverlay(files, []string{"c", "d", "e", "f", "g", "h"})
	for _, want := range []string{"-values c ice-kylo: is no chart of this program", "-values d ice-kilo: holds no table", "-values e: cannot be read",
		"-values f: ice-kilo.a.b __X__: is a placeholder", "-values f: ice-kilo.peers[0].publicKey ___KEY_OF_DC2___: is a placeholder",
		"-values g sites: holds no table of sites", "-values h: sites dc1: holds no table of charts", "-values h sites.dc2.ice-kylo: is no chart", "-values h: sites.dc2.ice-kilo.a ___X___: is a placeholder"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant: %s", err, want)
		}
	}
	if faults := (Charts{Overlay: overlay}).faults([]geored.SiteName{"dc1"}); len(faults) != 1 || faults[0].Value != "dc2" {
		t.Errorf("values for a site that is none: %v", faults)
	}
}

// Who installs roles must hold what they grant, and what is asked for must be in the manifest that is rendered.
func TestRunnersRoleCoversWhatItGrants(t *testing.T) {
	objects, err := runnerObjects(Rules())
	if err != nil || len(objects) != 1 || objects[0].GetKind() != "ClusterRole" {
		t.Fatal(objects, err)
	}
	for _, r := range Rules() {
		if len(r.Verbs) == 0 || len(r.Resources) == 0 || len(r.APIGroups) != 1 || strings.Contains(strings.Join(append(r.Verbs, r.Resources...), ""), "*") {
			t.Errorf("rule %v", r)
		}
	}
	held := "pods secrets configmaps persistentvolumeclaims services" // of a namespace that is taken back: see kube.TakeBack
	for _, need := range []rbacv1.PolicyRule{rule("coordination.k8s.io", "leases", "get create update delete"), rule("", "namespaces", "delete"),
		rule("", held, "list"), rule("apps", "deployments statefulsets daemonsets", "list"), rule("batch", "cronjobs", "list")} {
		for _, verb := range need.Verbs {
			for _, resource := range need.Resources {
				if !allows(Rules(), need.APIGroups[0], resource, verb) {
					t.Errorf("%s %s is not in the role", verb, resource)
				}
			}
		}
	}
}

// allows says whether one of the rules grants a verb.
func allows(rules []rbacv1.PolicyRule, group, resource, verb string) bool {
	return slices.ContainsFunc(rules, func(r rbacv1.PolicyRule) bool {
		return r.APIGroups[0] == group && slices.Contains(r.Resources, resource) && slices.Contains(r.Verbs, verb)
	})
}

func TestEveryDepartureIsWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, x := range (*Deployment)(nil).Departures() {
		if seen[x.ID] || x.ID == "" || x.Section == "" || x.Guide == "" || x.Instead == "" || x.Why == "" {
			t.Errorf("%+v", x)
		}
		seen[x.ID] = true
	}
}
