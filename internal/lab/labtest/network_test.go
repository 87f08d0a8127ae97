package labtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// reaches asks until the answer comes from the pod expected: rules follow a moment after the objects.
func (c cluster) reaches(t *testing.T, from, hostPort, expected string) {
	t.Helper()
	eventually(t, from+" to "+hostPort, func() error {
		text, err := c.fetch(from, hostPort)
		if err == nil && !strings.HasPrefix(text, expected+" ") {
			err = fmt.Errorf("answer %q", text)
		}
		return err
	})
}

func TestServiceAnswersAlsoItself(t *testing.T) {
	t.Parallel()
	c := shared.Sites[0].cluster(t)
	c.create(t, pod("serves"))
	c.create(t, pod("asks", running("sleep", "infinity")))
	address := c.expose(t, "serves", false)
	c.ready(t, "serves")
	c.ready(t, "asks")
	c.reaches(t, "asks", address+":80", "serves")
	// Hairpin: the pod reaches itself through its Service.
	c.reaches(t, "serves", address+":80", "serves")
}

func TestPodsReachEachOtherAcrossNodes(t *testing.T) {
	t.Parallel()
	site := pair.Sites[0]
	c := site.cluster(t)
	names := []string{"first", "second"}
	for i, name := range names {
		c.create(t, pod(name, onNode(site.Nodes[i].Name)))
	}
	for i, name := range names {
		p, other := c.ready(t, name), names[1-i]
		if want := fmt.Sprintf("10.90.%d.", i); !strings.HasPrefix(p.Status.PodIP, want) {
			t.Errorf("pod of %s: address %s, want %s…", site.Nodes[i].Name, p.Status.PodIP, want)
		}
		c.reaches(t, name, c.ready(t, other).Status.PodIP+":8080", other)
	}
	// Through a Service, to an endpoint on the other node.
	c.reaches(t, "first", c.expose(t, "second", false)+":80", "second")
}

func TestNamesAreAnswered(t *testing.T) {
	t.Parallel()
	site := shared.Sites[0]
	c := site.cluster(t)
	c.create(t, pod("serves"))
	c.expose(t, "serves", true)
	address := c.ready(t, "serves").Status.PodIP
	names := map[string]string{
		"kubernetes.default.svc.cluster.local.":         site.APIServerIP,
		"serves." + c.namespace + ".svc.cluster.local.": address,
	}
	pid := shared.pid(t, site.Name)
	for _, transport := range []string{"udp", "tcp"} {
		resolver := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
			return dialInside(pid, transport, net.JoinHostPort(site.DNSIP, "53"))
		}}
		for name, want := range names {
			eventually(t, name+" over "+transport, func() error {
				got, err := resolver.LookupHost(context.Background(), name)
				if err == nil && (len(got) != 1 || got[0] != want) {
					err = fmt.Errorf("got %v, want %s", got, want)
				}
				return err
			})
		}
	}
	// And as a pod sees it, with the search path.
	if text, err := c.exec(t.Context(), "serves", nil, "getent", "hosts", "kubernetes.default"); err != nil || !strings.HasPrefix(text, site.APIServerIP+" ") {
		t.Errorf("in a pod: %q, %v", text, err)
	}
}

// Two laboratories use the same addresses and do not notice each other.
func TestSideBySide(t *testing.T) {
	t.Parallel()
	var uids []string
	for _, l := range []*laboratory{shared, pair} {
		site := l.Sites[0]
		if site.Nodes[0].InternalIP != "10.99.1.1" || site.Nodes[0].Name != "dc1-1" {
			t.Fatalf("nodes %+v", site.Nodes)
		}
		namespace, err := site.client(t).CoreV1().Namespaces().Get(t.Context(), "kube-system", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		uids = append(uids, string(namespace.UID))
	}
	if uids[0] == uids[1] {
		t.Error("both kubeconfigs lead to the same cluster")
	}
}

func TestNothingLeavesTheMachine(t *testing.T) {
	t.Parallel()
	c := shared.Sites[0].cluster(t)
	c.create(t, pod("asks", running("sleep", "infinity")))
	c.ready(t, "asks")
	text, err := c.exec(t.Context(), "asks", nil, "bash", "-c", "echo > /dev/tcp/192.0.2.1/80")
	if err == nil || !strings.Contains(err.Error(), "unreachable") {
		t.Errorf("a route out: %q, %v", text, err)
	}
}

func TestAuditLogCountsSideEffects(t *testing.T) {
	t.Parallel()
	c := shared.Sites[0].cluster(t)
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "counted"}}
	if _, err := c.CoreV1().ConfigMaps(c.namespace).Create(t.Context(), object, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CoreV1().ConfigMaps(c.namespace).Get(t.Context(), "counted", metav1.GetOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the line of the creation", func() error {
		switch lines := shared.audited(t, "dc1", c.namespace+"/configmaps"); {
		case len(lines) == 0:
			return errors.New("not yet")
		case len(lines) > 1 || !strings.Contains(lines[0], `"verb":"create"`):
			t.Fatalf("%d lines: %v", len(lines), lines)
		}
		return nil
	})
}
