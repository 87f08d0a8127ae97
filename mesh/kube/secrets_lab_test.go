//go:build lab

package kube_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/mesh/gateway"
	meshkube "github.com/georedkit/georedkit/mesh/kube"
)

// The private key stays on its node: nothing that leaves it holds the key, in any of the forms it may take.
func TestPrivateKeysStayWhereTheyAre(t *testing.T) {
	r := joined(t)
	said := map[string][]byte{"the report": text(t, r.prove().Report), "the layout": text(t, r.layout())}
	for site, end := range r.mesh.Ends {
		for where, what := range r.published(end) {
			said[string(site)+": "+where] = what
		}
	}
	for _, node := range []string{"dc1-1", "dc2-1"} {
		file := r.keyFile(node)
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", node, info.Mode(), err)
		}
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		key := strings.TrimSpace(string(content))
		raw, err := base64.StdEncoding.DecodeString(key)
		if err != nil || len(raw) != 32 {
			t.Fatalf("%s: the key file holds no key, %v", node, err)
		}
		again := base64.StdEncoding.EncodeToString([]byte(key))
		for _, form := range []string{key, hex.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw), again[:40]} {
			for where, what := range said {
				if bytes.Contains(what, []byte(form)) {
					t.Errorf("%s tells the private key of %s", where, node)
				}
			}
		}
	}
	// What was searched is what was said: the public keys stand in it.
	layout := r.layout()
	for _, where := range []string{"the report", "the layout", "dc1: agent", "dc1: config"} {
		if len(said[where]) < 100 {
			t.Errorf("%s: %q", where, said[where])
		}
	}
	if device, _ := layout.Device("dc1", ""); !bytes.Contains(said["dc1: agent"], []byte(device.PublicKey.String())) || !bytes.Contains(said["dc2: config"], []byte(device.PublicKey.String())) {
		t.Error("the public key does not stand where it must")
	}
}

func text(t *testing.T, value any) []byte {
	t.Helper()
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return append(encoded, fmt.Sprintf("\n%+v\n%#v", value, value)...)
}

// published is what a site tells of its gateways.
func (r *rig) published(end meshkube.End) map[string][]byte {
	r.t.Helper()
	ctx, client := r.t.Context(), end.Gateways.Cluster.Client()
	said := map[string][]byte{}
	configs, err := client.CoreV1().ConfigMaps(namespace).List(ctx, metav1.ListOptions{})
	r.must(err)
	said["config"] = text(r.t, configs)
	events, err := client.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{})
	r.must(err)
	said["events"] = text(r.t, events)
	agents, err := client.AppsV1().DaemonSets(namespace).List(ctx, metav1.ListOptions{})
	r.must(err)
	said["daemonset"] = text(r.t, agents)
	secrets, err := client.CoreV1().Secrets(namespace).List(ctx, metav1.ListOptions{})
	r.must(err)
	said["secrets"] = text(r.t, secrets)
	pods, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	r.must(err)
	said["pods"] = text(r.t, pods)
	for _, pod := range pods.Items {
		log, err := end.Gateways.Cluster.Logs(ctx, namespace, pod.Name, corev1.PodLogOptions{})
		r.must(err)
		lines, err := io.ReadAll(log)
		r.must(err)
		said["log of "+pod.Name] = lines
		if pod.Spec.Containers[0].Name == "agent" && strings.HasSuffix(pod.Spec.NodeName, "-1") {
			agent := kube.Probe{Cluster: end.Gateways.Cluster, Namespace: namespace, Pod: pod.Name, Container: "agent"}
			said["agent"] = r.answers(agent)
		}
	}
	return said
}

// answers are all that an agent can be asked, and what it says to nonsense.
func (r *rig) answers(agent kube.Probe) []byte {
	r.t.Helper()
	var all []byte
	for question, input := range map[string]string{
		gateway.AskDevice: `{"interface":"wg0"}`, gateway.AskHandshakes: `{"interface":"wg0"}`, gateway.AskRoutes: `{}`,
		"config": `{}`, "key": `{"file":"/var/lib/georedkit/wireguard.key"}`,
	} {
		answer, err := agent.Ask(r.t.Context(), []string{"ask", question}, []byte(input))
		r.must(err)
		all = append(all, answer...)
	}
	// A key file given for a config must not be shown in the error.
	_, err := agent.Ask(r.t.Context(), []string{"gateway", "-config", "/var/lib/georedkit/wireguard.key", "-key", "/var/lib/georedkit/wireguard.key"}, nil)
	return append(all, fmt.Sprint(err)...)
}
