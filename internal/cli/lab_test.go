package cli

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/internal/laboratory"
)

// Who was refused before it held the lock of a laboratory that it found may stand beside one that works there.
func TestLeave(t *testing.T) {
	for _, c := range []struct {
		name                string
		found, worked, kept bool
		down                bool
	}{
		{"its own", false, false, false, true},
		{"its own, worked in", false, true, false, true},
		{"its own, to be kept", false, true, true, false},
		{"found, and refused", true, false, false, false},
		{"found, and worked in", true, true, false, true},
		{"found, kept", true, true, true, false},
	} {
		var out bytes.Buffer
		l := &labSession{running: laboratory.Running{Dir: t.TempDir()}, found: c.found, worked: c.worked}
		if c.kept {
			if err := os.WriteFile(l.kept(), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		// There is no program to take it down with: that it was asked for shows in the error.
		err := l.leave(t.Context(), &session{screen: newScreen(&out, false)})
		if asked := err != nil && strings.Contains(err.Error(), "take the laboratory down"); asked != c.down || !c.down && !strings.Contains(out.String(), "the laboratory goes on") {
			t.Errorf("%s: %v, %q", c.name, err, out.String())
		}
	}
}

func TestFarewell(t *testing.T) {
	s := &session{Options: Options{Lab: "demo", Whole: true}}
	const end = "end it with: go run -C internal/lab . down -name demo -purge\n"
	if got := s.farewell("/x/dc1.kubeconfig"); got != "the laboratory goes on: KUBECONFIG=/x/dc1.kubeconfig\n"+end {
		t.Errorf("%q", got)
	}
	s.Next = func(lab string, whole bool) []Next {
		return []Next{{"look", "look at " + lab}, {"recover", map[bool]string{true: "all of it"}[whole]}}
	}
	if got := s.farewell("/x"); got != "the laboratory goes on: KUBECONFIG=/x\n  look      look at demo\n  recover   all of it\n"+end {
		t.Errorf("%q", got)
	}
}
