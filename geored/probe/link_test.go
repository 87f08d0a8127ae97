package probe_test

import (
	"testing"

	"github.com/georedkit/georedkit/geored/probe"
)

func TestLink(t *testing.T) {
	local := probe.Local(probe.Questions())
	for name, want := range map[string]bool{"lo": true, "lo0": true, "no-such-link": false} {
		got, err := probe.Ask(t.Context(), local, probe.Link{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		if got.Present && !want || got.Up && !got.Present {
			t.Errorf("%s: %+v", name, got)
		}
		if got.Present {
			return
		}
		if len(got.Others) == 0 {
			t.Errorf("%s: no interface at all", name)
		}
	}
	t.Error("the loopback interface was not found")
}

func TestLinkWithoutAName(t *testing.T) {
	if _, err := probe.Ask(t.Context(), probe.Local(probe.Questions()), probe.Link{}); err == nil {
		t.Error("no name was taken")
	}
}
