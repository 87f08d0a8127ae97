package connect_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka/connect"
)

// answers is a worker that answers every request alike and keeps the last one.
type answers struct {
	status int
	body   string
	seen   string // method and request URI
	sent   string
	header http.Header
}

func (a *answers) client(t *testing.T) *connect.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, _ := io.ReadAll(r.Body)
		a.seen, a.sent, a.header = r.Method+" "+r.RequestURI, string(sent), r.Header
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.body)
	}))
	t.Cleanup(server.Close)
	client, err := connect.New(connect.Config{URL: server.URL, Timeout: 5 * time.Second,
		Authorize: func(r *http.Request) { r.SetBasicAuth("u", "p") }})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

const expanded = `{"dc1->dc2.MirrorSourceConnector":{"info":{"name":"x","config":{"tasks.max":"2","source.cluster.sasl.jaas.config":"hunter2"},"tasks":[],"type":"source"},
"status":{"name":"dc1->dc2.MirrorSourceConnector","connector":{"state":"RUNNING","worker_id":"127.0.0.1:8083"},
"tasks":[{"id":1,"state":"FAILED","worker_id":"127.0.0.1:8083","trace":"org.x.ConnectException: boom\n\tat a\nCaused by: org.x.RecordTooLargeException: 2097240 bytes\n\tat b\n"},{"id":0,"state":"RUNNING","worker_id":"127.0.0.1:8083"}],"type":"source"}}}`

func TestConnectors(t *testing.T) {
	worker := &answers{status: 200, body: expanded}
	connectors, err := worker.client(t).Connectors(t.Context())
	if err != nil || len(connectors) != 1 {
		t.Fatal(connectors, err)
	}
	c := connectors[0]
	if c.State != connect.Running || len(c.Tasks) != 2 || c.Tasks[0].ID != 0 || c.Tasks[1].State != connect.Failed {
		t.Errorf("got %+v", c.Tasks)
	}
	if got := c.Tasks[1].Cause(); got != "org.x.RecordTooLargeException: 2097240 bytes" {
		t.Errorf("cause: %q", got)
	}
	if user, _, _ := (&http.Request{Header: worker.header}).BasicAuth(); user != "u" {
		t.Error("the request was not authorized")
	}
}

func TestSettingsRedact(t *testing.T) {
	connectors, err := (&answers{status: 200, body: expanded}).client(t).Connectors(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := connectors[0].Settings
	if s["source.cluster.sasl.jaas.config"] != "hunter2" {
		t.Fatal("the value itself is gone")
	}
	if connect.Redacted != geored.Redacted {
		t.Errorf("%s is not the SDK's mark %s", connect.Redacted, geored.Redacted)
	}
	written, _ := json.Marshal(connectors[0])
	for _, shown := range []string{fmt.Sprint(s), fmt.Sprintf("%#v %+v %s %q", s, connectors[0], s, s), s.LogValue().String(), string(written)} {
		if strings.Contains(shown, "hunter2") {
			t.Errorf("shows the password: %s", shown)
		}
		if !strings.Contains(shown, "tasks.max") {
			t.Errorf("hides what is no secret: %s", shown)
		}
	}
}

func TestSettingsHideWhatConvertersAndURLsCarry(t *testing.T) {
	s := connect.Settings{"value.converter.basic.auth.user.info": "me:hunter2", "url": "https://me:hunter2@registry", "plain": "http://connect:8083/a@b"}
	yaml, err := s.MarshalYAML()
	if text := fmt.Sprint(s, yaml); err != nil || strings.Contains(text, "hunter2") || !strings.Contains(text, "connect:8083/a@b") {
		t.Error(text, err)
	}
}

func TestPutSettingsSendsTheSecret(t *testing.T) {
	worker := &answers{status: 201, body: `{}`}
	if err := worker.client(t).PutSettings(t.Context(), "a->b.X", connect.Settings{"a.password": "hunter2"}); err != nil {
		t.Fatal(err)
	}
	if worker.seen != "PUT /connectors/a-%3Eb.X/config" || worker.sent != `{"a.password":"hunter2"}` {
		t.Errorf("%s %s", worker.seen, worker.sent)
	}
}

func TestOffsets(t *testing.T) {
	worker := &answers{status: 200, body: `{"offsets":[
		{"partition":{"cluster":"dc1","topic":"orders","partition":0},"offset":{"offset":41}},
		{"partition":{"sourceClusterAlias":"dc1","targetClusterAlias":"dc2"},"offset":{"offset":0}},
		{"partition":{"cluster":"dc1","topic":"orders","partition":1},"offset":null}]}`}
	offsets, err := worker.client(t).Offsets(t.Context(), "a->b.X")
	if want := []connect.Offset{{Cluster: "dc1", Topic: "orders", Partition: 0, Offset: 41}}; err != nil || !slices.Equal(offsets, want) {
		t.Errorf("%v %v", offsets, err)
	}
	worker.body = `{"version":"4.3.1"}`
	if _, err := worker.client(t).Offsets(t.Context(), "a->b.X"); err == nil {
		t.Error("an answer without a list of offsets is no answer")
	}
}

func TestRequests(t *testing.T) {
	ctx := context.WithoutCancel(t.Context())
	for want, ask := range map[string]func(*connect.Client) error{
		"POST /connectors/a-%3Eb/restart?includeTasks=true&onlyFailed=true": func(c *connect.Client) error {
			return c.Restart(ctx, "a->b", connect.RestartOptions{IncludeTasks: true, OnlyFailed: true})
		},
		"POST /connectors/a-%3Eb/tasks/3/restart": func(c *connect.Client) error { return c.RestartTask(ctx, "a->b", 3) },
		"PUT /connectors/a-%3Eb/pause":            func(c *connect.Client) error { return c.Pause(ctx, "a->b") },
		"PUT /connectors/a-%3Eb/stop":             func(c *connect.Client) error { return c.Stop(ctx, "a->b") },
		"PUT /connectors/a-%3Eb/resume":           func(c *connect.Client) error { return c.Resume(ctx, "a->b") },
		"PUT /connectors/a-%3Eb/topics/reset":     func(c *connect.Client) error { return c.ResetTopics(ctx, "a->b") },
		"PATCH /connectors/a-%3Eb/config":         func(c *connect.Client) error { return c.PatchSettings(ctx, "a->b", nil) },
		"DELETE /connectors/a-%3Eb/offsets":       func(c *connect.Client) error { return c.ResetOffsets(ctx, "a->b") },
		"DELETE /connectors/a-%3Eb":               func(c *connect.Client) error { return c.Delete(ctx, "a->b") },
		"PUT /admin/loggers/org.x":                func(c *connect.Client) error { return c.SetLogger(ctx, "org.x", "DEBUG") },
		"GET /health":                             func(c *connect.Client) error { return c.Health(ctx) },
		"PATCH /connectors/a-%3Eb/offsets": func(c *connect.Client) error {
			return c.ForgetOffsets(ctx, "a->b", []connect.Offset{{Cluster: "a", Topic: "t", Partition: 0}})
		},
	} {
		worker := &answers{status: 202}
		if err := ask(worker.client(t)); err != nil || worker.seen != want {
			t.Errorf("%s: got %s %v", want, worker.seen, err)
		}
		if want == "PATCH /connectors/a-%3Eb/offsets" &&
			worker.sent != `{"offsets":[{"partition":{"cluster":"a","topic":"t","partition":0},"offset":null}]}` {
			t.Errorf("sent %s", worker.sent)
		}
	}
}

func TestLoggers(t *testing.T) {
	worker := &answers{status: 200, body: `{"root":{"level":"INFO","last_modified":null},"org.x":{"level":"DEBUG","last_modified":1700000000000}}`}
	loggers, err := worker.client(t).Loggers(t.Context())
	if want := (connect.Logger{Level: "DEBUG", LastModified: 1700000000000}); err != nil || len(loggers) != 2 || loggers["org.x"] != want || loggers["root"].LastModified != 0 {
		t.Errorf("%v %v", loggers, err)
	}
	if worker.seen != "GET /admin/loggers" {
		t.Errorf("asked %s", worker.seen)
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		status    int
		body      string
		kind      error
		retriable bool
		text      string
	}{
		{404, `{"error_code":404,"message":"Connector x not found"}`, connect.ErrNotFound, false, "404: Connector x not found"},
		{409, `{"error_code":409,"message":"rebalance"}`, connect.ErrRebalancing, true, "409: rebalance"},
		{500, `{"error_code":500,"message":"forward\n\tat trace"}`, nil, true, "500: forward"},
		{401, `anything`, connect.ErrDenied, false, "denies"},
		{404, `<html>nginx</html>`, connect.ErrNotFound, false, "the base of its REST API?"},
		{200, `<html>welcome</html>`, nil, false, "the base of its REST API?"},
	} {
		_, err := (&answers{status: c.status, body: c.body}).client(t).Connector(t.Context(), "x")
		if err == nil || c.kind != nil && !errors.Is(err, c.kind) || geored.IsRetriable(err) != c.retriable || !strings.HasSuffix(err.Error(), c.text) && !strings.Contains(err.Error(), c.text) {
			t.Errorf("%d %s: got %v, retriable %v", c.status, c.body, err, geored.IsRetriable(err))
		}
	}
}

func TestNotAWorker(t *testing.T) {
	if _, err := (&answers{status: 200, body: `{"name":"schema registry"}`}).client(t).Worker(t.Context()); err == nil {
		t.Error("took something else for a worker")
	}
	if w, err := (&answers{status: 200, body: `{"version":"4.3.1","kafka_cluster_id":"x"}`}).client(t).Worker(t.Context()); err != nil || w.Version != "4.3.1" {
		t.Error(w, err)
	}
}

func TestHangingWorker(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	client, err := connect.New(connect.Config{URL: server.URL, Timeout: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Connectors(t.Context()); !errors.Is(err, connect.ErrUnreachable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestBadURL(t *testing.T) {
	for _, bad := range []string{"", "mm-dc1:8083", "ftp://x", "http://", "http://u:hunter2@x:8083", "http://u:hunter2@[x"} {
		if _, err := connect.New(connect.Config{URL: bad}); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}
