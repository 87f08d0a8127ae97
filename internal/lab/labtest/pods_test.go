package labtest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/client-go/util/exec"
)

func TestPodWaitsForItsSecret(t *testing.T) {
	t.Parallel()
	c := shared.Sites[0].cluster(t)
	c.create(t, pod("waits", running("sleep", "infinity"), func(p *corev1.Pod) {
		p.Spec.Volumes = []corev1.Volume{{Name: "s", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "late"}}}}
		p.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "s", MountPath: "/secret"}}
	}))
	eventually(t, "the failed mount", func() error {
		events, err := c.CoreV1().Events(c.namespace).List(context.Background(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, event := range events.Items {
			if event.Reason == "FailedMount" && strings.Contains(event.Message, `secret "late" not found`) {
				return nil
			}
		}
		return errors.New("no event")
	})
	eventually(t, "it hangs in ContainerCreating", func() error { // its status may come behind the event
		states := c.get(t, "waits").Status.ContainerStatuses
		if len(states) != 1 || states[0].State.Waiting == nil || states[0].State.Waiting.Reason != "ContainerCreating" {
			return fmt.Errorf("%+v", states)
		}
		return nil
	})
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "late"}, StringData: map[string]string{"key": "value"}}
	if _, err := c.CoreV1().Secrets(c.namespace).Create(context.Background(), secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	c.ready(t, "waits")
	if value, err := c.exec(t.Context(), "waits", nil, "cat", "/secret/key"); err != nil || value != "value" {
		t.Errorf("the mounted secret is %q, %v", value, err)
	}
}

func TestExecKeepsExitCodeAndInput(t *testing.T) {
	t.Parallel()
	c := shared.Sites[0].cluster(t)
	c.create(t, pod("target", running("sleep", "infinity")))
	c.ready(t, "target")
	_, err := c.exec(t.Context(), "target", nil, "sh", "-c", "exit 42")
	var exit exec.ExitError
	if !errors.As(err, &exit) || exit.ExitStatus() != 42 {
		t.Errorf("exit code: %v, want 42", err)
	}
	input := make([]byte, 400_000)
	rand.Read(input)
	// sha256sum ends only when it sees the end of its input.
	sum, err := c.exec(t.Context(), "target", bytes.NewReader(input), "sha256sum")
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("%x", sha256.Sum256(input)); !strings.HasPrefix(sum, want) {
		t.Errorf("checksum %s, want %s", sum, want)
	}
}

func TestLogsAreFollowed(t *testing.T) {
	t.Parallel()
	c := shared.Sites[0].cluster(t)
	c.create(t, pod("talks", running("sh", "-c", "echo first; while ! test -e /tmp/go; do sleep 0.1; done; echo second; sleep infinity")))
	c.ready(t, "talks")
	stream, err := c.CoreV1().Pods(c.namespace).GetLogs("talks", &corev1.PodLogOptions{Follow: true}).Stream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	lines := bufio.NewScanner(stream)
	if !lines.Scan() || lines.Text() != "first" {
		t.Fatalf("first line %q, %v", lines.Text(), lines.Err())
	}
	// The second one is written while the stream is open.
	if _, err := c.exec(t.Context(), "talks", nil, "touch", "/tmp/go"); err != nil {
		t.Fatal(err)
	}
	if !lines.Scan() || lines.Text() != "second" {
		t.Errorf("second line %q, %v", lines.Text(), lines.Err())
	}
}

func TestPortForward(t *testing.T) {
	t.Parallel()
	c := shared.Sites[0].cluster(t)
	c.create(t, pod("serves"))
	c.ready(t, "serves")
	transport, upgrader, err := spdy.RoundTripperFor(c.config)
	if err != nil {
		t.Fatal(err)
	}
	url := c.CoreV1().RESTClient().Post().Resource("pods").Namespace(c.namespace).Name("serves").SubResource("portforward").URL()
	dialer := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, url)
	stop, opened := make(chan struct{}), make(chan struct{})
	defer close(stop)
	forwarder, err := portforward.NewOnAddresses(dialer, []string{"127.0.0.1"}, []string{"0:8080"}, stop, opened, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- forwarder.ForwardPorts() }()
	select {
	case <-opened:
	case err := <-ended:
		t.Fatal(err)
	}
	ports, err := forwarder.GetPorts()
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/", ports[0].Local))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || !strings.HasPrefix(string(text), "serves ") {
		t.Errorf("answer %q, %v", text, err)
	}
}

func TestCrashBacksOff(t *testing.T) {
	t.Parallel()
	c := shared.Sites[0].cluster(t)
	c.create(t, pod("crashes", running("sh", "-c", "exit 3")))
	for _, restarts := range []int32{1, 2} {
		eventually(t, fmt.Sprint(restarts, " restarts and back-off"), func() error {
			for _, state := range c.get(t, "crashes").Status.ContainerStatuses {
				last := state.LastTerminationState.Terminated
				if state.RestartCount >= restarts && last != nil && last.ExitCode == 3 &&
					state.State.Waiting != nil && state.State.Waiting.Reason == "CrashLoopBackOff" {
					return nil
				}
			}
			return errors.New("not yet")
		})
	}
}

func TestReadinessObeysItsProbe(t *testing.T) {
	t.Parallel()
	c := shared.Sites[0].cluster(t)
	c.create(t, pod("probed", func(p *corev1.Pod) {
		probe := &corev1.Probe{PeriodSeconds: 1, FailureThreshold: 1}
		probe.HTTPGet = &corev1.HTTPGetAction{Path: "/ready"}
		probe.HTTPGet.Port.IntVal = 8080
		p.Spec.Containers[0].ReadinessProbe = probe
	}))
	c.ready(t, "probed")
	if _, err := c.exec(t.Context(), "probed", nil, "touch", "/tmp/notready"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "not ready", func() error {
		if c.get(t, "probed").Status.ContainerStatuses[0].Ready {
			return errors.New("ready")
		}
		return nil
	})
	if _, err := c.exec(t.Context(), "probed", nil, "rm", "/tmp/notready"); err != nil {
		t.Fatal(err)
	}
	c.ready(t, "probed")
}

func TestTerminationIsClean(t *testing.T) {
	t.Parallel()
	c := shared.Sites[0].cluster(t)
	grace := 2 * int64(patience.Seconds())
	c.create(t, pod("ends", func(p *corev1.Pod) { p.Spec.TerminationGracePeriodSeconds = &grace }))
	c.ready(t, "ends")
	// It obeys SIGTERM: who removes it has no patience to wait for the kill.
	c.remove(t, "ends")
}

func TestOwnImage(t *testing.T) {
	t.Parallel()
	c := pair.Sites[0].cluster(t)
	c.create(t, pod("own", func(p *corev1.Pod) { p.Spec.Containers[0].Image = "example.org/test/own:1" }))
	c.ready(t, "own")
}
