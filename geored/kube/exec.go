package kube

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/exec"
)

// Command is a program to execute in a container.
type Command struct {
	Namespace string
	Pod       string
	Container string   // zero: the pod's only one
	Argv      []string // stands in the audit log of the cluster: no secrets
	Stdin     []byte   // zero: none
}

// Output is what a program printed.
type Output struct{ Stdout, Stderr []byte }

// ExitError says that a program ran and ended with a code other than 0.
type ExitError struct {
	Code   int
	Stderr string // the end of it
}

func (e *ExitError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("exit code %d: %s", e.Code, e.Stderr))
}

// maxOutput is more than any program we execute prints.
const maxOutput = 64 << 20

// Exec executes a program in a container and gives what it printed, also together with an error: an [ExitError] when the
// program said no, anything else when it could not be executed.
func (c *Cluster) Exec(ctx context.Context, command Command) (Output, error) {
	request := c.client.CoreV1().RESTClient().Post().Resource("pods").Namespace(command.Namespace).Name(command.Pod).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{
			Container: command.Container, Command: command.Argv, Stdin: command.Stdin != nil, Stdout: true, Stderr: true,
		}, scheme.ParameterCodec)
	executor, err := c.executor(request.URL())
	if err != nil {
		return Output{}, err
	}
	var stdout, stderr bytes.Buffer
	options := remotecommand.StreamOptions{Stdout: &limited{&stdout, maxOutput}, Stderr: &limited{&stderr, maxOutput}}
	if command.Stdin != nil {
		options.Stdin = bytes.NewReader(command.Stdin)
	}
	err = executor.StreamWithContext(ctx, options)
	output := Output{stdout.Bytes(), stderr.Bytes()}
	var exit exec.CodeExitError
	if errors.As(err, &exit) {
		return output, &ExitError{exit.Code, tail(stderr.String())}
	}
	if err != nil {
		return output, fmt.Errorf("execute %s in pod %s/%s: %w", command.Argv[0], command.Namespace, command.Pod, retriable(err))
	}
	return output, nil
}

// executor speaks WebSocket, and SPDY with servers and proxies that do not.
func (c *Cluster) executor(target *url.URL) (remotecommand.Executor, error) {
	socket, err := remotecommand.NewWebSocketExecutor(c.config, http.MethodGet, target.String())
	if err != nil {
		return nil, err
	}
	spdy, err := remotecommand.NewSPDYExecutor(c.config, http.MethodPost, target)
	if err != nil {
		return nil, err
	}
	return remotecommand.NewFallbackExecutor(socket, spdy, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
}

// Logs follows or reads the log of a container. The caller closes it.
func (c *Cluster) Logs(ctx context.Context, namespace, pod string, options corev1.PodLogOptions) (io.ReadCloser, error) {
	return c.client.CoreV1().Pods(namespace).GetLogs(pod, &options).Stream(ctx)
}

// limited fails the stream instead of filling the memory.
type limited struct {
	buffer *bytes.Buffer
	left   int
}

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, errors.New("the program printed too much")
	}
	return l.buffer.Write(p)
}

func tail(text string) string {
	const most = 500
	text = strings.TrimSpace(text)
	if len(text) > most {
		return "…" + text[len(text)-most:]
	}
	return text
}
