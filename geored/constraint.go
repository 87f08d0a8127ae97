package geored

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// ErrNotPlanned is wrapped by the errors of a stage that was bound to something else than its outline.
var ErrNotPlanned = errors.New("is not as planned")

// Constraint says, before it is known, what a value that only an earlier stage can produce must be like. With nothing
// but a name, it must not be empty. All that is set must hold.
type Constraint struct {
	Name    string       `json:"name"`              // what the value is called: "WireGuard IP of dc2-1"
	Inside  netip.Prefix `json:"inside,omitzero"`   // an address or a range inside this one
	Matches string       `json:"matches,omitempty"` // a regular expression for the whole of the value
	OneOf   []string     `json:"oneOf,omitempty"`
}

// String is the constraint in words.
func (c Constraint) String() string {
	text := []string{c.Name}
	if c.Inside.IsValid() {
		text = append(text, "inside "+c.Inside.String())
	}
	if c.Matches != "" {
		text = append(text, "matching "+c.Matches)
	}
	if len(c.OneOf) > 0 {
		text = append(text, fmt.Sprintf("one of %q", c.OneOf))
	}
	if len(text) == 1 {
		text = append(text, "not empty")
	}
	return strings.Join(text, ", ")
}

// Check holds a value against the constraint. The error names both and wraps [ErrNotPlanned].
func (c Constraint) Check(value string) error {
	if reason := c.broken(value); reason != "" {
		return fmt.Errorf("%s is %q, which %s: it %w", c.Name, value, reason, ErrNotPlanned)
	}
	return nil
}

func (c Constraint) broken(value string) string {
	if value == "" {
		return "must not be empty"
	}
	if c.Inside.IsValid() && !inside(value, c.Inside) {
		return "is not inside " + c.Inside.String()
	}
	if whole, err := c.pattern(); err != nil || whole != nil && !whole.MatchString(value) {
		return "does not match " + c.Matches
	}
	if len(c.OneOf) > 0 && !slices.Contains(c.OneOf, value) {
		return fmt.Sprintf("is none of %q", c.OneOf)
	}
	return ""
}

func (c Constraint) pattern() (*regexp.Regexp, error) {
	if c.Matches == "" {
		return nil, nil
	}
	return regexp.Compile("^(?:" + c.Matches + ")$")
}

func (c Constraint) validate() error {
	if c.Name == "" {
		return errors.New("has a constraint without a name")
	}
	if _, err := c.pattern(); err != nil {
		return fmt.Errorf("has a constraint on %s: %w", c.Name, err)
	}
	return nil
}

func inside(value string, outer netip.Prefix) bool {
	if addr, err := netip.ParseAddr(value); err == nil {
		return outer.Contains(addr)
	}
	p, err := netip.ParsePrefix(value)
	return err == nil && p.Bits() >= outer.Bits() && outer.Contains(p.Addr())
}
