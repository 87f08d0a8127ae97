package cassandra

import (
	"fmt"
	"io"
	"log/slog"
)

// Password is a password that does not show itself: printing, logging and JSON give "[redacted]". Convert it to a
// string to open it.
type Password string

const redacted = "[redacted]"

// Format redacts under every verb: %d would show a string that has no more than a String method.
func (Password) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

func (Password) String() string               { return redacted }
func (Password) GoString() string             { return redacted }
func (Password) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (Password) MarshalText() ([]byte, error) { return []byte(redacted), nil }
