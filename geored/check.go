package geored

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// CheckID names a check; the part before the first slash is its area: "mesh/handshake".
type CheckID string

// Check is one thing to be proven. It changes nothing.
type Check struct {
	ID     CheckID
	Title  string    // what is true when it passes
	Needs  []CheckID // checks that must not fail or be unknown before this one can tell anything
	DocURL string    // where it is explained
	// Run asks and judges. Findings get their check, title and times filled in. Required.
	Run func(context.Context) []Finding
}

// Finding is what a check found out about one thing. Make it from [Answers], so that it says who was asked: a pass or
// a warn from nobody, a skipped without a message, and any but a fail with a silence in it, count as unknown.
type Finding struct {
	Check      CheckID       `json:"check"`
	Title      string        `json:"title,omitempty"`
	Site       SiteName      `json:"site,omitempty"` // where it was asked; zero: over all sites
	To         SiteName      `json:"to,omitempty"`   // the other site, for what lies between two
	Verdict    Verdict       `json:"verdict"`
	Message    string        `json:"message"`            // what was found, in one sentence
	Evidence   []string      `json:"evidence,omitempty"` // what was seen, line by line; no secrets
	Remedy     string        `json:"remedy,omitempty"`   // what to do about it
	DocURL     string        `json:"docURL,omitempty"`
	Asked      []Target      `json:"asked,omitempty"`
	Unanswered []Silence     `json:"unanswered,omitempty"`
	Started    time.Time     `json:"started"`
	Took       time.Duration `json:"tookNs"`
}

// honest takes back what was claimed without an answer. Skipped needs nobody to be asked, only a reason.
func (f Finding) honest() Finding {
	switch {
	case f.Verdict == Fail:
	case len(f.Unanswered) > 0:
		f.Verdict = Unknown
	case f.Verdict == Skipped && f.Message != "":
	case len(f.Asked) == 0, weight(f.Verdict) == weight(Unknown), f.Verdict == Skipped:
		f.Verdict = Unknown
	}
	return f
}

// CheckConfig is how checks are run.
type CheckConfig struct {
	Title    string        // of the report
	Clock    Clock         // zero: [SystemClock]
	Limit    int           // checks at once; zero: 16
	Budget   time.Duration // for each check; one that uses it up is unknown. Zero: 1 minute
	Observer func(Finding) // told of each finding as it is made, one at a time. Zero: nobody
}

// Prove runs the checks, each when its needs are through, side by side where it may. The report holds their findings in
// the order of the checks. A check whose needs failed or are unknown is itself unknown: it was not asked. Doubled IDs,
// needs that do not exist and circles among them are [Faults], and then nothing is asked.
func Prove(ctx context.Context, c CheckConfig, checks ...Check) (Report, error) {
	if c.Clock == nil {
		c.Clock = SystemClock()
	}
	if c.Limit <= 0 {
		c.Limit = 16
	}
	if c.Budget <= 0 {
		c.Budget = time.Minute
	}
	steps := asSteps(checks)
	if err := (Runbook{Stages: []Stage{{Name: "checks", Outline: steps}}}).Validate(); err != nil {
		return Report{Title: c.Title}, err
	}
	p := &prover{CheckConfig: c, checks: checks, findings: make([][]Finding, len(checks))}
	report := Report{Title: c.Title, Started: c.Clock.Now()}
	schedule(steps, c.Limit, func(i int) bool {
		p.found(i, p.examine(ctx, i))
		return true
	}, nil)
	for _, findings := range p.findings {
		report.Findings = append(report.Findings, findings...)
	}
	report.Took = c.Clock.Now().Sub(report.Started)
	return report, nil
}

// asSteps lets the needs of checks be validated and ordered as those of steps are.
func asSteps(checks []Check) []Step {
	steps := make([]Step, len(checks))
	for i, check := range checks {
		steps[i] = Step{ID: StepID(check.ID), Target: "check", Action: Await}
		for _, need := range check.Needs {
			steps[i].Needs = append(steps[i].Needs, StepID(need))
		}
	}
	return steps
}

type prover struct {
	CheckConfig
	checks []Check

	mu       sync.Mutex
	findings [][]Finding
}

func (p *prover) found(i int, findings []Finding) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.findings[i] = findings
	if p.Observer != nil {
		for _, f := range findings {
			p.Observer(f)
		}
	}
}

// examine runs one check within its budget and completes its findings.
func (p *prover) examine(ctx context.Context, i int) []Finding {
	check, began := p.checks[i], p.Clock.Now()
	findings := p.unmet(check)
	if findings == nil {
		findings = p.run(ctx, check)
	}
	for j := range findings {
		f := &findings[j]
		f.Check, f.Title = check.ID, check.Title
		if f.DocURL == "" {
			f.DocURL = check.DocURL
		}
		if f.Started.IsZero() {
			f.Started, f.Took = began, p.Clock.Now().Sub(began)
		}
		*f = f.honest()
	}
	return findings
}

func (p *prover) run(ctx context.Context, check Check) []Finding {
	if check.Run == nil {
		return []Finding{{Verdict: Unknown, Message: "the check has no Run"}}
	}
	ctx, cancel := withBudget(ctx, p.Clock, p.Budget, ErrBudget)
	defer cancel()
	came := make(chan []Finding, 1)
	go func() { came <- check.Run(ctx) }()
	select {
	case findings := <-came:
		if len(findings) > 0 {
			return findings
		}
		return []Finding{{Verdict: Unknown, Message: "the check came to no finding"}}
	case <-ctx.Done():
		return []Finding{{Verdict: Unknown, Message: fmt.Sprintf("the check did not end: %v", context.Cause(ctx))}}
	}
}

// unmet says why a check cannot be asked, or nil when it can.
func (p *prover) unmet(check Check) []Finding {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, need := range check.Needs {
		for i, other := range p.checks {
			if other.ID != need {
				continue
			}
			if v := joined(p.findings[i]); v == Fail || v == Unknown && !allSkipped(p.findings[i]) {
				return []Finding{{Verdict: Unknown, Message: fmt.Sprintf("not asked: it needs %s, which is %s", need, v)}}
			}
		}
	}
	return nil
}
