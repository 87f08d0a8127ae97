package kube_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"k8s.io/client-go/rest"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

// execute has a program executed by a server that behaves as told once the connection stands.
func execute(t *testing.T, ctx context.Context, behave func(*websocket.Conn)) (kube.Output, error) {
	t.Helper()
	upgrader := websocket.Upgrader{Subprotocols: []string{"v5.channel.k8s.io"}}
	return executeAt(t, ctx, func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		behave(conn)
	})
}

func executeAt(t *testing.T, ctx context.Context, handler http.HandlerFunc) (kube.Output, error) {
	t.Helper()
	return executes(t, ctx, kube.Command{Argv: []string{"date"}, Stdin: []byte("x")}, handler)
}

// executes has a server of one answer, which is released before it is closed: that waits for what it is at.
func executes(t *testing.T, ctx context.Context, command kube.Command, handler http.HandlerFunc, release ...func()) (kube.Output, error) {
	t.Helper()
	server := httptest.NewServer(handler)
	defer server.Close()
	for _, release := range release {
		defer release()
	}
	c, err := kube.New("dc1", &rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	command.Namespace, command.Pod = "ns", "it"
	return c.Exec(ctx, command)
}

func say(conn *websocket.Conn, channel byte, text string) {
	_ = conn.WriteMessage(websocket.BinaryMessage, append([]byte{channel}, text...))
}

func bye(conn *websocket.Conn, code int) {
	_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""), time.Now().Add(time.Second))
}

const success = `{"status":"Success"}`

func TestTheStatusDecides(t *testing.T) {
	for name, c := range map[string]struct {
		behave func(*websocket.Conn)
		want   string // of the error; "": none
	}{
		"success": {func(c *websocket.Conn) { say(c, 3, success); bye(c, websocket.CloseNormalClosure) }, ""},
		"in two pieces": {func(c *websocket.Conn) {
			say(c, 3, success[:5])
			say(c, 3, success[5:])
			bye(c, websocket.CloseNormalClosure)
		}, ""},
		"no status":              {func(c *websocket.Conn) { bye(c, websocket.CloseNormalClosure) }, "the end was not seen"},
		"an empty status":        {func(c *websocket.Conn) { say(c, 3, ""); bye(c, websocket.CloseNormalClosure) }, "the end was not seen"},
		"half a status":          {func(c *websocket.Conn) { say(c, 3, success[:5]); bye(c, websocket.CloseNormalClosure) }, "the status is none"},
		"broken after it":        {func(c *websocket.Conn) { say(c, 3, success) }, "the end was not seen"},
		"the server goes away":   {func(c *websocket.Conn) { say(c, 3, success); bye(c, websocket.CloseGoingAway) }, "the end was not seen"},
		"exit code":              {func(c *websocket.Conn) { say(c, 3, exited("42")); bye(c, websocket.CloseNormalClosure) }, "exit code 42: why"},
		"exit code of no number": {func(c *websocket.Conn) { say(c, 3, exited("x")); bye(c, websocket.CloseNormalClosure) }, "has no exit code"},
		"not started": {func(c *websocket.Conn) {
			say(c, 3, `{"status":"Failure","reason":"InternalError","message":"no such file"}`)
			bye(c, websocket.CloseNormalClosure)
		}, "no such file"},
		"a channel of a later age": {func(c *websocket.Conn) { say(c, 9, "?"); say(c, 3, success); bye(c, websocket.CloseNormalClosure) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			output, err := execute(t, t.Context(), func(conn *websocket.Conn) {
				say(conn, 1, "out") // at once, before the client can have done anything
				say(conn, 2, "why")
				_ = conn.WriteMessage(websocket.BinaryMessage, nil)
				c.behave(conn)
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

func exited(code string) string {
	return fmt.Sprintf(`{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":%q}]}}`, code)
}

func TestStdinArrivesAndEnds(t *testing.T) {
	var got []string
	_, err := execute(t, t.Context(), func(conn *websocket.Conn) {
		for range 2 {
			_, message, err := conn.ReadMessage()
			if err != nil {
				t.Error(err)
			}
			got = append(got, string(message))
		}
		say(conn, 3, success)
		bye(conn, websocket.CloseNormalClosure)
	})
	if err != nil || len(got) != 2 || got[0] != "\x00x" || got[1] != "\xff\x00" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestASilentServerIsLeftInTime(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("enough")
	_, err := execute(t, ctx, func(conn *websocket.Conn) {
		cancel(gone)
		_, _, _ = conn.ReadMessage()
		_, _, _ = conn.ReadMessage()
		_, _, _ = conn.ReadMessage() // ends when the client leaves
	})
	if !errors.Is(err, gone) {
		t.Errorf("%v", err)
	}
}

// A server that speaks no WebSocket is asked again over SPDY, and what it says then is told.
func TestRefusedConnections(t *testing.T) {
	var methods []string
	_, err := executeAt(t, t.Context(), func(w http.ResponseWriter, r *http.Request) {
		methods = append(methods, r.Method+" "+r.Header.Get("Upgrade"))
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","message":"you may not","code":403}`)
	})
	if err == nil || !strings.Contains(err.Error(), "execute date in pod ns/it: ") || !strings.Contains(err.Error(), "you may not") || geored.IsRetriable(err) {
		t.Errorf("%v", err)
	}
	if got := strings.Join(methods, ", "); got != "GET websocket, POST SPDY/3.1" {
		t.Errorf("asked by %s", got)
	}
}
