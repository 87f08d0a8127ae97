package ice

import (
	"slices"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// asksNobody are the checks that may be skipped by what is known without asking: that this run replaced no name servers, and
// that an API server lies behind the mesh by its address.
var asksNobody = []geored.CheckID{CheckChangeOver, CheckAPIServer}

// With every answer removed, no check of a program passes, warns or is skipped: what is not held to its rule by
// answers that were recorded is at least held to this.
func TestNoCheckPassesWhenNobodyAnswers(t *testing.T) {
	t.Parallel()
	d := productOf(t, 2)
	for program, checks := range map[string][]geored.Check{"ice-install": d.Checks(), "ice-upgrade": (Upgrading{Deployment: d}).Checks(), "before the mesh": d.pathChecks()} {
		if len(checks) < 3 {
			t.Errorf("%s has %d checks", program, len(checks))
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
			if f.Verdict != geored.Fail && f.Verdict != geored.Unknown && !slices.Contains(asksNobody, f.Check) {
				t.Errorf("%s: %s is %s when nobody answers: %s", program, f.Check, f.Verdict, f.Message)
			}
		}
	}
}
