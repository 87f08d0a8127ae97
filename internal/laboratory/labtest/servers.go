// Package labtest runs the laboratory for tests of this repository.
package labtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/georedkit/georedkit/internal/laboratory"
)

// Servers starts a kind of store for a test as plain processes, waits until they are ready and reads what the driver
// says of them into ready. They end with the test, and with the test process however that ends.
func Servers(t testing.TB, ready any, kind string, args ...string) {
	t.Helper()
	lab, err := laboratory.Driver(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 90*time.Minute)
	var said bytes.Buffer
	command := lab.Command(ctx, append([]string{"servers", kind}, args...)...)
	command.Stderr = &said
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		input.Close() // the driver stops its servers and ends
		err := command.Wait()
		cancel()
		if err != nil {
			t.Errorf("lab servers %s: %v\n%s", kind, err, said.String())
		}
	})
	line, err := bufio.NewReader(output).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, ready)
	}
	if err != nil {
		t.Fatal(errors.Join(fmt.Errorf("lab servers %s did not get ready", kind), err))
	}
}
