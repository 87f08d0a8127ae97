package cassandra

import "log/slog"

// Password is a password that does not show itself: printing, logging and JSON give "[redacted]". Convert it to a
// string to open it.
type Password string

const redacted = "[redacted]"

func (Password) String() string               { return redacted }
func (Password) GoString() string             { return redacted }
func (Password) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (Password) MarshalText() ([]byte, error) { return []byte(redacted), nil }
