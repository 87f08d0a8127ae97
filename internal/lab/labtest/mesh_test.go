package labtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const kiloKey = "kilo.squat.ai/key"

// meshRanges are the guide's.
var meshRanges = map[string]struct{ wireguard, pods, services string }{
	"dc1": {"10.80.0.0/16", "10.90.0.0/24", "10.100.0.0/16"},
	"dc2": {"10.110.0.0/16", "10.120.0.0/24", "10.130.0.0/16"},
}

var joined sync.Once

// mesh joins dc1 and dc2 as the guide's chapter 4.2 does, once for all tests.
func mesh(t *testing.T) (dc1, dc2 site) {
	t.Helper()
	sites := shared.Sites[:2]
	joined.Do(func() {
		for _, s := range sites {
			s.annotate(t, map[string]string{"kilo.squat.ai/force-endpoint": s.Nodes[0].Endpoint, "kilo.squat.ai/persistent-keepalive": "10"})
			shared.install(t, s, "ice-kilo-2.0.10.tgz", "kilo-"+s.Name, kiloValues(t, s, nil))
		}
		for i, s := range sites {
			shared.install(t, s, "ice-kilo-2.0.10.tgz", "kilo-"+s.Name, kiloValues(t, s, &sites[1-i]))
		}
	})
	return sites[0], sites[1]
}

func kiloValues(t *testing.T, s site, other *site) map[string]any {
	t.Helper()
	peers := []any{}
	if other != nil {
		endpoint := netip.MustParseAddrPort(other.Nodes[0].Endpoint)
		ranges := meshRanges[other.Name]
		own, err := netip.ParsePrefix(other.awaitAnnotation(t, "kilo.squat.ai/wireguard-ip", ""))
		if err != nil {
			t.Fatal(err)
		}
		peers = append(peers, map[string]any{
			"name": other.Name + "-1", "publicKey": other.awaitAnnotation(t, kiloKey, ""), "persistentKeepalive": 10,
			"allowedIPs": []string{ranges.pods, own.Addr().String() + "/32", ranges.services},
			"endpoint":   map[string]any{"ip": endpoint.Addr().String(), "port": endpoint.Port()},
		})
	}
	config := map[string]any{"multidatacenter": map[string]any{"wgCIDR": meshRanges[s.Name].wireguard}, "peers": peers, "enablePeers": other != nil}
	text, err := json.Marshal(map[string]any{"config": config})
	if err != nil {
		t.Fatal(err)
	}
	return values(t, string(text))
}

func (s site) annotate(t *testing.T, annotations map[string]string) {
	t.Helper()
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": annotations}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.client(t).CoreV1().Nodes().Patch(t.Context(), s.Nodes[0].Name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
}

// awaitAnnotation waits until the first node's annotation is there and another one than it was.
func (s site) awaitAnnotation(t *testing.T, key, was string) (value string) {
	t.Helper()
	eventually(t, s.Name+": annotation "+key, func() error {
		node, err := s.client(t).CoreV1().Nodes().Get(context.Background(), s.Nodes[0].Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if value = node.Annotations[key]; value == "" || value == was {
			return fmt.Errorf("it is %q", value)
		}
		return nil
	})
	return value
}

// Pods reach the other site's pods and Services, both ways, and seen from there they come from the node's WireGuard
// address: flannel's masquerading.
func TestKiloCarriesTraffic(t *testing.T) {
	dc1, dc2 := mesh(t)
	c1, c2 := dc1.cluster(t), dc2.cluster(t)
	for _, c := range []cluster{c1, c2} {
		c.create(t, pod("serves"))
		c.create(t, pod("asks", running("sleep", "infinity")))
	}
	for _, way := range []struct {
		from, to cluster
		source   string
	}{{c1, c2, "10.80.0.1"}, {c2, c1, "10.110.0.1"}} {
		way.from.ready(t, "asks")
		address := way.to.ready(t, "serves").Status.PodIP
		way.from.reaches(t, "asks", address+":8080", "serves")
		if text, err := way.from.fetch("asks", address+":8080"); err != nil || !strings.Contains(text, way.source+":") {
			t.Errorf("seen from there, it comes from %q, %v; want %s", text, err, way.source)
		}
		way.from.reaches(t, "asks", way.to.expose(t, "serves", false)+":80", "serves")
	}
	// A node reaches the other site's API server by its Service (the guide's check in 4.2.5).
	conn, err := dialInside(shared.pid(t, "dc1"), "tcp", net.JoinHostPort(dc2.APIServerIP, "443"))
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

// A hole in the path shows in bulk alone.
func TestHole(t *testing.T) {
	dc1, dc2 := mesh(t)
	c1, c2 := dc1.cluster(t), dc2.cluster(t)
	c2.create(t, pod("serves"))
	c1.create(t, pod("asks", running("sleep", "infinity")))
	address := c2.ready(t, "serves").Status.PodIP
	c1.ready(t, "asks")
	c1.reaches(t, "asks", address+":8080", "serves")
	// More than a socket's buffer holds, and less than the server reads before it gives up.
	bulk := func() error {
		_, err := c1.exec(t.Context(), "asks", nil, "timeout", "5", "bash", "-c", "head -c 900000 /dev/zero > /dev/tcp/"+address+"/8080")
		return err
	}
	eventually(t, "bulk before", bulk)
	shared.fault(t, "mend", "hole", "dc1", "dc2")
	if err := bulk(); err == nil {
		t.Error("bulk gets through")
	}
	c1.reaches(t, "asks", address+":8080", "serves")
	shared.fault(t, "", "mend", "dc1", "dc2")
	eventually(t, "bulk after the mend", bulk)
}

// A key that is lost is a node that nobody knows, until it has its own again.
func TestNewKey(t *testing.T) {
	dc1, dc2 := mesh(t)
	c1, c2 := dc1.cluster(t), dc2.cluster(t)
	c2.create(t, pod("serves"))
	c1.create(t, pod("asks", running("sleep", "infinity")))
	address := c2.ready(t, "serves").Status.PodIP
	c1.ready(t, "asks")
	c1.reaches(t, "asks", address+":8080", "serves")
	first := dc2.awaitAnnotation(t, kiloKey, "")
	evidence := shared.fault(t, "old-key dc2", "new-key", "dc2")
	if other := dc2.awaitAnnotation(t, kiloKey, first); !strings.Contains(evidence, first) || !strings.Contains(evidence, other) {
		t.Errorf("%s is now %s; evidence %s", first, other, evidence)
	}
	if text, err := c1.fetch("asks", address+":8080"); err == nil && text != "" {
		t.Errorf("with another key it answers: %q", text)
	}
	shared.fault(t, "", "old-key", "dc2")
	if again := dc2.awaitAnnotation(t, kiloKey, ""); again != first {
		eventually(t, "the old key is told", func() error {
			if again := dc2.awaitAnnotation(t, kiloKey, ""); again != first {
				return errors.New(again)
			}
			return nil
		})
	}
	c1.reaches(t, "asks", address+":8080", "serves")
}

func TestDelay(t *testing.T) {
	evidence := shared.fault(t, "mend", "delay", "dc1", "dc2", "40")
	var took int
	if _, err := fmt.Sscanf(evidence, "a round trip takes %d ms", &took); err != nil || took < 80 {
		t.Errorf("evidence %q, %v", evidence, err)
	}
	// Cuts go on to cut, and what is late still arrives.
	shared.checkPaths(t, "late")
	shared.fault(t, "mend", "cut-oneway", "dc1", "dc2")
	shared.checkPaths(t, "late and cut", "dc1 to dc2")
	shared.fault(t, "", "mend")
	if list := shared.fault(t, "", "list"); list != "" {
		t.Errorf("after the mend: %s", list)
	}
	shared.checkPaths(t, "mended")
}

// pings tells whether one node's echo request is answered by another over the WAN.
func (l *laboratory) pings(t *testing.T, from, to string) bool {
	t.Helper()
	answered := false
	err := inside(l.pid(t, from), func() error {
		conn, err := net.Dial("ip4:icmp", l.wan(t, to))
		if err != nil {
			return err
		}
		defer conn.Close()
		// An echo request with its checksum, and no data.
		if _, err := conn.Write([]byte{8, 0, 0xf7, 0xfe, 0, 0, 0, 1}); err != nil {
			return nil // refused on this side
		}
		answered = arrived(conn)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return answered
}

func TestDropICMP(t *testing.T) {
	answered := func() bool { return shared.pings(t, "dc1", "dc3") }
	if !getsThrough(answered) {
		t.Fatal("no answer before the fault")
	}
	shared.fault(t, "mend", "drop-icmp", "dc3")
	if answered() {
		t.Error("an answer")
	}
	shared.checkPaths(t, "without ICMP")
	shared.fault(t, "", "mend", "dc3")
	if !getsThrough(answered) {
		t.Error("no answer after the mend")
	}
}

func TestLostNode(t *testing.T) {
	c := pair.Sites[0].cluster(t)
	if _, err := pair.lab("fault", "lose-node", "dc1/dc1-1"); err == nil {
		t.Error("the control plane can be lost alone")
	}
	pair.fault(t, "return-node dc1/dc1-2", "lose-node", "dc1/dc1-2")
	c.awaitNode(t, "dc1-2", corev1.ConditionUnknown)
	c.awaitNode(t, "dc1-1", corev1.ConditionTrue)
	pair.fault(t, "", "return-node", "dc1/dc1-2")
	c.awaitNode(t, "dc1-2", corev1.ConditionTrue)
}

func (s site) kilo(t *testing.T, node string) map[string]string {
	t.Helper()
	object, err := s.client(t).CoreV1().Nodes().Get(context.Background(), node, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]string{}
	for key, value := range object.Annotations {
		if name, ok := strings.CutPrefix(key, "kilo.squat.ai/"); ok {
			told[name] = value
		}
	}
	return told
}

// With one tunnel for a location, one node leads, by itself or because an annotation is there, whatever it says; and when
// Kilo ends it takes its annotations along.
func TestKiloByLocation(t *testing.T) {
	s := pair.Sites[0]
	pair.install(t, s, "ice-kilo-2.1.0.tgz", "kilo", values(t, `{"config":{"multidatacenter":{"wgCIDR":"10.80.0.0/16"}},"lab":{"granularity":"location"}}`))
	leads := func(leader, other string) {
		t.Helper()
		eventually(t, leader+" leads", func() error {
			first, second := s.kilo(t, leader), s.kilo(t, other)
			if first["wireguard-ip"] != "10.80.0.1/16" || second["wireguard-ip"] != "" || second["key"] == "" || first["granularity"] != "location" {
				return fmt.Errorf("%v, %v", first, second)
			}
			return nil
		})
	}
	leads("dc1-1", "dc1-2")
	patch := []byte(`{"metadata":{"annotations":{"kilo.squat.ai/leader":"false"}}}`)
	if _, err := s.client(t).CoreV1().Nodes().Patch(t.Context(), "dc1-2", types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	leads("dc1-2", "dc1-1")
	if err := s.client(t).AppsV1().DaemonSets("kube-system").Delete(t.Context(), "kilo", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the annotations go", func() error {
		for _, node := range []string{"dc1-1", "dc1-2"} {
			if told := s.kilo(t, node); told["key"] != "" || told["last-seen"] != "" {
				return fmt.Errorf("%v", told)
			}
		}
		return nil
	})
}
