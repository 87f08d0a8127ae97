package kube_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/apimachinery/pkg/util/httpstream/spdy"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

// executeOverSPDY has a program executed by a server that speaks no WebSocket, and behaves as told once the streams stand.
func executeOverSPDY(t *testing.T, ctx context.Context, behave func(conn io.Closer, streams map[string]httpstream.Stream)) (kube.Output, error) {
	t.Helper()
	return executeAt(t, ctx, overSPDY(t, behave))
}

func overSPDY(t *testing.T, behave func(conn io.Closer, streams map[string]httpstream.Stream)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if _, err := httpstream.Handshake(r, w, []string{"v4.channel.k8s.io"}); err != nil {
			t.Error(err)
			return
		}
		came := make(chan httpstream.Stream, 4)
		conn := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(stream httpstream.Stream, _ <-chan struct{}) error {
			came <- stream
			return nil
		})
		if conn == nil {
			t.Error("the connection was not upgraded")
			return
		}
		defer conn.Close()
		streams := map[string]httpstream.Stream{}
		for range 4 {
			stream := <-came
			streams[stream.Headers().Get("streamType")] = stream
		}
		behave(conn, streams)
	}
}

func TestTheStatusDecidesOverSPDY(t *testing.T) {
	for name, c := range map[string]struct {
		status string
		want   string // of the error; "": none
	}{
		"success":       {success, ""},
		"no status":     {"", "the end was not seen"},
		"half a status": {success[:5], "the status is none"},
		"exit code":     {exited("42"), "exit code 42: why"},
		"not started":   {`{"status":"Failure","reason":"InternalError","message":"no such file"}`, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			output, err := executeOverSPDY(t, t.Context(), func(_ io.Closer, streams map[string]httpstream.Stream) {
				fmt.Fprint(streams["stdout"], "out")
				fmt.Fprint(streams["stderr"], "why")
				fmt.Fprint(streams["error"], c.status)
				for _, stream := range streams {
					_ = stream.Close()
				}
				time.Sleep(50 * time.Millisecond) // a server waits for its client too
			})
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if string(output.Stdout) != "out" || string(output.Stderr) != "why" {
				t.Errorf("%q, %q", output.Stdout, output.Stderr)
			}
			if geored.IsRetriable(err) {
				t.Errorf("%v is retriable", err)
			}
		})
	}
}

func TestABrokenConnectionIsNoSuccessOverSPDY(t *testing.T) {
	_, err := executeOverSPDY(t, t.Context(), func(conn io.Closer, streams map[string]httpstream.Stream) {
		fmt.Fprint(streams["stdout"], "out")
		_ = conn.Close()
	})
	if err == nil || !strings.Contains(err.Error(), "the end was not seen") || geored.IsRetriable(err) {
		t.Errorf("%v", err)
	}
}

// A frame of SPDY holds less than 16 MiB.
func TestLargeStdinArrivesWholeOverSPDY(t *testing.T) {
	input, got := bytes.Repeat([]byte("georedkit"), 2<<20), []byte(nil)
	_, err := executes(t, t.Context(), kube.Command{Argv: []string{"cat"}, Stdin: input}, overSPDY(t, func(_ io.Closer, streams map[string]httpstream.Stream) {
		got, _ = io.ReadAll(streams["stdin"])
		fmt.Fprint(streams["error"], success)
		for _, stream := range streams {
			_ = stream.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}))
	if err != nil || !bytes.Equal(got, input) {
		t.Errorf("%d of %d bytes, %v", len(got), len(input), err)
	}
}

// One that takes no input, and one that never answers: the connection itself cannot be ended before the kernel gives it up.
func TestAServerThatStandsStillIsLeftInTimeOverSPDY(t *testing.T) {
	for name, stuck := range map[string]func(w http.ResponseWriter, r *http.Request, still <-chan struct{}){
		"before it answers": func(_ http.ResponseWriter, _ *http.Request, still <-chan struct{}) { <-still },
		"before the streams": func(w http.ResponseWriter, r *http.Request, still <-chan struct{}) {
			_, _ = httpstream.Handshake(r, w, []string{"v4.channel.k8s.io"})
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Upgrade", spdy.HeaderSpdy31)
			w.WriteHeader(http.StatusSwitchingProtocols)
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			<-still
		},
	} {
		t.Run(name, func(t *testing.T) {
			still := make(chan struct{})
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			began := time.Now()
			server := func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet {
					w.WriteHeader(http.StatusBadRequest)
					return
				}
				stuck(w, r, still)
			}
			_, err := executes(t, ctx, kube.Command{Argv: []string{"cat"}, Stdin: make([]byte, 64<<20)}, server, func() { close(still) })
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 20*time.Second {
				t.Errorf("%v after %s", err, time.Since(began))
			}
		})
	}
}

func TestStdinArrivesAndEndsOverSPDY(t *testing.T) {
	output, err := executeOverSPDY(t, t.Context(), func(_ io.Closer, streams map[string]httpstream.Stream) {
		input, err := io.ReadAll(streams["stdin"])
		if err != nil {
			t.Error(err)
		}
		fmt.Fprintf(streams["stdout"], "got %s", input)
		fmt.Fprint(streams["error"], success)
		for _, stream := range streams {
			_ = stream.Close()
		}
		time.Sleep(50 * time.Millisecond)
	})
	if err != nil || string(output.Stdout) != "got x" {
		t.Errorf("%q, %v", output.Stdout, err)
	}
}

func TestASilentServerIsLeftInTimeOverSPDY(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("enough")
	_, err := executeOverSPDY(t, ctx, func(_ io.Closer, streams map[string]httpstream.Stream) {
		cancel(gone)
		_, _ = io.ReadAll(streams["stdin"]) // ends when the client leaves
	})
	if !errors.Is(err, gone) {
		t.Errorf("%v", err)
	}
}
