package cassandra

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/georedkit/georedkit/geored"
)

// Password is a password that does not show itself: printing, logging and JSON give [geored.Redacted]. Convert it to a
// string to open it.
type Password string

// Format redacts under every verb: %d would show a string that has no more than a String method.
func (Password) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, geored.Redacted) }

func (Password) String() string               { return geored.Redacted }
func (Password) GoString() string             { return geored.Redacted }
func (Password) LogValue() slog.Value         { return slog.StringValue(geored.Redacted) }
func (Password) MarshalText() ([]byte, error) { return []byte(geored.Redacted), nil }
