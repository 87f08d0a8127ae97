package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/georedkit/georedkit/internal/lab/compile"
	"github.com/georedkit/georedkit/internal/lab/prereq"
	"github.com/georedkit/georedkit/internal/lab/stores"
)

// errMissing was explained already.
var errMissing = errors.New("something is missing on this machine")

func setup(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("lab setup", flag.ContinueOnError)
	wanted := flags.String("stores", "", "build or fetch these data stores too: "+strings.Join(stores.Names(), ", "))
	if err := parse(flags, args); err != nil {
		return err
	}
	if err := prereq.Setup(ctx, os.Stderr); err != nil {
		return err
	}
	if _, err := compile.Ensure(ctx, compile.Site, os.Stderr); err != nil {
		return err
	}
	_, err := stores.Prepare(ctx, *wanted, os.Stderr)
	return err
}

func check(_ context.Context, args []string) error {
	flags := flag.NewFlagSet("lab check", flag.ContinueOnError)
	nodes := flags.Int("nodes", 2, "how many nodes a laboratory shall have in all")
	if err := parse(flags, args); err != nil {
		return err
	}
	facts := prereq.Observe()
	for _, line := range prereq.Capabilities(facts) {
		fmt.Println(line)
	}
	return explain(facts, *nodes)
}

// explain prints all that is missing.
func explain(facts prereq.Facts, nodes int) error {
	faults := prereq.Missing(facts, nodes)
	for _, fault := range faults {
		fmt.Fprintln(os.Stderr, "missing", fault)
	}
	if len(faults) > 0 {
		return errMissing
	}
	return nil
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
