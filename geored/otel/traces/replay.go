package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/otel"
	"github.com/georedkit/georedkit/geored/watch"
)

// line is one line of -events: an event of a run, or a change that a watch tells.
type line struct {
	geored.Event
	Round int `json:"round"` // zero: not of a watch
}

// runs are the traces of the runs that have not come to their end.
type runs struct {
	ctx      context.Context
	provider oteltrace.TracerProvider
	open     map[string]*otel.Tracer
	last     map[string]time.Time // event of a run
}

// replay makes spans of events. Lines of other kinds, such as findings, are passed over; what is no JSON is an error that
// names its line. A run that the events leave in the middle ends with its last event, as an error.
func replay(ctx context.Context, provider oteltrace.TracerProvider, in io.Reader) error {
	r := runs{ctx, provider, map[string]*otel.Tracer{}, map[string]time.Time{}}
	defer r.end()
	lines, read := linesOf(ctx, in)
	for number := 1; ; number++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case text, more := <-lines:
			if !more {
				return <-read
			}
			if err := r.take(text); err != nil {
				return fmt.Errorf("line %d: %w", number, err)
			}
		}
	}
}

// linesOf reads on while what was read is taken: from a pipe nothing may come for long.
func linesOf(ctx context.Context, in io.Reader) (<-chan []byte, <-chan error) {
	lines, read := make(chan []byte), make(chan error, 1)
	go func() {
		defer close(lines)
		reader := bufio.NewReader(in)
		for {
			text, err := reader.ReadBytes('\n')
			if len(text) > 0 {
				select {
				case lines <- text:
				case <-ctx.Done():
					return
				}
			}
			if err != nil {
				if err == io.EOF {
					err = nil
				}
				read <- err
				return
			}
		}
	}()
	return lines, read
}

func (r *runs) take(text []byte) error {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return err
	}
	switch {
	case l.Round > 0:
		return r.change(text)
	case l.Run == "":
		return nil
	case l.Kind == geored.RunStarted || r.open[l.Run] == nil: // a run that goes on under its ID is another trace
		r.end(l.Run)
		r.open[l.Run] = otel.New(r.ctx, r.provider)
	}
	r.open[l.Run].Observe(l.Event)
	r.last[l.Run] = l.Time
	if l.Kind == geored.RunFinished {
		delete(r.open, l.Run)
	}
	return nil
}

// end ends runs of which no end was told; without any named, all.
func (r *runs) end(named ...string) {
	for id, tracer := range r.open {
		if len(named) == 0 || named[0] == id {
			tracer.Observe(geored.Event{Time: r.last[id], Run: id, Kind: geored.RunFinished, Detail: "its events end here"})
			delete(r.open, id)
		}
	}
}

// change makes a span of what a watch tells.
func (r *runs) change(text []byte) error {
	var e watch.Event
	if err := json.Unmarshal(text, &e); err != nil {
		return err
	}
	_, span := r.provider.Tracer("github.com/georedkit/georedkit/geored/otel/traces").Start(r.ctx, "watch "+string(e.Check), oteltrace.WithTimestamp(e.Time),
		oteltrace.WithAttributes(otel.SiteKey.String(string(e.Site)), attribute.String("georedkit.verdict", string(e.Verdict)),
			attribute.String("georedkit.was", string(e.Was)), attribute.Int("georedkit.round", e.Round)))
	if e.Verdict == geored.Fail || e.Verdict == geored.Unknown {
		span.SetStatus(codes.Error, e.Message)
	}
	span.End(oteltrace.WithTimestamp(e.Time))
	return nil
}
