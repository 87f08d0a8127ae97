package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/georedkit/georedkit/internal/lab/compile"
	"github.com/georedkit/georedkit/internal/lab/prereq"
	"github.com/georedkit/georedkit/internal/lab/stores"
	"github.com/georedkit/georedkit/internal/lab/supervisor"
)

// paths is a flag that may be repeated.
type paths []string

func (p *paths) String() string { return strings.Join(*p, " ") }

func (p *paths) Set(value string) error {
	path, err := filepath.Abs(value)
	*p = append(*p, path)
	return err
}

func up(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("lab up", flag.ContinueOnError)
	o := supervisor.Options{Progress: os.Stdout}
	flags.StringVar(&o.Name, "name", "", "name of the laboratory, a DNS label")
	dir := flags.String("dir", "", "folder of its files (default: one in the user's cache)")
	sites := flags.String("sites", "dc1,dc2", "names of the sites, or how many")
	flags.IntVar(&o.Nodes, "nodes", 1, "nodes of each site")
	flags.IntVar(&o.Servers, "apiservers", 1, "API servers of each site, all on its first node")
	flags.Var((*paths)(&o.Images), "image", "image archive to import; may be repeated")
	wanted := flags.String("stores", "", "data stores that pods can run: "+strings.Join(stores.Names(), ","))
	flags.DurationVar(&o.Timeout, "timeout", 10*time.Minute, "how long the start may take")
	detach := flags.Bool("detach", false, "return when the laboratory is ready and leave it running")
	if err := parse(flags, args); err != nil {
		return err
	}
	if o.Name == "" {
		return usageError(flags, "-name is needed")
	}
	var err error
	if o.Folder, err = folderOf(o.Name, *dir); err != nil {
		return err
	}
	o.Sites = siteNames(*sites)
	if err := explain(prereq.Observe(), len(o.Sites)*o.Nodes); err != nil {
		return err
	}
	if o.Bin, err = compile.Ensure(ctx, compile.Site, os.Stderr); err != nil {
		return err
	}
	if o.Stores, err = stores.Prepare(ctx, *wanted, os.Stderr); err != nil {
		return err
	}
	if *detach {
		return upDetached(ctx, o.Name, o.Folder, args)
	}
	// Who reads our progress may go away; the laboratory stays.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	return supervisor.Run(ctx, o)
}

// siteNames reads "dc1,dc2", or "2" for the same.
func siteNames(text string) []string {
	count, err := strconv.Atoi(text)
	if err != nil {
		return strings.Split(text, ",")
	}
	var names []string
	for i := 1; i <= count; i++ {
		names = append(names, fmt.Sprintf("dc%d", i))
	}
	return names
}
