// Package otel makes an OpenTelemetry trace of a run: a span for the run, one for each stage below it, and one for each
// step below its stage. Give [Tracer.Observe] to geored.RunConfig.Observer.
//
// The site, the target and the status of a step are attributes of its span; what it waits for are events, told once for
// each reason; a step that failed, and what stopped a run, are recorded as errors. It is a module of its own, so that
// those who trace nothing have no part of OpenTelemetry in their go.mod. Exporting spans is the business of the
// TracerProvider that the program brings.
package otel

import (
	"context"
	"errors"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/georedkit/georedkit/geored"
)

// scope names this package as the source of its spans.
const scope = "github.com/georedkit/georedkit/geored/otel"

// Keys of the spans' attributes.
const (
	RunKey     = attribute.Key("georedkit.run")
	RunbookKey = attribute.Key("georedkit.runbook")
	StageKey   = attribute.Key("georedkit.stage")
	StepKey    = attribute.Key("georedkit.step")
	SiteKey    = attribute.Key("georedkit.site")
	TargetKey  = attribute.Key("georedkit.target")
	StatusKey  = attribute.Key("georedkit.status")
	StepsKey   = attribute.Key("georedkit.steps")
	ReasonKey  = attribute.Key("georedkit.reason")
)

// Tracer makes spans of the events of one run. It takes times from the events, not from the machine.
type Tracer struct {
	tracer trace.Tracer
	parent context.Context // of the span that the run belongs to; events carry none

	mu     sync.Mutex
	run    span
	stages map[string]span
	steps  map[geored.StepID]span
}

type span struct {
	trace.Span
	ctx context.Context // for the spans below it
}

// New makes the tracer of one run. The run's span becomes part of the span in ctx, if there is one.
func New(ctx context.Context, provider trace.TracerProvider) *Tracer {
	return &Tracer{tracer: provider.Tracer(scope), parent: ctx, stages: map[string]span{}, steps: map[geored.StepID]span{}}
}

// Observe takes an event. What it does not know, or what comes without what it belongs to, is passed over.
func (t *Tracer) Observe(e geored.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch e.Kind {
	case geored.RunStarted:
		t.run = t.start(t.parent, e, "run "+e.Detail, RunbookKey.String(e.Detail), StepsKey.Int(e.Steps))
	case geored.StageStarted:
		t.stages[e.Stage] = t.start(t.run.ctx, e, "stage "+e.Stage)
	case geored.StepStarted:
		t.steps[e.Step] = t.start(t.stages[e.Stage].ctx, e, string(e.Step), StepKey.String(string(e.Step)), TargetKey.String(e.Target))
	case geored.StepApplying, geored.StepWaiting:
		t.note(e)
	case geored.StepEnded:
		t.endStep(e)
	case geored.StageEnded:
		t.end(t.stages[e.Stage], e)
		delete(t.stages, e.Stage)
	case geored.RunFinished:
		t.finish(e)
	}
}

// start begins a span. One whose parent is not known belongs to the run's own parent.
func (t *Tracer) start(parent context.Context, e geored.Event, name string, attributes ...attribute.KeyValue) span {
	if parent == nil {
		parent = t.parent
	}
	attributes = append(attributes, RunKey.String(e.Run))
	if e.Stage != "" {
		attributes = append(attributes, StageKey.String(e.Stage))
	}
	if e.Site != "" {
		attributes = append(attributes, SiteKey.String(string(e.Site)))
	}
	ctx, s := t.tracer.Start(parent, name, trace.WithTimestamp(e.Time), trace.WithAttributes(attributes...))
	return span{s, ctx}
}

// note is an event within a step.
func (t *Tracer) note(e geored.Event) {
	s, ok := t.steps[e.Step]
	if !ok {
		return
	}
	name := "applying"
	var attributes []attribute.KeyValue
	if e.Kind == geored.StepWaiting {
		name, attributes = "waiting", []attribute.KeyValue{ReasonKey.String(e.Detail)}
	}
	s.AddEvent(name, trace.WithTimestamp(e.Time), trace.WithAttributes(attributes...))
}

func (t *Tracer) endStep(e geored.Event) {
	s, ok := t.steps[e.Step]
	if !ok {
		return
	}
	delete(t.steps, e.Step)
	s.SetAttributes(StatusKey.String(string(e.Status)))
	switch {
	case e.Status.IsDone():
		e.Detail = ""
	case e.Detail == "":
		e.Detail = string(e.Status)
	}
	t.end(s, e)
}

// end ends a span; a detail is the error that it ended with.
func (t *Tracer) end(s span, e geored.Event) {
	if s.Span == nil {
		return
	}
	if e.Detail != "" {
		s.RecordError(errors.New(e.Detail), trace.WithTimestamp(e.Time))
		s.SetStatus(codes.Error, e.Detail)
	}
	s.End(trace.WithTimestamp(e.Time))
}

// finish ends the run, and with it whatever an interruption left open.
func (t *Tracer) finish(e geored.Event) {
	for id, s := range t.steps {
		delete(t.steps, id)
		t.end(s, geored.Event{Time: e.Time, Detail: "the run ended before it"})
	}
	for name, s := range t.stages {
		delete(t.stages, name)
		t.end(s, geored.Event{Time: e.Time, Detail: "the run ended before it"})
	}
	t.end(t.run, e)
	t.run = span{}
}
