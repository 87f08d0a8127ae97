package otel_test

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
	"github.com/georedkit/georedkit/geored/otel"
)

var errStopped = errors.New("stopped")

// traced runs a runbook of two stages over a world and gives the spans by name.
func traced(t *testing.T, ctx context.Context, world *geotest.World) map[string]sdktrace.ReadOnlySpan {
	t.Helper()
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	step := func(id geored.StepID, site geored.SiteName) geored.Task {
		return world.Task(geored.Step{ID: id, Site: site, Target: "daemonset gateway", Action: geored.Apply})
	}
	book := geored.Runbook{Name: "install", Stages: []geored.Stage{
		geored.StageOf("mesh", step("mesh/dc1", "dc1"), step("mesh/dc2", "dc2")), geored.StageOf("dns", step("dns/dc1", "dc1"))}}
	above, root := provider.Tracer("test").Start(ctx, "above")
	_, _ = book.Run(ctx, geored.RunConfig{RunID: "r1", Clock: geotest.NewClock(t, time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)),
		StepTimeout: 10 * time.Second, Observer: otel.New(above, provider).Observe}) // what became of it is in the spans
	root.End()
	byName := map[string]sdktrace.ReadOnlySpan{}
	for _, s := range spans.Ended() {
		byName[s.Name()] = s
	}
	if open := len(spans.Started()) - len(spans.Ended()); open != 0 {
		t.Errorf("%d spans were not ended", open)
	}
	return byName
}

func attributeOf(s sdktrace.ReadOnlySpan, key attribute.Key) string {
	for _, kv := range s.Attributes() {
		if kv.Key == key {
			return kv.Value.Emit()
		}
	}
	return ""
}

func TestASpanPerRunStageAndStep(t *testing.T) {
	world := &geotest.World{}
	world.Delay("mesh/dc2", 2)
	spans := traced(t, t.Context(), world)
	for child, parent := range map[string]string{"run install": "above", "stage mesh": "run install", "stage dns": "run install",
		"mesh/dc1": "stage mesh", "mesh/dc2": "stage mesh", "dns/dc1": "stage dns"} {
		if spans[child] == nil || spans[child].Parent().SpanID() != spans[parent].SpanContext().SpanID() {
			t.Fatalf("%s does not stand below %s", child, parent)
		}
		if spans[child].Status().Code == codes.Error {
			t.Errorf("%s: %+v", child, spans[child].Status())
		}
	}
	step := spans["mesh/dc2"]
	if attributeOf(step, otel.SiteKey) != "dc2" || attributeOf(step, otel.StatusKey) != "changed" || attributeOf(step, otel.RunKey) != "r1" {
		t.Errorf("attributes: %v", step.Attributes())
	}
	var events []string
	for _, e := range step.Events() {
		events = append(events, e.Name)
	}
	if got := strings.Join(events, " "); got != "applying waiting" {
		t.Errorf("events: %s", got)
	}
	if step.StartTime().Year() != 2026 || step.EndTime().Sub(step.StartTime()) <= 0 {
		t.Errorf("from %s to %s: not the run's own time", step.StartTime(), step.EndTime())
	}
}

func TestErrorsAreRecorded(t *testing.T) {
	world := &geotest.World{}
	world.Break("dc2", geotest.Denied)
	spans := traced(t, t.Context(), world)
	for _, name := range []string{"mesh/dc2", "stage mesh", "run install"} {
		s := spans[name]
		if s.Status().Code != codes.Error {
			t.Errorf("%s: %+v", name, s.Status())
		}
	}
	if e := spans["mesh/dc2"].Events(); len(e) == 0 || e[len(e)-1].Name != "exception" {
		t.Errorf("events: %v", e)
	}
	if spans["dns/dc1"] != nil || spans["mesh/dc1"].Status().Code == codes.Error {
		t.Error("what did not fail is told as failed")
	}
}

// An interrupted run leaves no span open.
func TestAnInterruptedRunEndsItsSpans(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { cancel(errStopped) })
	world := &geotest.World{}
	world.Break("dc1", geotest.Hanging)
	if s := traced(t, ctx, world)["run install"]; s == nil || s.Status().Code != codes.Error {
		t.Errorf("%+v", s)
	}
}

// Events that belong to nothing are passed over.
func TestStrayEvents(t *testing.T) {
	tracer := otel.New(t.Context(), sdktrace.NewTracerProvider())
	for _, kind := range []geored.EventKind{geored.RunFinished, geored.StageEnded, geored.StepEnded, geored.StepWaiting, geored.StepStarted, geored.StageStarted, "new"} {
		tracer.Observe(geored.Event{Kind: kind, Step: "x", Stage: "y"})
	}
}

// Those who import the SDK, and not this package, compile nothing of OpenTelemetry.
func TestTheSDKCompilesNoOpenTelemetry(t *testing.T) {
	text, err := exec.Command("go", "list", "-C", "../..", "-deps", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "georedkit/geored/report") {
		t.Fatalf("this is not the SDK: %s", text)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "go.opentelemetry.io/") {
			t.Errorf("the SDK compiles %s", line)
		}
	}
}
