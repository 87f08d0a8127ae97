package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/metrics"
	"github.com/georedkit/georedkit/geored/watch"
)

func (o Options) watchFaults() geored.Faults {
	var faults geored.Faults
	add := func(field, value, problem, remedy string) {
		faults = append(faults, geored.Fault{Field: field, Value: value, Problem: problem, Remedy: remedy})
	}
	switch {
	case o.Watch < 0 || o.Watch > 0 && o.Watch < time.Second:
		add("-watch", o.Watch.String(), "is too short for a round", "write something like 30s")
	case o.Watch > 0 && !o.Check:
		add("-watch", o.Watch.String(), "only repeats checks", "give -check too")
	}
	if o.Watch > 0 && (len(o.Reports) > 0 || o.Events != "") {
		add("-watch", o.Watch.String(), "has no end to report of, and its events are on standard output", "leave -report and -events out")
	}
	if o.Listen == "" {
		return faults
	}
	if o.Watch == 0 {
		add("-listen", o.Listen, "is for a watch", "give -check -watch 30s too")
	}
	if _, _, err := net.SplitHostPort(o.Listen); err != nil {
		add("-listen", o.Listen, "is no address with a port", "write something like 127.0.0.1:9464")
	}
	return faults
}

// watch repeats the checks until it is interrupted, which is its good end. Each round opens the deployment anew: a site that
// is away when the watch begins, and one that comes back changed, are as they are found then.
func (s *session) watch(ctx context.Context, topology []byte, reviews Deployment) (int, error) {
	out := json.NewEncoder(s.stdout)
	config := watch.Config{Every: s.Options.Watch, Limit: max(5*time.Minute, s.Budget+time.Minute), Budget: s.Budget,
		Checks: func(ctx context.Context) ([]geored.Check, func(), error) { return s.openRound(ctx, topology) },
		Observer: func(e watch.Event) {
			_ = out.Encode(e) // a reader that went away does not stop the watch
			s.screen.told(e)
		}}
	if reviewer, ok := reviews.(Reviewer); ok {
		config.Review = reviewer.Review
	}
	w := watch.New(config)
	end, err := s.serve(ctx, w)
	if err != nil {
		return ExitUsage, err
	}
	defer end()
	err = w.Run(ctx)
	if errors.Is(err, errInterrupted) {
		return ExitPass, nil
	}
	return ExitUnknown, err
}

func (s *session) openRound(ctx context.Context, topology []byte) ([]geored.Check, func(), error) {
	deployment, err := s.Open(topology, s.Options)
	if err != nil {
		return nil, nil, err
	}
	end := func() {}
	if closer, ok := deployment.(Closer); ok {
		end = closer.Close
	}
	if err := deployment.Connect(ctx); err != nil {
		end()
		return nil, nil, interruptedOr(ctx, err)
	}
	return deployment.Checks(), end, nil
}

// serve offers what the watch knows over HTTP, where that was asked for.
func (s *session) serve(ctx context.Context, w *watch.Watch) (end func(), err error) {
	s.screen.printf("  %-12s every %s; Ctrl-C ends it\n", "watch", s.Options.Watch)
	if s.Listen == "" {
		return func() {}, nil
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.Listen)
	if err != nil {
		return nil, fmt.Errorf("-listen: %w", err)
	}
	server := &http.Server{Handler: s.pages(w), ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second}
	go func() { _ = server.Serve(listener) }() // it ends with end
	s.screen.printf("  %-12s http://%s/metrics\n", "metrics", listener.Addr())
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = server.Shutdown(ctx) // who still reads after that is cut off by the end of the process
	}, nil
}

// pages are the metrics, and whether the watch itself is well.
func (s *session) pages(w *watch.Watch) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/metrics", metrics.Gatherer(func() []*dto.MetricFamily { return metrics.Watched(s.Name, w.State(), w.Now()) }))
	mux.HandleFunc("GET /healthz", func(out http.ResponseWriter, _ *http.Request) {
		state, now := w.State(), w.Now()
		if state.IsStale(now) {
			out.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprintf(out, "%d rounds, the last one ended %s ago\n", state.Rounds, geored.RoundDuration(state.Age(now)))
	})
	return mux
}
