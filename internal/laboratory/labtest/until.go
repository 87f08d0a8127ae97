package labtest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// telling is what is left of a test's time to say what did not come about, and to take down what it started.
const telling = 2 * time.Minute

// Until looks again and again until what is awaited has come: nil. A machine that is busy may need long for it, so nothing
// bounds it but the test's own time; near the end of that the last reason is fatal.
func Until(t *testing.T, what string, seen func() error) {
	t.Helper()
	end, bounded := t.Deadline()
	for {
		err := seen()
		if err == nil {
			return
		}
		if t.Context().Err() != nil || bounded && time.Until(end) < telling {
			t.Fatalf("%s did not come about: %v", what, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// ErrNotYet is for what has no reason to tell.
var ErrNotYet = errors.New("not yet")

// Passes says what keeps a report from passing.
func Passes(r geored.Report) error {
	if r.Verdict() == geored.Pass {
		return nil
	}
	wrong := []error{fmt.Errorf("the verdict is %s", r.Verdict())}
	for _, f := range r.Findings {
		if f.Verdict != geored.Pass {
			wrong = append(wrong, fmt.Errorf("%s %s %s: %s: %s %q", f.Check, f.Site, f.To, f.Verdict, f.Message, f.Evidence))
		}
	}
	return errors.Join(wrong...)
}
