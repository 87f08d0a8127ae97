package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/watch"
)

// received is what an OTLP receiver was sent.
type received struct {
	spans   map[string]*traces.Span // the last of each name
	count   int
	strange []string // resources that are not this program
}

// collect is an OTLP receiver; it takes its time, and what it is given as the status says.
func collect(t *testing.T, status int, pause time.Duration) func() received {
	var mu sync.Mutex
	got := received{spans: map[string]*traces.Span{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		text, _ := io.ReadAll(r.Body)
		var request collector.ExportTraceServiceRequest
		if err := proto.Unmarshal(text, &request); err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", r.URL, err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, of := range request.ResourceSpans {
			if name := of.Resource.String(); !strings.Contains(name, `"georedkit"`) {
				got.strange = append(got.strange, name)
			}
			for _, scope := range of.ScopeSpans {
				got.count += len(scope.Spans)
				for _, s := range scope.Spans {
					got.spans[s.Name] = s
				}
			}
		}
		time.Sleep(pause)
	}))
	t.Cleanup(server.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	return func() received { mu.Lock(); defer mu.Unlock(); return got }
}

// told are the events of a run of two steps, as a program writes them; the second step fails.
func told(t *testing.T) []byte {
	var text bytes.Buffer
	done := false
	book := geored.Runbook{Name: "install", Stages: []geored.Stage{geored.StageOf("mesh",
		geored.Task{Step: geored.Step{ID: "mesh/dc1", Site: "dc1", Target: "daemonset gateway", Action: geored.Apply},
			Observe: func(context.Context) (geored.State, error) { return geored.State{Done: done}, nil },
			Apply:   func(context.Context) error { done = true; return nil }},
		geored.Task{Step: geored.Step{ID: "mesh/dc2", Site: "dc2", Target: "daemonset gateway", Action: geored.Apply},
			Observe: func(context.Context) (geored.State, error) { return geored.State{}, nil },
			Apply:   func(context.Context) error { return errors.New("refused") }},
	)}}
	if _, err := book.Run(t.Context(), geored.RunConfig{Observer: func(e geored.Event) { _ = json.NewEncoder(&text).Encode(e) }}); err == nil {
		t.Fatal("a step that fails was no error")
	}
	return text.Bytes()
}

func TestARunIsExported(t *testing.T) {
	seen := collect(t, http.StatusOK, 0)
	text := append(told(t), `{"check":"mesh/pods","verdict":"pass"}`+"\n"...) // a finding is no span
	change, err := json.Marshal(watch.Event{Time: time.Now(), Kind: watch.Changed, Round: 2, Told: watch.Told{Place: watch.Place{Check: "mesh/handshakes"}, Verdict: geored.Fail, Message: "none"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := export(t.Context(), nil, bytes.NewReader(append(text, change...))); err != nil {
		t.Fatal(err)
	}
	got := seen().spans
	if len(got) != 5 {
		t.Errorf("spans: %v", got)
	}
	run, stage, step, failed := got["run install"], got["stage mesh"], got["mesh/dc1"], got["mesh/dc2"]
	if run == nil || stage == nil || step == nil || failed == nil {
		t.Fatalf("spans: %v", got)
	}
	if !bytes.Equal(stage.ParentSpanId, run.SpanId) || !bytes.Equal(step.ParentSpanId, stage.SpanId) || !bytes.Equal(step.TraceId, run.TraceId) {
		t.Errorf("no one trace: %v", got)
	}
	if step.GetStatus().GetCode() == traces.Status_STATUS_CODE_ERROR || !strings.Contains(failed.GetStatus().GetMessage(), "refused") {
		t.Errorf("%v, %v", step.Status, failed.Status)
	}
	if seen := got["watch mesh/handshakes"]; seen == nil || seen.GetStatus().GetMessage() != "none" {
		t.Errorf("the change of a watch: %v", seen)
	}
}

// What was killed wrote no end; its spans are exported all the same, and say so.
func TestAnInterruptedRunIsExported(t *testing.T) {
	seen := collect(t, http.StatusOK, 0)
	lines := bytes.SplitAfter(told(t), []byte("\n"))
	path := filepath.Join(t.TempDir(), "events")
	if err := os.WriteFile(path, bytes.Join(lines[:4], nil), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := export(t.Context(), []string{path}, nil); err != nil {
		t.Fatal(err)
	}
	if run := seen().spans["run install"]; run == nil || run.GetStatus().GetMessage() != "its events end here" || run.EndTimeUnixNano < run.StartTimeUnixNano {
		t.Errorf("%v", seen().spans)
	}
}

func TestWhatCannotBeExportedIsTold(t *testing.T) {
	collect(t, http.StatusBadRequest, 0)
	if err := export(t.Context(), nil, bytes.NewReader(told(t))); err == nil || !strings.Contains(err.Error(), "4 spans were not exported") {
		t.Error(err)
	}
	collect(t, http.StatusOK, 0)
	if err := export(t.Context(), nil, strings.NewReader("{}\nno JSON\n")); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Error(err)
	}
	if err := export(t.Context(), []string{"/does/not/exist"}, nil); err == nil {
		t.Error("a file that is not there")
	}
}

// More than fits the exporter's queue is sent all the same, to a receiver that takes its time.
func TestNothingIsDropped(t *testing.T) {
	seen := collect(t, http.StatusOK, 20*time.Millisecond)
	change := `{"time":"2026-11-22T10:00:00Z","kind":"changed","round":2,"check":"mesh/handshakes","verdict":"fail"}` + "\n"
	err := export(t.Context(), nil, strings.NewReader(strings.Repeat(change, 10_000)))
	if got := seen(); err != nil || got.count != 10_000 || len(got.strange) > 0 {
		t.Errorf("%d spans, %v; not of this program: %v", got.count, err, got.strange)
	}
}

// A pipe on which nothing comes does not keep it from ending.
func TestItEndsWhileItWaits(t *testing.T) {
	collect(t, http.StatusOK, 0)
	waiting, writer := io.Pipe()
	defer writer.Close()
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if err := export(ctx, nil, waiting); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
