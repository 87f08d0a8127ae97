package report

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// verdicts are all of them, those that need somebody first.
var verdicts = []geored.Verdict{geored.Fail, geored.Unknown, geored.Warn, geored.Skipped, geored.Pass}

// rank orders verdicts as they are shown; a verdict that is none is unknown.
func rank(v geored.Verdict) int { return slices.Index(verdicts, known(v)) }

// known makes an unknown of what is no verdict.
func known(v geored.Verdict) geored.Verdict {
	if slices.Contains(verdicts, v) {
		return v
	}
	return geored.Unknown
}

// joinCell is the verdict over some findings of a report: skipped alone is skipped, where a whole report is unknown.
func joinCell(of []geored.Verdict) geored.Verdict {
	if !slices.ContainsFunc(of, func(v geored.Verdict) bool { return v != geored.Skipped }) {
		return geored.Skipped
	}
	return geored.Join(of...)
}

// worstFirst gives the indices of the findings, the worst first, and those alike in their order.
func worstFirst(findings []geored.Finding) []int {
	order := make([]int, len(findings))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(rank(findings[a].Verdict), rank(findings[b].Verdict))
	})
	return order
}

// checksText counts the findings: "15 checks on 2 sites: 15 pass, 0 warn, 0 fail, 0 unknown".
func checksText(r geored.Report) string {
	count := map[geored.Verdict]int{}
	for _, f := range r.Findings {
		count[known(f.Verdict)]++
	}
	text := fmt.Sprintf("%s on %s: %d pass, %d warn, %d fail, %d unknown", plural(len(r.Findings), "check"), plural(len(r.Sites()), "site"),
		count[geored.Pass], count[geored.Warn], count[geored.Fail], count[geored.Unknown])
	if n := count[geored.Skipped]; n > 0 {
		text += fmt.Sprintf(", %d skipped", n)
	}
	return text
}

// stepsText counts the steps: "8 of 8 steps done", "3 of 8 steps done, 1 failed, 4 pending".
func stepsText(r geored.Result) string {
	text := fmt.Sprintf("%d of %s done", r.Count(geored.Unchanged, geored.Changed, geored.Undone, geored.Kept), plural(len(r.Outcomes), "step"))
	for _, status := range []geored.Status{geored.Undone, geored.Kept, geored.Failed, geored.Interrupted, geored.Pending} {
		if n := r.Count(status); n > 0 {
			text += fmt.Sprintf(", %d %s", n, status)
		}
	}
	return text
}

// summary is what the verdict rests on, a sentence each.
func (d Document) summary() []string {
	var parts []string
	if d.Problem != "" {
		parts = append(parts, d.Problem)
	}
	if d.hasRun() {
		parts = append(parts, stepsText(d.Run))
	}
	if len(d.Report.Findings) == 0 {
		return append(parts, "nothing was proven")
	}
	return append(parts, checksText(d.Report))
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// where is the site, or the way between two, that a finding speaks of.
func where(f geored.Finding) string {
	if f.Site == "" {
		return "all sites"
	}
	return geored.Target{Site: f.Site, To: f.To}.String()
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

func durationText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return geored.RoundDuration(d).String()
}

// errorText is the cause of a step's end. The step itself stands beside it.
func errorText(o geored.Outcome) string {
	if o.Err == nil {
		return ""
	}
	if failed := new(geored.StepError); errors.As(o.Err, &failed) {
		return failed.Err.Error()
	}
	return o.Err.Error()
}

// detail is what is to be said of a step: why it failed, or else what was seen of it.
func detail(o geored.Outcome) string {
	if text := errorText(o); text != "" {
		return text
	}
	return o.Detail
}

// link is the address of a document that may be linked to: a web address, and nothing a browser would execute.
func link(url string) (string, bool) {
	return url, strings.HasPrefix(url, "https://") || strings.HasPrefix(url, "http://")
}
