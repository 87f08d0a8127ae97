package report_test

import (
	"strings"
	"testing"

	"github.com/georedkit/georedkit/geored/report"
)

func TestTheSummaryLeavesWhoAndWithWhatToReports(t *testing.T) {
	d := report.Document{Title: "it", Operator: "ada", Departures: []report.Departure{{ID: "a", Section: "1", Instead: "otherwise", Why: "because"}}}
	var summary, whole strings.Builder
	if err := report.WriteSummary(&summary, d); err != nil {
		t.Fatal(err)
	}
	if err := report.WriteText(&whole, d); err != nil {
		t.Fatal(err)
	}
	if got := summary.String(); !strings.HasPrefix(got, "UNKNOWN") || strings.Contains(got, "ada") || !strings.Contains(got, "1 departure from the guide") {
		t.Error(got)
	}
	if got := whole.String(); !strings.Contains(got, "ada") || !strings.Contains(got, "otherwise") {
		t.Error(got)
	}
}
