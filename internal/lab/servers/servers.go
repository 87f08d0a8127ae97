// Package servers runs the stores of several sites as plain processes on loopback addresses, without root: for
// conformance suites and benchmarks, where a whole site would be in the way.
package servers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// Kind is a kind of store that can be started.
type Kind struct {
	// Start starts the servers below dir and gives what a client needs to know of them, as a value for encoding/json
	// without secrets in it (name files that hold them). The servers end when the set is stopped.
	Start func(ctx context.Context, dir string, args []string) (set *Set, ready any, err error)
}

// kinds has one entry per kind; each kind has a file of its own.
var kinds = map[string]Kind{
	"cassandra": {Start: startCassandra},
	"kafka":     {Start: startKafka},
	"s3":        {Start: startS3},
}

// Command is `lab servers KIND [FLAGS]`: it prints one line of JSON when the servers are ready and runs them until its
// standard input or the context ends.
func Command(ctx context.Context, args []string) error {
	if len(args) == 0 || kinds[args[0]].Start == nil {
		return fmt.Errorf("name one of the kinds: %s", strings.Join(names(), ", "))
	}
	dir, err := os.MkdirTemp("", "georedkit-servers-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	set, ready, err := kinds[args[0]].Start(ctx, dir, args[1:])
	if err != nil {
		return err
	}
	defer set.Stop()
	if err := json.NewEncoder(os.Stdout).Encode(ready); err != nil {
		return err
	}
	return until(ctx, set, os.Stdin)
}

// until waits for the first of: the context's end, the end of input, the death of a server.
func until(ctx context.Context, set *Set, input io.Reader) error {
	inputEnded := make(chan struct{})
	go func() {
		defer close(inputEnded)
		// Whatever ends the input ends the servers.
		_, _ = io.Copy(io.Discard, input)
	}()
	select {
	case <-ctx.Done():
		return nil
	case <-inputEnded:
		return nil
	case name := <-set.died:
		return errors.New(name + " ended by itself")
	}
}

func names() []string {
	var all []string
	for name := range kinds {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}
