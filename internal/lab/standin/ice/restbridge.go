package main

import (
	"context"
	"net/http"
	"net/http/httputil"
	"net/url"
)

// restBridge passes on what it is asked to the site's platform-services.
func restBridge(ctx context.Context, _ []string) error {
	mux := http.NewServeMux()
	healthz(mux, func() error { return nil })
	mux.Handle("/", httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "platform-services.ice-arcus.svc.cluster.local:8080"}))
	return serve(ctx, mux)
}
