package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/georedkit/georedkit/geored"
)

// reviewed reads the file of -apply; nil without the flag.
func (s *session) reviewed() (*geored.Plan, error) {
	if s.Apply == "" {
		return nil, nil
	}
	text, err := os.ReadFile(s.Apply)
	if err != nil {
		return nil, err
	}
	plan, err := geored.ParsePlan(text)
	if err != nil {
		return nil, err
	}
	return &plan, nil
}

// inputsOf are what the plan is made from.
func (s *session) inputsOf(topology []byte) []geored.Input {
	digest := func(name, text string) geored.Input {
		sum, _ := geored.DigestOf(text) // of a string it cannot fail
		return geored.Input{Name: name, Digest: sum}
	}
	return []geored.Input{digest("topology", string(topology)), digest("probe-image", s.ProbeImage), digest("probe-pull-secret", s.PullSecret)}
}

// plan is the runbook as it would run now.
func (s *session) plan(ctx context.Context, d Deployment) (geored.Runbook, geored.Plan, error) {
	var clusters []geored.Cluster
	if identifier, ok := d.(Identifier); ok {
		var err error
		if clusters, err = identifier.Identities(ctx); err != nil {
			return geored.Runbook{}, geored.Plan{}, err
		}
	}
	inputs := s.inputs
	if pinner, ok := d.(Pinner); ok {
		pins, err := pinner.Pins(ctx)
		if err != nil {
			return geored.Runbook{}, geored.Plan{}, err
		}
		inputs = append(slices.Clone(inputs), pins...)
	}
	book := d.Runbook()
	plan, err := book.Plan(inputs, clusters)
	s.document.Inputs = plan.Inputs
	return book, plan, err
}

// writePlan is -plan: the plan with how its steps stand.
func (s *session) writePlan(ctx context.Context, book geored.Runbook, plan geored.Plan) error {
	plan, err := book.Look(ctx, plan, geored.RunConfig{})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	s.screen.clear()
	if s.Plan == "-" && s.Output == "json" {
		return plan.WriteJSON(s.stdout)
	}
	if s.Plan == "-" {
		return plan.WriteText(s.stdout)
	}
	var text bytes.Buffer
	if err := plan.WriteJSON(&text); err != nil {
		return err
	}
	if err := os.WriteFile(s.Plan, text.Bytes(), 0o600); err != nil {
		return err
	}
	s.screen.printf("  %-12s %s\nthe plan is in %s; run it with: -apply %s\n", "plan", planLine(plan), s.Plan, filepath.Clean(s.Plan))
	return nil
}

func planLine(p geored.Plan) string {
	return fmt.Sprintf("%d steps in %d stages, %.19s…", len(p.Steps()), len(p.Stages), p.Digest)
}

// movedError shows what moved since a plan was reviewed.
type movedError []geored.Move

func (e movedError) Error() string {
	text := "the plan is not the reviewed one any more; nothing was changed:"
	for _, move := range e {
		text += "\n  " + move.String()
	}
	return text + "\nmake it again with -plan, and review what is new"
}

// agreed holds the reviewed plan, if there is one, against now. It gives the digest under which the run goes on.
func (s *session) agreed(now geored.Plan, mine map[geored.StepID]bool) (string, error) {
	if s.reviewedPlan == nil || s.reviewedPlan.Digest == now.Digest {
		return now.Digest, nil
	}
	if moves := s.reviewedPlan.Moves(now, mine); len(moves) > 0 {
		return "", movedError(moves)
	}
	return s.reviewedPlan.Digest, nil
}
