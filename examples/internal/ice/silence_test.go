package ice

import (
	"slices"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// With every answer removed, no check of a program passes, warns or is skipped: what is not held to its rule by
// answers that were recorded is at least held to this.
func TestNoCheckPassesWhenNobodyAnswers(t *testing.T) {
	t.Parallel()
	d := productOf(t, 2)
	for program, checks := range map[string][]geored.Check{"ice-install": d.Checks(), "ice-upgrade": (Upgrading{Deployment: d}).Checks(), "before the mesh": d.pathChecks()} {
		if len(checks) < 3 {
			t.Errorf("%s has %d checks", program, len(checks))
		}
		for i := range checks {
			checks[i].Needs = nil // else most would only say that what they need is not there
		}
		report, err := geored.Prove(t.Context(), geored.CheckConfig{Budget: 20 * time.Second}, checks...)
		if err != nil {
			t.Fatal(err)
		}
		for _, check := range checks {
			if !slices.ContainsFunc(report.Findings, func(f geored.Finding) bool { return f.Check == check.ID }) {
				t.Errorf("%s: %s says nothing", program, check.ID)
			}
		}
		for _, f := range report.Findings {
			if f.Verdict != geored.Fail && f.Verdict != geored.Unknown {
				t.Errorf("%s: %s is %s when nobody answers: %s", program, f.Check, f.Verdict, f.Message)
			}
		}
	}
}
