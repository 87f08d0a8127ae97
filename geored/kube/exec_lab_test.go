//go:build lab

package kube_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

func shell(namespace, script string) kube.Command {
	return kube.Command{Namespace: namespace, Pod: "shell", Argv: []string{"sh", "-c", script}}
}

// eachWay executes over a WebSocket, and over SPDY through a proxy that speaks no other.
func eachWay(t *testing.T, c *kube.Cluster, test func(t *testing.T, c *kube.Cluster)) {
	t.Helper()
	config := c.Config()
	config.NextProtos = []string{"http/1.1"} // HTTP/2 has no upgrades
	behind, err := rest.TransportFor(config)
	if err != nil {
		t.Fatal(err)
	}
	to, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Transport: behind, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, ErrorLog: log.New(io.Discard, "", 0)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "websocket" {
			http.Error(w, "no", http.StatusBadRequest)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	older, err := kube.New(c.Site(), &rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Run("WebSocket", func(t *testing.T) { test(t, c) })
	t.Run("SPDY", func(t *testing.T) { test(t, older) })
}

func TestExecGivesWhatTheProgramGave(t *testing.T) {
	_, c, namespace := site(t)
	basePod(t, c, namespace, "shell")
	eachWay(t, c, func(t *testing.T, c *kube.Cluster) { execGivesWhatTheProgramGave(t, c, namespace) })
}

func execGivesWhatTheProgramGave(t *testing.T, c *kube.Cluster, namespace string) {
	t.Helper()
	for script, want := range map[string]struct {
		stdout, stderr string
		code           int
	}{
		"echo out; echo err >&2":          {"out\n", "err\n", 0},
		"echo out; echo why >&2; exit 42": {"out\n", "why\n", 42},
		"kill -9 $$":                      {"", "", 137},
		"exit 255":                        {"", "", 255},
	} {
		output, err := c.Exec(t.Context(), shell(namespace, script))
		if string(output.Stdout) != want.stdout || string(output.Stderr) != want.stderr {
			t.Errorf("%s: %q, %q", script, output.Stdout, output.Stderr)
		}
		var exit *kube.ExitError
		switch {
		case want.code == 0 && err != nil:
			t.Errorf("%s: %v", script, err)
		case want.code != 0 && (!errors.As(err, &exit) || exit.Code != want.code || exit.Stderr != strings.TrimSpace(want.stderr)):
			t.Errorf("%s: %v, want exit code %d", script, err, want.code)
		}
	}
}

// Programs that end at once, many at a time: all of what they print comes.
func TestExecLosesNothing(t *testing.T) {
	_, c, namespace := site(t)
	basePod(t, c, namespace, "shell")
	eachWay(t, c, func(t *testing.T, c *kube.Cluster) { execLosesNothing(t, c, namespace) })
}

func execLosesNothing(t *testing.T, c *kube.Cluster, namespace string) {
	t.Helper()
	var targets []geored.Target
	for i := range 150 {
		targets = append(targets, geored.Target{Site: "dc1", Name: fmt.Sprint(i)})
	}
	answers := geored.Ask(t.Context(), targets, func(ctx context.Context, target geored.Target) (string, error) {
		output, err := c.Exec(ctx, shell(namespace, "echo "+target.Name))
		return string(output.Stdout), err
	}, geored.AskLimit(16), geored.AskBudget(time.Minute))
	for _, silent := range answers.Unanswered() {
		t.Error(silent)
	}
	for target, said := range answers.All() {
		if said != target.Name+"\n" {
			t.Errorf("%s printed %q", target.Name, said)
		}
	}
}

func TestExecGivesStdinToItsEnd(t *testing.T) {
	_, c, namespace := site(t)
	basePod(t, c, namespace, "shell")
	eachWay(t, c, func(t *testing.T, c *kube.Cluster) { execGivesStdinToItsEnd(t, c, namespace) })
}

func execGivesStdinToItsEnd(t *testing.T, c *kube.Cluster, namespace string) {
	t.Helper()
	input := make([]byte, 400_000)
	if _, err := rand.Read(input); err != nil {
		t.Fatal(err)
	}
	command := shell(namespace, "sha256sum")
	command.Stdin = input
	output, err := c.Exec(t.Context(), command)
	if want := fmt.Sprintf("%x  -\n", sha256.Sum256(input)); err != nil || string(output.Stdout) != want {
		t.Errorf("%q, %v, want %q", output.Stdout, err, want)
	}
	command = shell(namespace, "cat")
	command.Stdin = input
	if output, err := c.Exec(t.Context(), command); err != nil || !bytes.Equal(output.Stdout, input) {
		t.Errorf("%d bytes came back, %v", len(output.Stdout), err)
	}
	// Who does not read to the end may keep the call, but not for longer than its context.
	command = shell(namespace, "head -c 10 | wc -c")
	command.Stdin = input
	err = within(t, 15*time.Second, func(ctx context.Context) error {
		output, err = c.Exec(ctx, command)
		return err
	})
	if strings.TrimSpace(string(output.Stdout)) != "10" || err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%q, %v", output.Stdout, err)
	}
	command = shell(namespace, "wc -c")
	command.Stdin = []byte{}
	if output, err := c.Exec(t.Context(), command); err != nil || strings.TrimSpace(string(output.Stdout)) != "0" {
		t.Errorf("%q, %v", output.Stdout, err)
	}
}

func TestExecWhereThereIsNothingToExecute(t *testing.T) {
	_, c, namespace := site(t)
	basePod(t, c, namespace, "shell")
	eachWay(t, c, func(t *testing.T, c *kube.Cluster) { execWhereThereIsNothingToExecute(t, c, namespace) })
}

func execWhereThereIsNothingToExecute(t *testing.T, c *kube.Cluster, namespace string) {
	t.Helper()
	for name, x := range map[string]struct {
		command kube.Command
		want    string
	}{
		"program":   {kube.Command{Namespace: namespace, Pod: "shell", Argv: []string{"/no/such"}}, "no such file"},
		"container": {kube.Command{Namespace: namespace, Pod: "shell", Container: "other", Argv: []string{"true"}}, "container"},
		"pod":       {kube.Command{Namespace: namespace, Pod: "other", Argv: []string{"true"}}, `"other" not found`},
		"nothing":   {kube.Command{Namespace: namespace, Pod: "shell"}, "no program is named"},
	} {
		_, err := c.Exec(t.Context(), x.command)
		if err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v", name, err)
		}
		if geored.IsRetriable(err) {
			t.Errorf("%s: %v is retriable", name, err)
		}
	}
}

func TestExecOfAProgramThatPrintsTooMuch(t *testing.T) {
	_, c, namespace := site(t)
	basePod(t, c, namespace, "shell")
	eachWay(t, c, func(t *testing.T, c *kube.Cluster) { execOfAProgramThatPrintsTooMuch(t, c, namespace) })
}

func execOfAProgramThatPrintsTooMuch(t *testing.T, c *kube.Cluster, namespace string) {
	t.Helper()
	command := shell(namespace, "yes")
	command.MaxOutput = 100_000
	output, err := c.Exec(t.Context(), command)
	if !errors.Is(err, kube.ErrOutput) || len(output.Stdout) != command.MaxOutput {
		t.Errorf("%d bytes, %v", len(output.Stdout), err)
	}
}

// begin starts a script in the pod and comes back when it has begun; ended waits for what comes of it.
func begin(ctx context.Context, t *testing.T, c *kube.Cluster, namespace, name, script string) (ended func() (kube.Output, error)) {
	t.Helper()
	var output kube.Output
	var err error
	over, file := make(chan struct{}), "/tmp/"+strings.ReplaceAll(name, " ", "-")
	go func() {
		defer close(over)
		output, err = c.Exec(ctx, shell(namespace, "echo begun; touch "+file+"; "+script))
	}()
	await(t, func() string {
		_, err := c.Exec(t.Context(), shell(namespace, "test -e "+file))
		return fmt.Sprint(err)
	}, "<nil>")
	return func() (kube.Output, error) {
		<-over
		return output, err
	}
}

func TestExecThatIsCancelledGivesWhatThereWas(t *testing.T) {
	_, c, namespace := site(t)
	basePod(t, c, namespace, "shell")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	ended := begin(ctx, t, c, namespace, "cancelled", "sleep 100")
	time.Sleep(2 * time.Second) // what it printed is on its way
	cancel(errors.New("the operator went home"))
	output, err := ended()
	if err == nil || !strings.Contains(err.Error(), "the operator went home") || string(output.Stdout) != "begun\n" {
		t.Errorf("%q, %v", output.Stdout, err)
	}
	if geored.IsRetriable(err) {
		t.Error("what may still run is not to be started again")
	}
}

// What was not seen to its end was not done.
func TestExecInWhatGoesAwayIsAnError(t *testing.T) {
	l, c, namespace := site(t)
	pod := basePod(t, c, namespace, "shell")
	faults := map[string]func(t *testing.T){
		"pod deleted": func(t *testing.T) {
			now := int64(0)
			if err := c.Client().CoreV1().Pods(namespace).Delete(t.Context(), "shell", metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
				t.Error(err)
			}
		},
		"API server killed": func(t *testing.T) { l.Fault("kill", "dc1", "kube-apiserver") },
		"kubelet killed":    func(t *testing.T) { l.Fault("kill", "dc1", "kubelet") },
	}
	eachWay(t, c, func(t *testing.T, way *kube.Cluster) {
		for _, name := range []string{"API server killed", "kubelet killed", "pod deleted"} {
			t.Run(name, func(t *testing.T) { execInWhatGoesAway(t, c, way, pod, name, faults[name]) })
		}
	})
}

func execInWhatGoesAway(t *testing.T, c, way *kube.Cluster, pod []*kube.Object, name string, fault func(*testing.T)) {
	t.Helper()
	namespace := pod[0].GetNamespace()
	if name == "pod deleted" {
		defer apply(t, c, pod)
	}
	await(t, state(t, c, pod), "done: true")
	await(t, func() string { // what was killed before is back
		_, err := way.Exec(t.Context(), shell(namespace, "true"))
		return fmt.Sprint(err)
	}, "<nil>")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	ended := begin(ctx, t, way, namespace, name, "sleep 60; echo ended")
	fault(t)
	output, err := ended()
	if err == nil || strings.Contains(string(output.Stdout), "ended") || ctx.Err() != nil {
		t.Errorf("%q, %v", output.Stdout, err)
	}
	if geored.IsRetriable(err) {
		t.Errorf("%v is retriable: what may have run would run twice", err)
	}
}

func TestLogsAreFollowed(t *testing.T) {
	_, c, namespace := site(t)
	pod := read(t, `
apiVersion: v1
kind: Pod
metadata: {namespace: %s, name: it}
spec:
  terminationGracePeriodSeconds: 0
  restartPolicy: Never
  containers: [{name: main, image: 'localhost/lab/base:1', args: [sh, -c, 'for i in 1 2 3; do echo line $i; sleep 1; done']}]
`, namespace)
	apply(t, c, pod)
	await(t, state(t, c, pod), "done: true") // before, the log is empty or refused
	var log io.ReadCloser
	await(t, func() string {
		var err error
		log, err = c.Logs(t.Context(), namespace, "it", corev1.PodLogOptions{Follow: true})
		return fmt.Sprint(err)
	}, "<nil>")
	defer log.Close()
	text, err := io.ReadAll(log)
	if want := "line 1\nline 2\nline 3\n"; err != nil || string(text) != want {
		t.Errorf("%q, %v", text, err)
	}
	await(t, state(t, c, pod), "done: true")
}
