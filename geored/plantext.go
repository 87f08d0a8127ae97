package geored

import (
	"fmt"
	"io"
	"strings"
)

// WriteText writes the plan for people: what is done, in which order, and the commands with which an operator would do
// it by hand.
func (p Plan) WriteText(w io.Writer) error {
	var b strings.Builder
	steps := p.Steps()
	fmt.Fprintf(&b, "%s: %d steps in %d stages\n%s\n", p.Runbook, len(steps), len(p.Stages), p.Digest)
	for _, input := range p.Inputs {
		fmt.Fprintf(&b, "input    %s  %s\n", input.Name, input.Digest)
	}
	for _, cluster := range p.Clusters {
		fmt.Fprintf(&b, "cluster  %s  %s\n", cluster.Site, cluster.UID)
	}
	for i, stage := range p.Stages {
		fmt.Fprintf(&b, "\n%d. %s", i+1, stage.Name)
		if len(stage.After) > 0 {
			fmt.Fprintf(&b, "  (after %s)", strings.Join(stage.After, ", "))
		}
		b.WriteString("\n")
		for _, step := range stage.Steps {
			step.write(&b)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (s PlanStep) write(b *strings.Builder) {
	line := func(label, text string) {
		if text != "" {
			fmt.Fprintf(b, "       %-8s %s\n", label, text)
		}
	}
	fmt.Fprintf(b, "\n   %s: %s\n", s.ID, s.text())
	line("why", s.Reason)
	needs := make([]string, len(s.Needs))
	for i, need := range s.Needs {
		needs[i] = string(need)
	}
	line("needs", strings.Join(needs, ", "))
	for _, given := range s.Given {
		line("given", given.String())
	}
	line("now", strings.TrimSuffix(string(s.Live.State)+": "+s.Live.Detail, ": "))
	if s.Confirm != "" {
		line("confirm", fmt.Sprintf("-confirm %s=%s", s.ID, s.Confirm))
	}
	for _, command := range s.Manual {
		line("by hand", command)
	}
	for _, command := range s.ManualUndo {
		line("undo", command)
	}
	line("no undo", s.Permanent)
}
