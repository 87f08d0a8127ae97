// Command traces exports what a program wrote with -events as OpenTelemetry traces over OTLP: one for each run, and a span
// for each change that a watch told. It reads files, or standard input, which may be a pipe from a program that still runs:
//
//	mkfifo events && go run -C geored/otel/traces . < events &
//	go run ./examples/ice-install -events events
//
// The environment says where to, as OpenTelemetry has it: OTEL_EXPORTER_OTLP_ENDPOINT and its kin. It is a module of its
// own, so that the exporter is part of nobody else's go.mod.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal does not wait
	err := export(ctx, os.Args[1:], os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "traces:", err)
		os.Exit(1)
	}
}

// export reads all of the files, or the standard input without any, and gives what it read to the exporter also when it
// ends in the middle.
func export(ctx context.Context, files []string, stdin io.Reader) error {
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return err
	}
	lost := &losses{SpanExporter: exporter}
	named, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(semconv.ServiceName("georedkit")), resource.WithFromEnv())
	if err != nil {
		return err
	}
	provider := trace.NewTracerProvider(trace.WithBatcher(lost, trace.WithBlocking()), trace.WithResource(named)) // a file is read faster than it is sent
	if len(files) == 0 {
		err = replay(ctx, provider, stdin)
	}
	for _, path := range files {
		err = errors.Join(err, replayFile(ctx, provider, path))
	}
	end := context.WithoutCancel(ctx)
	return errors.Join(err, provider.Shutdown(end), lost.err())
}

func replayFile(ctx context.Context, provider *trace.TracerProvider, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := replay(ctx, provider, file); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
