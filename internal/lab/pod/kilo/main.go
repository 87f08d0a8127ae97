// Command kilo stands in for squat/kilo in a laboratory. It takes those of its flags that the laboratory's chart sets;
// -kilo-version, which the image sets, says whose behaviour it keeps.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"syscall"

	"github.com/georedkit/georedkit/internal/lab/pod/kilo/agent"
	"github.com/georedkit/georedkit/internal/lab/pod/kilo/overlay"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "kilo:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	o := agent.Options{Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	flags := flag.NewFlagSet("kilo", flag.ContinueOnError)
	version := flags.String("kilo-version", "0.6", "0.6 or 0.7")
	subnet := flags.String("subnet", "10.4.0.0/16", "range of the WireGuard addresses")
	granularity := flags.String("mesh-granularity", string(overlay.ByLocation), "location or full")
	compatibility := flags.String("compatibility", "", "flannel: what flannel does on a node is done too")
	cni := flags.Bool("cni", false, "the laboratory has its own: must be false")
	local := flags.Bool("local", false, "routes inside a location are the laboratory's: must be false")
	encapsulate := flags.String("encapsulate", "never", "the laboratory's kernel may have no tunnels: must be never")
	flags.StringVar(&o.Host, "hostname", "", "name of the node")
	flags.StringVar(&o.Interface, "interface", "kilo0", "name of the interface")
	flags.IntVar(&o.Port, "port", 51820, "port of nodes that are not told another one")
	flags.IntVar(&o.MTU, "mtu", 1420, "of the interface")
	flags.BoolVar(&o.CleanUp, "clean-up", true, "take back routes and annotations at the end")
	flags.StringVar(&o.Folder, "kilo-dir", "/var/lib/kilo", "folder of the private key")
	if err := flags.Parse(args); err != nil {
		return err
	}
	prefix, err := netip.ParsePrefix(*subnet)
	if err != nil {
		return fmt.Errorf("subnet: %w", err)
	}
	o.Subnet, o.Granularity = prefix.Masked(), overlay.Granularity(*granularity)
	if o.Granularity != overlay.ByLocation && o.Granularity != overlay.Full {
		return fmt.Errorf("mesh-granularity %q: want location or full", *granularity)
	}
	if *cni || *local || *encapsulate != "never" {
		return fmt.Errorf("cni %t, local %t, encapsulate %s: not in a laboratory", *cni, *local, *encapsulate)
	}
	o.Since07, o.Flannel = *version == "0.7", *compatibility == "flannel"
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return agent.Run(ctx, o)
}
