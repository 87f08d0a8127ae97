package cassandra

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/georedkit/georedkit/geored"
)

// Password is a password that does not show itself: printing, logging and JSON give [geored.Redacted]; [Password.Reveal]
// alone opens it. The zero value is none.
type Password struct {
	// A function, because fmt shows what is in an unexported field without asking its methods.
	open func() string
}

// NewPassword seals a password. No text is no password.
func NewPassword(text string) Password {
	if text == "" {
		return Password{}
	}
	return Password{func() string { return text }}
}

// Reveal opens the password; "" when there is none.
func (p Password) Reveal() string {
	if p.open == nil {
		return ""
	}
	return p.open()
}

// Format redacts under every verb.
func (Password) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, geored.Redacted) }

func (Password) String() string               { return geored.Redacted }
func (Password) GoString() string             { return geored.Redacted }
func (Password) LogValue() slog.Value         { return slog.StringValue(geored.Redacted) }
func (Password) MarshalText() ([]byte, error) { return []byte(geored.Redacted), nil }
