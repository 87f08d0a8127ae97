// Command lab runs data centres on one machine: real Kubernetes sites, joined by a network that can be cut.
// It is a module of its own; from the root of the checkout:
//
//	go -C internal/lab run . setup
//	go -C internal/lab run . up -name demo -sites dc1,dc2 -detach
//	go -C internal/lab run . fault -name demo cut dc1 dc2
//	go -C internal/lab run . down -name demo -purge
//
// A laboratory keeps everything in one folder:
//
//	ready.json, topology.yaml   what there is, once all sites are ready
//	SITE.kubeconfig             for use on this machine, as long as the laboratory runs
//	charts.{ca.crt,user,password}   of the Helm repository that ready.json names
//	SITE/audit.log              what was changed through the site's API server, and by whom
//	SITE/NODE/log/SERVER.log    what the servers say
//	SITE/NODE/volumes           the data of persistent volumes
//	events.jsonl                the faults, when, and what was seen then
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/georedkit/georedkit/internal/lab/node"
	"github.com/georedkit/georedkit/internal/lab/servers"
)

const usage = `usage: lab COMMAND [FLAGS]

  setup    install what is missing on this machine, and build
  check    say what is missing on this machine
  build    compile the programs that run inside a laboratory
  image    write a container image that holds static programs
  up       start a laboratory and supervise it
  status   describe the running laboratories
  fault    do something to a laboratory, or mend it
  down     end a laboratory
  sweep    remove what dead supervisors left
  servers  run stores as plain processes on loopback, without root

lab COMMAND -h describes the flags.
`

// Exit codes.
const (
	exitFailed  = 1
	exitUsage   = 2
	exitMissing = 2
)

var commands = map[string]func(ctx context.Context, args []string) error{
	"setup":  setup,
	"check":  check,
	"build":  build,
	"image":  image,
	"up":     up,
	"status": status,
	"fault":  fault,
	"down":   down,
	"sweep":  sweep,

	"servers": servers.Command,
}

// errUsage was explained already.
var errUsage = errors.New("usage")

func main() {
	if len(os.Args) == 2 && os.Args[1] == "node-init" {
		fmt.Fprintln(os.Stderr, "node:", node.Main())
		os.Exit(exitFailed)
	}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(exitUsage)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	err := commands[os.Args[1]](ctx, os.Args[2:])
	switch {
	case errors.Is(err, errUsage):
		os.Exit(exitUsage)
	case errors.Is(err, errMissing):
		os.Exit(exitMissing)
	case err != nil:
		fmt.Fprintf(os.Stderr, "lab %s: %v\n", os.Args[1], err)
		os.Exit(exitFailed)
	}
}

// parse accepts flags only; the flag package has explained a mistake itself.
func parse(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err != nil {
		return errUsage
	}
	if flags.NArg() > 0 {
		return usageError(flags, fmt.Sprintf("unexpected argument %q", flags.Arg(0)))
	}
	return nil
}
