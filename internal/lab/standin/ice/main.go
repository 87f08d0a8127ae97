// Command ice stands in for the applications of ICE: for each, what others can see of it and what it does with the stores.
// Which one it is, its first argument says; most take their settings from the environment.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

var applications = map[string]func(ctx context.Context, args []string) error{
	"cqlsh":             cqlsh,
	"multi-casskop":     multiCassKop,
	"modelmanager":      modelmanager,
	"platform-services": platformServices,
	"rest-bridge":       restBridge,
	"elastic-sync":      elasticSync,
	"ksqldb":            ksqldb,
	"rallypoint":        rallypoint,
}

func main() {
	log.SetFlags(log.LUTC | log.Ltime)
	if len(os.Args) < 2 || applications[os.Args[1]] == nil {
		log.Fatal("which application?")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := applications[os.Args[1]](ctx, os.Args[2:]); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

// settings are what the chart tells every application.
type settings struct {
	site  string
	sites []string
}

func readSettings() (settings, error) {
	s := settings{os.Getenv("SITE"), strings.Split(os.Getenv("SITES"), ",")}
	if s.site == "" {
		return s, fmt.Errorf("SITE is not set")
	}
	return s, nil
}

func (s settings) others() []string {
	var others []string
	for _, site := range s.sites {
		if site != s.site {
			others = append(others, site)
		}
	}
	return others
}

// Where the stores of a site are.
func broker(site string) string {
	return fmt.Sprintf("kafka-%s-0.kafka-%[1]s.ice-kafka.svc.cluster.local:9092", site)
}

func ringNode(site string) string {
	return fmt.Sprintf("ice-%s-rack1.ice-cassandra.svc.cluster.local", site)
}

func objects(site string) string {
	return fmt.Sprintf("minio-%s.ice-minio.svc.cluster.local:9000", site)
}

const search = "http://elasticsearch-arcus-es-member.ice-arcus.svc.cluster.local:9200"

// until tries again and again, and tells what is in the way when that changes.
func until(ctx context.Context, pause time.Duration, try func() error) error {
	last := ""
	for {
		err := try()
		if err == nil {
			return nil
		}
		if text := err.Error(); text != last {
			log.Print(text)
			last = text
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, pause time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(pause):
		return nil
	}
}
