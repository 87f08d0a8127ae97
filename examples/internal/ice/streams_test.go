package ice

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/apimachinery/pkg/util/httpstream/spdy"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/probe"
)

// program is what pods of a site execute: it gives what is printed. An error is that of the kubelet, which executed nothing.
type program func(pod string, argv []string, input []byte) (string, error)

// runs has a site's pods execute programs.
func (a *apiServer) runs(p program) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.program = p
}

// streams answers what is no single answer: programs in pods, and their ports. It says whether it was that.
func (a *apiServer) streams(w http.ResponseWriter, r *http.Request) bool {
	a.mu.Lock()
	run, port, silent := a.program, a.port, a.silent
	a.mu.Unlock()
	parts := strings.Split(r.URL.Path, "/")
	switch into := parts[len(parts)-1]; {
	case silent:
		return false
	case into == "exec" && run != nil && websocket.IsWebSocketUpgrade(r):
		execute(w, r, func(input []byte) (string, error) { return run(parts[len(parts)-2], r.URL.Query()["command"], input) })
	case into == "portforward" && port != "" && r.Method == http.MethodPost:
		forward(w, r, port)
	default:
		return false
	}
	return true
}

func execute(w http.ResponseWriter, r *http.Request, run func(input []byte) (string, error)) {
	upgrader := websocket.Upgrader{Subprotocols: []string{"v5.channel.k8s.io"}}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the test sees what does not come
	}
	defer conn.Close()
	var input []byte
	for r.URL.Query().Get("stdin") == "true" {
		_, message, err := conn.ReadMessage()
		if err != nil {
			return
		}
		if message[0] != 0 { // it ends
			break
		}
		input = append(input, message[1:]...)
	}
	status := `{"status":"Success"}`
	printed, err := run(input)
	if err != nil {
		status = fmt.Sprintf(`{"status":"Failure","message":%q}`, err)
	}
	for _, message := range []string{"\x01" + printed, "\x03" + status} {
		_ = conn.WriteMessage(websocket.BinaryMessage, []byte(message))
	}
	_ = conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""))
}

// forward leads every port of every pod to one address.
func forward(w http.ResponseWriter, r *http.Request, to string) {
	w.Header().Set(httpstream.HeaderProtocolVersion, "portforward.k8s.io")
	streams := make(chan httpstream.Stream, 2)
	tunnel := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(s httpstream.Stream, _ <-chan struct{}) error {
		streams <- s
		return nil
	})
	if tunnel == nil {
		return
	}
	defer tunnel.Close()
	for {
		select {
		case <-tunnel.CloseChan():
			return
		case s := <-streams:
			if s.Headers().Get(corev1.StreamType) == corev1.StreamTypeError {
				_ = s.Close() // there is nothing to complain of
				continue
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(far, s) }()
			_, _ = io.Copy(s, far)
			_ = errors.Join(s.Close(), far.Close())
		}
	}
}

// errGone is what the kubelet says of a pod that is not there.
var errGone = errors.New("the pod is gone")

// probing is a probe in every pod; what is not among its answers went wrong there.
func probing(t *testing.T, answer func(pod, question string, about []byte) (any, error)) program {
	return func(pod string, argv []string, input []byte) (string, error) {
		if len(argv) != 3 || argv[1] != "ask" {
			return "", fmt.Errorf("%q is no question", argv)
		}
		var out strings.Builder
		err := probe.Serve(t.Context(), map[string]probe.Handler{argv[2]: func(_ context.Context, text []byte) (any, error) { return answer(pod, argv[2], text) }},
			argv[2], strings.NewReader(string(input)), &out)
		return out.String(), err
	}
}

// foundBy gives the findings of one check, by site or by the way between two.
func foundBy(t *testing.T, checks []geored.Check, id geored.CheckID) map[string]geored.Finding {
	t.Helper()
	found := map[string]geored.Finding{}
	for _, c := range checks {
		if c.ID != id {
			continue
		}
		c.Needs = nil
		report, err := geored.Prove(t.Context(), geored.CheckConfig{}, c)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range report.Findings {
			found[geored.Target{Site: f.Site, To: f.To}.String()] = f
		}
	}
	return found
}
