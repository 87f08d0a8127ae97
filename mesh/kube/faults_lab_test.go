//go:build lab

package kube_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/internal/laboratory/labtest"
	"github.com/georedkit/georedkit/mesh"
	meshkube "github.com/georedkit/georedkit/mesh/kube"
)

// until waits for a fault to bite, or for its cure.
func (r *rig) until(so func() bool) {
	r.t.Helper()
	labtest.Until(r.t, "the fault, or its cure,", func() error {
		if !so() {
			return labtest.ErrNotYet
		}
		return nil
	})
}

// agent is the process of the gateway agent on a node.
func (r *rig) agent(node string) (pid int) {
	r.t.Helper()
	r.until(func() bool { pid = r.Process(node, "/probe", "gateway"); return pid != 0 })
	return pid
}

// keyFile is a gateway's private key, as this machine sees it.
func (r *rig) keyFile(node string) string {
	return labtest.File(r.agent(node), "/var/lib/georedkit/wireguard.key")
}

// patchAgents changes the DaemonSet of a site behind the program's back.
func (r *rig) patchAgents(site geored.SiteName, patch string) {
	r.t.Helper()
	client := r.mesh.Ends[site].Gateways.Cluster.Client()
	_, err := client.AppsV1().DaemonSets(namespace).Patch(r.t.Context(), "wireguard-gateway", types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "somebody"})
	if err != nil {
		r.t.Fatal(err)
	}
}

func TestAGatewayWithoutItsPod(t *testing.T) {
	r := joined(t)
	r.patchAgents("dc1", `{"spec":{"template":{"spec":{"nodeSelector":{"kubernetes.io/hostname":"dc1-2"}}}}}`)
	r.until(func() bool { return r.Process("dc1-1", "/probe", "gateway") == 0 })
	found := r.prove()
	found.has(meshkube.CheckGateways, "dc1", geored.Unknown, "node dc1-1: no gateway agent runs on it")
	found.has(meshkube.CheckGateways, "dc2", geored.Unknown, "could not be planned")
	found.has(meshkube.CheckPods, "dc1 dc2", geored.Fail)
	r.patchAgents("dc1", `{"spec":{"template":{"spec":{"nodeSelector":null}}}}`)
	r.agent("dc1-1")
	r.proves()
}

func TestAnInterfaceThatIsGone(t *testing.T) {
	r := joined(t)
	// Something else takes its name, or the agent would have it back before anybody looks.
	r.until(func() bool {
		r.On("dc1-1", "sh", "-c", `printf 'link delete wg0\nlink add wg0 type bridge\n' | ip -batch - || true`)
		return strings.Contains(r.On("dc1-1", "ip", "-oneline", "link", "show", "type", "bridge"), " wg0:")
	})
	found := r.prove()
	found.has(meshkube.CheckGateways, "dc1", geored.Fail, "dc1-1 has no WireGuard interface")
	found.has(meshkube.CheckGateways, "dc2", geored.Unknown, "could not be planned")
	r.On("dc1-1", "ip", "link", "delete", "wg0")
	r.proves()
}

func TestAnInterfaceThatSomebodyDeletedComesBack(t *testing.T) {
	r := joined(t)
	number := func() string { // of the interface; "" when it is not there
		for line := range strings.Lines(r.On("dc1-1", "ip", "-oneline", "link", "show")) {
			if strings.Contains(line, ": wg0:") {
				return strings.Split(line, ":")[0]
			}
		}
		return ""
	}
	before := number()
	r.On("dc1-1", "ip", "link", "delete", "wg0")
	r.until(func() bool { now := number(); return now != "" && now != before })
	r.proves()
}

// tell sends lines to the control socket of a node's WireGuard, as wg(8) does.
func tell(socket, lines string) (string, error) {
	connection, err := net.Dial("unix", socket)
	if err != nil {
		return "", err
	}
	defer connection.Close()
	if _, err := connection.Write([]byte(lines + "\n\n")); err != nil {
		return "", err
	}
	answer := make([]byte, 4096)
	n, err := connection.Read(answer)
	return string(answer[:n]), err
}

func hexKey(key mesh.PublicKey) string {
	raw, _ := base64.StdEncoding.DecodeString(key.String())
	return hex.EncodeToString(raw)
}

func TestAPeerThatSomebodyRemoved(t *testing.T) {
	r := joined(t)
	device, _ := r.layout().Device("dc1", "")
	peer := hexKey(device.Peers[0].PublicKey)
	socket := labtest.File(r.agent("dc1-1"), "/var/run/wireguard/wg0.sock") // found once: the agent mends faster than it is found
	remove := func() (string, error) { return tell(socket, "set=1\npublic_key="+peer+"\nremove=true") }
	answer, err := remove()
	r.must(err)
	left, err := tell(socket, "get=1")
	r.must(err)
	if !strings.Contains(answer, "errno=0") || strings.Contains(left, peer) {
		t.Fatalf("the peer is still there: %s", answer)
	}
	// The agent would have it back.
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() {
		var failed error
		for ctx.Err() == nil {
			if _, err := remove(); err != nil {
				failed = err
			}
			time.Sleep(5 * time.Millisecond)
		}
		stopped <- failed
	}()
	found := r.prove()
	stop()
	if err := <-stopped; err != nil {
		t.Log(err) // what was found tells
	}
	found.has(meshkube.CheckGateways, "dc1", geored.Fail, "is not as planned", "peer dc2/dc2-1: publicKey is missing")
	found.has(meshkube.CheckGateways, "dc2", geored.Pass)
	found.has(meshkube.CheckHandshake, "", geored.Unknown, "it needs mesh/gateways")
	found.has(meshkube.CheckPods, "dc1 dc2", geored.Fail)
	r.proves()
}

func TestAPeerWithAWrongKey(t *testing.T) {
	r := joined(t)
	site, layout := r.mesh.Network.Sites[0], r.layout()
	config, err := r.mesh.Joined(site, layout)
	if err != nil {
		t.Fatal(err)
	}
	private, err := mesh.NewPrivateKey(strings.NewReader(strings.Repeat("another key ", 10)))
	if err != nil {
		t.Fatal(err)
	}
	config.Device.Peers[0].PublicKey = private.Public()
	task, err := r.mesh.Ends["dc1"].Gateways.Task(step("wrong", "dc1"), config)
	if err != nil {
		t.Fatal(err)
	}
	r.run(task)
	checks := meshkube.NewProof(r.mesh).Checks()
	found := r.prove()
	found.has(meshkube.CheckGateways, "dc1", geored.Fail, "peer dc2/dc2-1: publicKey is missing", private.Public().String()+" and should not be")
	found.has(meshkube.CheckPods, "dc1 dc2", geored.Fail)
	found.has(meshkube.CheckPods, "dc2 dc1", geored.Fail)
	checks[0].Run(t.Context())
	unasked := func(i int) report { // its need is not met; without a proof, findings do not name their check
		return report{t, geored.Report{Findings: checks[i].Run(t.Context())}}
	}
	handshakes := unasked(1)
	for _, where := range both {
		handshakes.has("", where, geored.Fail)
	}
	unasked(4).has("", "dc1 dc2", geored.Fail, "has no peer of dc2")
	r.join()
	r.proves()
}

// A route that is more exact than the tunnel's: everything works, and everybody can read along.
func TestTrafficBesideTheTunnel(t *testing.T) {
	r := joined(t)
	bypass := func(verb string) {
		r.On("dc1-1", "ip", "route", verb, "10.120.0.0/17", "via", "10.98.2.1")
		r.On("dc2-1", "ip", "route", verb, "10.90.0.0/17", "via", "10.98.1.1")
	}
	bypass("add")
	mended := false
	t.Cleanup(func() {
		if !mended {
			bypass("delete")
		}
	})
	if seen := r.On("dc1-1", "ip", "route", "get", "10.120.1.2"); !strings.Contains(seen, "wan0") {
		t.Fatalf("it is not beside the tunnel: %s", seen)
	}
	found := r.prove()
	for _, where := range both {
		found.has(meshkube.CheckPods, where, geored.Pass)
		found.has(meshkube.CheckTunnel, where, geored.Fail, "1048576 bytes arrived, but the tunnel sent only")
	}
	bypass("delete")
	mended = true
	r.proves()
}

var wanPort = regexp.MustCompile(`(?m)^\d+: ([^:@]+)@`)

// Between the sites is a router that takes less, and says nothing.
func TestAHoleInThePathMTU(t *testing.T) {
	r := joined(t)
	set := func(mtu, segments int) {
		for _, port := range wanPort.FindAllStringSubmatch(r.OnWAN("ip", "link", "show", "type", "veth"), -1) {
			r.OnWAN("ip", "link", "set", port[1], "mtu", fmt.Sprint(mtu))
		}
		for _, node := range []string{"dc1-1", "dc2-1"} {
			r.On(node, "ip", "link", "set", "wan0", "gso_max_segs", fmt.Sprint(segments))
		}
	}
	set(1400, 1)
	t.Cleanup(func() { set(1500, 65535) })
	if seen := r.OnWAN("ip", "link", "show", "type", "veth"); !strings.Contains(seen, "mtu 1400") || strings.Contains(seen, "mtu 1500") {
		t.Fatalf("the hole is not there: %s", seen)
	}
	found := r.prove()
	for _, where := range both {
		found.has(meshkube.CheckPods, where, geored.Pass)
		// 1400 less the outer headers of 60 bytes, in WireGuard's steps of 16.
		found.has(meshkube.CheckPathMTU, where, geored.Fail, "packets of 1328 bytes cross the tunnel and those of 1329 do not, though its MTU is 1420")
	}
	set(1500, 65535)
	r.proves()
}

// A new disk, or a careless hand: the gateway makes a new key, and nobody knows it.
func TestALostKey(t *testing.T) {
	r := joined(t)
	before := r.layout()
	old, err := os.ReadFile(r.keyFile("dc1-1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(r.keyFile("dc1-1")); err != nil {
		t.Fatal(err)
	}
	agent := r.agent("dc1-1")
	client := r.mesh.Ends["dc1"].Gateways.Cluster.Client().CoreV1().Pods(namespace)
	pods, err := client.List(t.Context(), metav1.ListOptions{FieldSelector: "spec.nodeName=dc1-1,metadata.name!=beside"})
	if err != nil || len(pods.Items) != 1 {
		t.Fatalf("%d pods, %v", len(pods.Items), err)
	}
	if err := client.Delete(t.Context(), pods.Items[0].Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	r.until(func() bool {
		pid := r.Process("dc1-1", "/probe", "gateway")
		return pid != 0 && pid != agent
	})
	r.until(func() bool {
		text, err := os.ReadFile(r.keyFile("dc1-1"))
		return err == nil && string(text) != string(old)
	})
	var found report
	r.until(func() bool { // its process runs a moment before its pod is said to
		found = r.prove()
		return found.finding(meshkube.CheckGateways, "dc1").Verdict != geored.Unknown
	})
	found.has(meshkube.CheckGateways, "dc1", geored.Fail, "no WireGuard interface")
	found.has(meshkube.CheckPods, "dc1 dc2", geored.Fail)

	// As the stages of an installation do: a gateway without peers, then peers for all.
	r.run(r.alone(r.mesh.Network.Sites[0]))
	drifted := r.prove()
	drifted.has(meshkube.CheckGateways, "dc1", geored.Fail, "peer dc2/dc2-1: publicKey is missing")
	drifted.has(meshkube.CheckGateways, "dc2", geored.Fail, "peer dc1/dc1-1: publicKey is missing")
	r.join()
	r.proves()
	was, _ := before.Device("dc1", "")
	is, _ := r.layout().Device("dc1", "")
	if was.PublicKey == is.PublicKey {
		t.Error("the old key is back")
	}
}
