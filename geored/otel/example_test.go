package otel_test

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/otel"
	"github.com/georedkit/georedkit/geored/watch"
)

// A run is traced by an observer. A watch has no end that a span could have: what it tells becomes an event, here of a span of
// the program's own. Give a provider with your exporter instead of the recorder.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))

	done := false
	book := geored.Runbook{Name: "install", Stages: []geored.Stage{geored.StageOf("mesh", geored.Task{
		Step:    geored.Step{ID: "mesh/dc1", Site: "dc1", Target: "daemonset gateway", Action: geored.Apply},
		Observe: func(context.Context) (geored.State, error) { return geored.State{Done: done}, nil },
		Apply:   func(context.Context) error { done = true; return nil },
	})}}
	if _, err := book.Run(ctx, geored.RunConfig{Observer: otel.New(ctx, provider).Observe}); err != nil {
		fmt.Println(err)
	}

	check := geored.Check{ID: "mesh/pods", Run: func(ctx context.Context) []geored.Finding {
		answers := geored.Ask(ctx, []geored.Target{{Site: "dc1"}}, func(context.Context, geored.Target) (bool, error) { return true, nil })
		return answers.Each(func(geored.Target, bool) geored.Finding { return geored.Finding{Verdict: geored.Pass} })
	}}
	_, watching := provider.Tracer("example").Start(ctx, "watch")
	_ = watch.New(watch.Config{Every: time.Second,
		Checks: func(context.Context) ([]geored.Check, func(), error) { return []geored.Check{check}, nil, nil },
		Observer: func(e watch.Event) {
			watching.AddEvent(string(e.Kind), trace.WithTimestamp(e.Time), trace.WithAttributes(
				attribute.String("georedkit.check", string(e.Check)), otel.SiteKey.String(string(e.Site)), attribute.String("georedkit.verdict", string(e.Verdict))))
			stop() // one is enough here
		}}).Run(ctx)
	watching.End()

	for _, s := range spans.Ended() {
		fmt.Println(s.Name())
		for _, e := range s.Events() {
			fmt.Println("  " + e.Name)
		}
	}
	// Output:
	// mesh/dc1
	//   applying
	// stage mesh
	// run install
	// watch
	//   first
}
