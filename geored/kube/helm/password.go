package helm

import (
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

// Password opens a chart repository. It shows itself in no form of printing, logging or encoding; Reveal is the only way
// out. The zero value is none.
type Password struct {
	// A function, because fmt shows what is in an unexported field without asking its methods.
	open func() string
}

// NewPassword seals a password, without the line's end that files have.
func NewPassword(text string) Password {
	text = strings.TrimRight(text, "\r\n")
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

// String redacts.
func (p Password) String() string { return geored.Redacted }

// GoString redacts.
func (p Password) GoString() string { return geored.Redacted }

// Format redacts under every verb.
func (p Password) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, geored.Redacted) }

// LogValue redacts.
func (p Password) LogValue() slog.Value { return slog.StringValue(geored.Redacted) }

// MarshalText redacts, and so does JSON.
func (p Password) MarshalText() ([]byte, error) { return []byte(geored.Redacted), nil }
