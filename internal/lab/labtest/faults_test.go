package labtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// These tests disturb the shared laboratory; they run one after the other, each leaves it as it was.

// checkPaths compares which directions work with those expected; the others must not.
func (l *laboratory) checkPaths(t *testing.T, when string, broken ...string) {
	t.Helper()
	for _, from := range []string{"dc1", "dc2", "dc3"} {
		for _, to := range []string{"dc1", "dc2", "dc3"} {
			path, want := from+" to "+to, true
			for _, b := range broken {
				want = want && b != path
			}
			if from == to {
				continue
			}
			send := func() bool { return l.arrives(t, from, to) }
			if want && !getsThrough(send) || !want && send() {
				t.Errorf("%s: %s: a packet arrives: %t", when, path, !want)
			}
		}
	}
}

func TestCut(t *testing.T) {
	shared.checkPaths(t, "before")
	shared.fault(t, "mend", "cut", "dc1", "dc2")
	shared.checkPaths(t, "cut", "dc1 to dc2", "dc2 to dc1")
	shared.fault(t, "", "mend", "dc2", "dc1")
	shared.checkPaths(t, "mended")
}

func TestCutOneWay(t *testing.T) {
	shared.fault(t, "mend", "cut-oneway", "dc1", "dc2")
	shared.checkPaths(t, "cut one way", "dc1 to dc2")
	shared.fault(t, "", "mend", "dc1", "dc2")
	shared.checkPaths(t, "mended")
}

func TestIsolate(t *testing.T) {
	shared.fault(t, "mend", "isolate", "dc3")
	shared.checkPaths(t, "isolated", "dc1 to dc3", "dc3 to dc1", "dc2 to dc3", "dc3 to dc2")
	if list := shared.fault(t, "", "list"); !strings.Contains(list, "cut dc3 -> dc1\n") || strings.Contains(list, "cut dc1 -> dc2") {
		t.Errorf("list:\n%s", list)
	}
	shared.fault(t, "", "mend", "dc3")
	shared.checkPaths(t, "mended")
}

// A cut hurts the WAN alone: the site's own addresses stay.
func TestCutLeavesTheSiteAlone(t *testing.T) {
	shared.fault(t, "mend", "isolate", "dc1")
	site := shared.Sites[0]
	if _, err := site.client(t).CoreV1().Nodes().Get(t.Context(), "dc1-1", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
	conn, err := dialInside(shared.pid(t, "dc1"), "tcp", net.JoinHostPort(site.APIServerIP, "443"))
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func (s site) answers() func(t *testing.T) error {
	return func(t *testing.T) error {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_, err := s.client(t).CoreV1().Namespaces().Get(ctx, "kube-system", metav1.GetOptions{})
		return err
	}
}

func TestFreeze(t *testing.T) {
	answers := shared.Sites[1].answers()
	eventually(t, "dc2 answers before", func() error { return answers(t) })
	shared.fault(t, "thaw dc2", "freeze", "dc2")
	if err := answers(t); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("frozen, it answers: %v", err)
	}
	eventually(t, "its neighbour", func() error { return shared.Sites[0].answers()(t) })
	shared.fault(t, "", "thaw", "dc2")
	eventually(t, "dc2 answers", func() error { return answers(t) })
}

func TestStopAndStart(t *testing.T) {
	site := shared.Sites[2]
	c := site.cluster(t)
	c.createSet(t, "store")
	c.writeData(t, "store-0", "survives")
	restarts := c.get(t, "store-0").Status.ContainerStatuses[0].RestartCount
	first := shared.pid(t, "dc3")
	shared.fault(t, "start dc3", "stop", "dc3")
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", first)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the node's first process: %v", err)
	}
	if err := site.answers()(t); err == nil {
		t.Error("stopped, it answers")
	}
	shared.fault(t, "", "start", "dc3")
	// At the same address, from the same objects.
	eventually(t, "dc3 answers", func() error { return site.answers()(t) })
	eventually(t, "the pod runs again", func() error {
		if state := c.get(t, "store-0").Status.ContainerStatuses[0]; state.RestartCount == restarts || !state.Ready {
			return fmt.Errorf("%+v", state)
		}
		return nil
	})
	c.checkData(t, "store-0", "survives")
	shared.checkPaths(t, "after the start")
}

func nodeStatus(c cluster, name string) corev1.ConditionStatus {
	node, err := c.CoreV1().Nodes().Get(context.Background(), name, metav1.GetOptions{})
	if err != nil {
		return corev1.ConditionStatus(err.Error())
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status
		}
	}
	return "none"
}

func (c cluster) awaitNode(t *testing.T, name string, want corev1.ConditionStatus) {
	t.Helper()
	eventually(t, fmt.Sprintf("node %s ready %s", name, want), func() error {
		if got := nodeStatus(c, name); got != want {
			return fmt.Errorf("it is %s", got)
		}
		return nil
	})
}

func TestPausedKubeletMakesTheNodeNotReady(t *testing.T) {
	c := shared.Sites[1].cluster(t)
	c.awaitNode(t, "dc2-1", corev1.ConditionTrue)
	shared.fault(t, "resume dc2 kubelet", "pause", "dc2", "kubelet")
	c.awaitNode(t, "dc2-1", corev1.ConditionUnknown)
	shared.fault(t, "", "resume", "dc2/dc2-1", "kubelet")
	c.awaitNode(t, "dc2-1", corev1.ConditionTrue)
}

// Containers outlive the servers that started them.
func TestKilledServersComeBackAndContainersStay(t *testing.T) {
	c := shared.Sites[1].cluster(t)
	c.create(t, pod("stays", running("sleep", "infinity")))
	before := c.ready(t, "stays").Status.ContainerStatuses[0].ContainerID
	for _, server := range []string{"containerd", "kubelet", "kube-proxy", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"} {
		evidence := shared.fault(t, "", "kill", "dc2", server)
		if !strings.Contains(evidence, ": gone") {
			t.Errorf("%s: %s", server, evidence)
		}
		eventually(t, server+" is back", func() error {
			_, err := shared.lab("fault", "resume", "dc2", server)
			return err
		})
	}
	eventually(t, "exec", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_, err := c.exec(ctx, "stays", nil, "true")
		return err
	})
	c.awaitNode(t, "dc2-1", corev1.ConditionTrue)
	if after := c.ready(t, "stays").Status.ContainerStatuses[0]; after.ContainerID != before || after.RestartCount != 0 {
		t.Errorf("container %s became %s, %d restarts", before, after.ContainerID, after.RestartCount)
	}
}

func TestImpossibleFaultsAreRefused(t *testing.T) {
	for _, fault := range []string{"cut dc1", "cut dc1 dc9", "cut dc1 dc1", "start dc1", "melt dc1", "delay dc1 dc2 soon", "hole dc1 dc1", "lose-node dc1", "return-node dc1/dc1-1", "new-key dc3", "old-key dc3", "second-dns dc9", "pause dc1 nobody", "skew dc1 nobody 60", "skew dc1 kubelet soon", "unskew dc1 nobody", "kill dc1/dc1-9 etcd",
		"expire-token dc3", "unexpire-token dc1", "revoke-token dc1 default/nobody", "revoke-token dc1 nobody", "stale-dns dc1 dc1", "fresh-dns dc1 dc9", "fresh-dns dc1 dc2"} {
		if evidence, err := shared.lab("fault", strings.Fields(fault)...); err == nil {
			t.Errorf("%s: %s", fault, evidence)
		}
	}
}

func TestFaultsAreRecorded(t *testing.T) {
	shared.fault(t, "thaw dc2", "freeze", "dc2")
	shared.fault(t, "", "thaw", "dc2")
	text, err := os.ReadFile(filepath.Join(shared.dir, "events.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	for i, kind := range []string{"freeze", "thaw"} {
		line := lines[len(lines)-2+i]
		if !strings.Contains(line, `"kind":"`+kind+`"`) || !strings.Contains(line, `"time":"`) || !strings.Contains(line, "frozen") {
			t.Errorf("event %s", line)
		}
	}
}
