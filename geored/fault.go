package geored

import (
	"errors"
	"strings"
)

// Fault is one mistake in an input: where it stands, what is wrong with it and what to write instead.
type Fault struct {
	Site    SiteName // the site it belongs to; zero: the input as a whole
	Field   string   // as the input names it: "podCIDR", "nodes[dc1-1].endpoint"
	Value   string   // as it was written; zero: nothing was
	Problem string   // what is wrong, in words
	Remedy  string   // what to do about it; zero: the problem says it
}

// Error gives the fault in one line.
func (f Fault) Error() string {
	var b strings.Builder
	if f.Site != "" {
		b.WriteString("site " + string(f.Site) + ": ")
	}
	b.WriteString(f.Field)
	if f.Value != "" {
		b.WriteString(" " + f.Value)
	}
	b.WriteString(": " + f.Problem)
	if f.Remedy != "" {
		b.WriteString("; " + f.Remedy)
	}
	return b.String()
}

// Faults are all mistakes of one input, in the order of the input. The zero value is none.
type Faults []Fault

// Error gives one line per fault.
func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives the single faults, so that [errors.As] finds a [Fault] among them.
func (fs Faults) Unwrap() []error {
	errs := make([]error, len(fs))
	for i, f := range fs {
		errs[i] = f
	}
	return errs
}

// Err is the faults as an error: nil when there are none.
func (fs Faults) Err() error {
	if len(fs) == 0 {
		return nil
	}
	return fs
}

// AsFaults gives the first faults inside err, and whether there are any. err may hold other errors beside them.
func AsFaults(err error) (Faults, bool) {
	var fs Faults
	ok := errors.As(err, &fs)
	return fs, ok
}
