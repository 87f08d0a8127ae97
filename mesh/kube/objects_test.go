package kube_test

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/gateway"
	meshkube "github.com/georedkit/georedkit/mesh/kube"
)

func public(t *testing.T, seed string) mesh.PublicKey {
	t.Helper()
	key, err := mesh.NewPrivateKey(strings.NewReader(strings.Repeat(seed, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return key.Public()
}

func config(t *testing.T) gateway.Config {
	t.Helper()
	return gateway.Config{Node: "dc1-1", Device: mesh.Device{
		Site: "dc1", Node: "dc1-1", Interface: "wg0", PublicKey: public(t, "1"), ListenPort: 51820, MTU: 1420, Address: netip.MustParsePrefix("10.80.0.1/32"),
		Peers: []mesh.Peer{{Site: "dc2", Node: "dc2-1", PublicKey: public(t, "2"), AllowedIPs: []netip.Prefix{netip.MustParsePrefix("10.120.0.0/16")}}}}}
}

func gateways(t *testing.T) meshkube.Gateways {
	t.Helper()
	cluster, err := kube.New("dc1", &rest.Config{Host: "127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	return meshkube.Gateways{Cluster: cluster, Namespace: "ns", Image: "example.org/probe:1", PullSecret: "pull"}
}

func objectsOf(t *testing.T, c gateway.Config) []*kube.Object {
	t.Helper()
	objects, err := gateways(t).Objects(c)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// annotation is what makes the pods of another config other pods.
func annotation(t *testing.T, objects []*kube.Object) string {
	t.Helper()
	pod, _ := objects[2].Object["spec"].(map[string]any)["template"].(map[string]any)
	annotations := pod["metadata"].(map[string]any)["annotations"].(map[string]any)
	sum, _ := annotations["georedkit/config"].(string)
	if sum == "" {
		t.Fatalf("%v", annotations)
	}
	return sum
}

func TestObjectsOfGateways(t *testing.T) {
	objects := objectsOf(t, config(t))
	var kinds []string
	for _, o := range objects {
		kinds = append(kinds, o.GetKind())
	}
	if strings.Join(kinds, " ") != "Namespace ConfigMap DaemonSet" {
		t.Fatalf("%v: a Secret is not among what this needs", kinds)
	}
	if objects[0].GetLabels()["pod-security.kubernetes.io/enforce"] != "privileged" {
		t.Errorf("the namespace does not let the pods in: %v", objects[0].GetLabels())
	}
	text, err := json.Marshal(objects[2])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"hostNetwork":true`, `"add":["NET_ADMIN"]`, `"drop":["ALL"]`, `"operator":"Exists"`, `"imagePullSecrets":[{"name":"pull"}]`, `"readOnlyRootFilesystem":true`, `"allowPrivilegeEscalation":false`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("without %s: %s", want, text)
		}
	}
	if strings.Contains(string(text), `"privileged":true`) {
		t.Error("NET_ADMIN is enough")
	}
	content, _ := objects[1].Object["data"].(map[string]any)["gateway.json"].(string)
	var read gateway.Config
	if err := json.Unmarshal([]byte(content), &read); err != nil || read.Device.Peers[0].PublicKey != public(t, "2") || read.Validate() != nil {
		t.Errorf("%s: %v", content, err)
	}
}

func TestPodsChangeWithTheirConfig(t *testing.T) {
	first := annotation(t, objectsOf(t, config(t)))
	if again := annotation(t, objectsOf(t, config(t))); again != first {
		t.Errorf("the same config gives %s and %s", first, again)
	}
	for name, change := range map[string]func(*gateway.Config){
		"node": func(c *gateway.Config) { c.Node = "dc1-2" },
		"ip":   func(c *gateway.Config) { c.InternalIPs = []netip.Addr{netip.MustParseAddr("10.99.1.1")} },
		"mtu":  func(c *gateway.Config) { c.Device.MTU = 1380 },
		"peer": func(c *gateway.Config) { c.Device.Peers[0].PublicKey = public(t, "3") },
	} {
		c := config(t)
		change(&c)
		if annotation(t, objectsOf(t, c)) == first {
			t.Errorf("another %s, the same pods", name)
		}
	}
}

func TestConfigsThatMakeNoGateway(t *testing.T) {
	for want, change := range map[string]func(*meshkube.Gateways, *gateway.Config){
		"publicKey: is missing":        func(_ *meshkube.Gateways, c *gateway.Config) { c.Device.PublicKey = mesh.PublicKey{} },
		"address: is missing":          func(_ *meshkube.Gateways, c *gateway.Config) { c.Device.Address = netip.Prefix{} },
		"is that of the device itself": func(_ *meshkube.Gateways, c *gateway.Config) { c.Device.Peers[0].PublicKey = c.Device.PublicKey },
		"node: is missing":             func(_ *meshkube.Gateways, c *gateway.Config) { c.Node = "" },
		"-probe-image":                 func(g *meshkube.Gateways, _ *gateway.Config) { g.Image = "" },
	} {
		g, c := gateways(t), config(t)
		change(&g, &c)
		if _, err := g.Objects(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
		if _, err := g.Task(geored.Step{}, c); err == nil {
			t.Errorf("%s: a task was made", want)
		}
	}
}
