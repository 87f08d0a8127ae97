package kube

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/client-go/kubernetes/scheme"
)

// Command is a program to execute in a container.
type Command struct {
	Namespace string
	Pod       string
	Container string   // zero: the pod's only one
	Argv      []string // stands in the audit log of the cluster: no secrets; required
	Stdin     []byte   // empty: the program reads from /dev/null
	MaxOutput int      // bytes of output, beyond which it is an error; zero: 64 MiB
}

// Output is what a program printed.
type Output struct{ Stdout, Stderr []byte }

// ExitError says that a program ran and ended with a code other than 0.
type ExitError struct {
	Code   int
	Stderr string // the end of it
}

func (e *ExitError) Error() string {
	return strings.TrimSuffix(fmt.Sprintf("exit code %d: %s", e.Code, e.Stderr), ": ")
}

const defaultMaxOutput = 64 << 20

// ErrOutput says that a program printed more than its [Command] allows.
var ErrOutput = errors.New("the program printed too much")

// Exec executes a program in a container and gives what it printed, also together with an error: an [ExitError] when the
// program said no, anything else when it could not be executed or its end was not seen. That is geored.Retriable only
// when the program was certainly not started. A program that ends without reading all of its input can block the stream
// until the context ends: give it a time limit.
func (c *Cluster) Exec(ctx context.Context, command Command) (Output, error) {
	if len(command.Argv) == 0 {
		return Output{}, errors.New("execute: no program is named")
	}
	request := c.client.CoreV1().RESTClient().Post().Resource("pods").Namespace(command.Namespace).Name(command.Pod).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{
			Container: command.Container, Command: command.Argv, Stdin: len(command.Stdin) > 0, Stdout: true, Stderr: true,
		}, scheme.ParameterCodec)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	printed := capture{left: command.MaxOutput, full: func() { cancel(ErrOutput) }}
	if printed.left <= 0 {
		printed.left = defaultMaxOutput
	}
	came := make(chan error, 1)
	go func() { // a server that goes silent while it is dialled, or sent to, holds up even the end of the connection
		came <- c.stream(ctx, request.URL(), command.Stdin, printed.into(&printed.stdout), printed.into(&printed.stderr))
	}()
	var err error
	select {
	case err = <-came:
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	output := printed.output()
	if exit := new(ExitError); errors.As(err, &exit) {
		exit.Stderr = tail(string(output.Stderr))
		return output, exit
	}
	if err != nil {
		return output, fmt.Errorf("execute %s in pod %s/%s: %w", command.Argv[0], command.Namespace, command.Pod, retriableStart(err))
	}
	return output, nil
}

// stream runs a program over a WebSocket, or over SPDY with servers and proxies that do not speak it: Kubernetes before
// 1.30.
func (c *Cluster) stream(ctx context.Context, target *url.URL, input []byte, stdout, stderr io.Writer) error {
	s, err := c.dial(ctx, target)
	if err == nil {
		return s.run(ctx, input, stdout, stderr)
	}
	if !httpstream.IsUpgradeFailure(err) && !httpstream.IsHTTPSProxyError(err) {
		return err
	}
	older, err := c.dialSPDY(ctx, target, len(input) > 0)
	if err != nil {
		return err
	}
	return older.run(ctx, input, stdout, stderr)
}

// Logs follows or reads the log of a container. The caller closes it. The log of a pod that no node was found for yet is
// empty, and ends.
func (c *Cluster) Logs(ctx context.Context, namespace, pod string, options corev1.PodLogOptions) (io.ReadCloser, error) {
	return c.client.CoreV1().Pods(namespace).GetLogs(pod, &options).Stream(ctx)
}

// capture keeps what is printed, up to a limit. Its streams may still be written to when the call has come back: a
// cancelled one does not wait for them.
type capture struct {
	mu             sync.Mutex
	stdout, stderr bytes.Buffer
	left           int
	full           func() // ends the program
}

type captureFunc func([]byte) (int, error)

func (f captureFunc) Write(p []byte) (int, error) { return f(p) }

func (c *capture) into(buffer *bytes.Buffer) io.Writer {
	return captureFunc(func(p []byte) (int, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(p) > c.left {
			c.full()
		}
		keep := min(len(p), c.left)
		c.left -= keep
		buffer.Write(p[:keep])
		return len(p), nil
	})
}

func (c *capture) output() Output {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Output{bytes.Clone(c.stdout.Bytes()), bytes.Clone(c.stderr.Bytes())}
}

func tail(text string) string {
	const most = 500
	text = strings.TrimSpace(text)
	if len(text) > most {
		return "…" + strings.ToValidUTF8(text[len(text)-most:], "")
	}
	return text
}
