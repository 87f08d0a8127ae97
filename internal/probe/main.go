// Command probe is the one program of the probe image: it answers questions from inside a site, is their far end, and
// keeps WireGuard gateways.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"syscall"

	"github.com/georedkit/georedkit/creds/serving"
	"github.com/georedkit/georedkit/geored/probe"
	"github.com/georedkit/georedkit/mesh/gateway"
	"github.com/georedkit/georedkit/mesh/gateway/agent"
)

const usage = `usage: probe ask QUESTION                      answer the question on standard input
       probe listen [-site NAME] [-pod NAME]   be the far end of questions
       probe wait                              do nothing until told to end: for pods that are only asked
       probe gateway -config FILE -key FILE    look after this node of a WireGuard mesh (NODE_NAME names it)`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	switch args[0] {
	case "ask":
		return ask(ctx, args[1:])
	case "listen":
		return listen(ctx, args[1:])
	case "wait":
		<-ctx.Done()
		return nil
	case "gateway":
		return keepGateway(ctx, args[1:])
	}
	return errors.New(usage)
}

func ask(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New(usage)
	}
	handlers := probe.Questions()
	maps.Copy(handlers, agent.Questions())
	maps.Copy(handlers, serving.Questions(nil))
	return probe.Serve(ctx, handlers, args[0], os.Stdin, os.Stdout)
}

func listen(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("probe listen", flag.ContinueOnError)
	var l probe.Listener
	flags.StringVar(&l.Site, "site", "", "name of the site, for the answers")
	flags.StringVar(&l.Pod, "pod", "", "name of the pod, for the answers")
	if err := flags.Parse(args); err != nil {
		return err
	}
	return l.Listen(ctx)
}

func keepGateway(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("probe gateway", flag.ContinueOnError)
	path := flags.String("config", "", "file of the gateway's config")
	key := flags.String("key", "", "file of the private key")
	if err := flags.Parse(args); err != nil {
		return err
	}
	config, err := gateway.ReadConfig(*path)
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	return agent.Agent{Config: config, Node: os.Getenv("NODE_NAME"), KeyFile: *key, Logger: logger}.Run(ctx)
}
