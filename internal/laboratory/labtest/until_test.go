package labtest

import (
	"strings"
	"testing"

	"github.com/georedkit/georedkit/geored"
)

func TestUntilLooksAgain(t *testing.T) {
	looks := 0
	Until(t, "the third look", func() error {
		if looks++; looks < 3 {
			return ErrNotYet
		}
		return nil
	})
	if looks != 3 {
		t.Errorf("%d looks", looks)
	}
}

func TestPasses(t *testing.T) {
	pass, fail := geored.Finding{Check: "a", Verdict: geored.Pass}, geored.Finding{Check: "b", Verdict: geored.Fail, Message: "cut"}
	if err := Passes(geored.Report{Findings: []geored.Finding{pass}}); err != nil {
		t.Error(err)
	}
	if err := Passes(geored.Report{}); err == nil {
		t.Error("an empty report passes")
	}
	if err := Passes(geored.Report{Findings: []geored.Finding{pass, fail}}); err == nil || !strings.Contains(err.Error(), "b  : fail: cut") {
		t.Errorf("%v", err)
	}
}
