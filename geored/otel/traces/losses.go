package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.opentelemetry.io/otel/sdk/trace"
)

// losses counts the spans that could not be exported: the batching in front of it, which waits for room, tells nobody.
type losses struct {
	trace.SpanExporter
	mu    sync.Mutex
	spans int
	last  error
}

// ExportSpans exports spans.
func (l *losses) ExportSpans(ctx context.Context, spans []trace.ReadOnlySpan) error {
	err := l.SpanExporter.ExportSpans(ctx, spans)
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.spans += len(spans)
		l.last = err
	}
	return err
}

func (l *losses) err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.spans == 0 {
		return nil
	}
	return errors.Join(fmt.Errorf("%d spans were not exported", l.spans), l.last)
}
