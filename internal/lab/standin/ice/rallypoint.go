package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// rallypoint is ready once it has found every peer by name; that it found them once is enough.
func rallypoint(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("rallypoint", flag.ExitOnError)
	peers := flags.String("peers", "", "names of the other sites' services, with commas")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var found atomic.Bool
	mux := http.NewServeMux()
	healthz(mux, func() error {
		if !found.Load() {
			return errors.New("peers are not found yet")
		}
		return nil
	})
	go func() {
		err := until(ctx, 500*time.Millisecond, func() error {
			for _, peer := range strings.FieldsFunc(*peers, func(r rune) bool { return r == ',' }) {
				if _, err := net.DefaultResolver.LookupHost(ctx, peer); err != nil {
					return fmt.Errorf("peer %s: %w", peer, err)
				}
			}
			return nil
		})
		found.Store(err == nil)
	}()
	return serve(ctx, mux)
}
