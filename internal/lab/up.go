package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/georedkit/georedkit/internal/lab/compile"
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
	var options supervisor.Options
	var archives paths
	flags.StringVar(&options.Name, "name", "", "name of the laboratory, a DNS label")
	dir := flags.String("dir", "", "folder of its files (default: one in the user's cache)")
	sites := flags.String("sites", "dc1,dc2", "names of the sites, or how many")
	flags.IntVar(&options.Nodes, "nodes", 1, "nodes of each site")
	flags.Var(&archives, "image", "image archive to import; may be repeated")
	flags.DurationVar(&options.Timeout, "timeout", 3*time.Minute, "how long the start may take")
	if err := parse(flags, args); err != nil {
		return err
	}
	options.Images, options.Sites, options.Progress = archives, siteNames(*sites), os.Stdout
	if *dir != "" {
		absolute, err := filepath.Abs(*dir)
		if err != nil {
			return err
		}
		options.Folder = absolute
	}
	var err error
	if options.Bin, err = compile.Ensure(ctx, compile.Site, os.Stderr); err != nil {
		return err
	}
	return supervisor.Run(ctx, options)
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

func build(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("lab build", flag.ContinueOnError)
	quiet := flags.Bool("q", false, "do not print the folder of the programs")
	if err := parse(flags, args); err != nil {
		return err
	}
	bin, err := compile.Ensure(ctx, compile.Site, os.Stderr)
	if err == nil && !*quiet {
		fmt.Println(bin)
	}
	return err
}

// parse accepts flags only; the flag package has explained a mistake itself.
func parse(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err != nil {
		return errUsage
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "%s: unexpected argument %q\n", flags.Name(), flags.Arg(0))
		return errUsage
	}
	return nil
}
