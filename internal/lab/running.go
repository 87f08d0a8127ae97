package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/georedkit/georedkit/internal/lab/supervisor"
)

// dead is what is said of a laboratory that nobody supervises any more.
type dead struct {
	Name  string `json:"name"`
	Phase string `json:"phase"`
}

func status(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("lab status", flag.ContinueOnError)
	name := flags.String("name", "", "name of the laboratory (default: all of them)")
	if err := parse(flags, args); err != nil {
		return err
	}
	if *name != "" {
		one, err := supervisor.NewClient(*name).Status(ctx)
		if err != nil {
			return err
		}
		return printJSON(one)
	}
	all := []any{}
	living, err := supervisor.Living()
	if err != nil {
		return err
	}
	for _, name := range living {
		one, err := supervisor.NewClient(name).Status(ctx)
		if errors.Is(err, supervisor.ErrNotRunning) {
			continue // it went down meanwhile
		}
		if err != nil {
			return err
		}
		all = append(all, one)
	}
	remains, err := supervisor.Dead()
	if err != nil {
		return err
	}
	for _, name := range remains {
		all = append(all, dead{name, "dead"})
	}
	return printJSON(all)
}

func printJSON(value any) error {
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

func fault(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("lab fault", flag.ContinueOnError)
	name := flags.String("name", "", "name of the laboratory")
	flags.Usage = func() {
		fmt.Fprintf(os.Stderr, "usage: lab fault -name NAME KIND ARGS...\n%s", supervisor.FaultUsage())
	}
	if err := flags.Parse(args); err != nil {
		return errUsage
	}
	if *name == "" || flags.NArg() == 0 {
		flags.Usage()
		return errUsage
	}
	evidence, err := supervisor.NewClient(*name).Fault(ctx, supervisor.Request{Kind: flags.Arg(0), Args: flags.Args()[1:]})
	for _, line := range evidence {
		fmt.Println(line)
	}
	return err
}

func down(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("lab down", flag.ContinueOnError)
	name := flags.String("name", "", "name of the laboratory")
	dir := flags.String("dir", "", "its folder, when it is dead and not in the default one")
	purge := flags.Bool("purge", false, "remove its folder too")
	if err := parse(flags, args); err != nil {
		return err
	}
	if *name == "" {
		return usageError(flags, "-name is needed")
	}
	folder, err := folderOf(*name, *dir)
	if err != nil {
		return err
	}
	return supervisor.Down(ctx, *name, folder, *purge)
}

func sweep(_ context.Context, args []string) error {
	if err := parse(flag.NewFlagSet("lab sweep", flag.ContinueOnError), args); err != nil {
		return err
	}
	swept, err := supervisor.Sweep()
	for _, name := range swept {
		fmt.Println(name)
	}
	return err
}

// folderOf is a laboratory's folder, absolute.
func folderOf(name, dir string) (string, error) {
	if dir == "" {
		return supervisor.DefaultFolder(name)
	}
	return filepath.Abs(dir)
}

func usageError(flags *flag.FlagSet, message string) error {
	fmt.Fprintf(os.Stderr, "%s: %s\n", flags.Name(), message)
	return errUsage
}
