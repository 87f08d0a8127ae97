package main

import (
	"context"
	"net/http"
)

func platformServices(ctx context.Context, _ []string) error {
	mux := http.NewServeMux()
	healthz(mux, func() error { return nil })
	return serve(ctx, mux)
}

func restBridge(ctx context.Context, _ []string) error {
	mux := http.NewServeMux()
	healthz(mux, func() error { return nil })
	return serve(ctx, mux)
}

func ksqldb(ctx context.Context, _ []string) error {
	mux := http.NewServeMux()
	healthz(mux, func() error { return nil })
	return serve(ctx, mux)
}
