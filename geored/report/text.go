package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

// WriteText writes the document as plain text: what [WriteSummary] does, then who, what and when.
func WriteText(w io.Writer, d Document) error {
	d = d.Whole()
	var b strings.Builder
	d.writeSummaryText(&b)
	d.writeFactsText(&b)
	_, err := io.WriteString(w, b.String())
	return wrapped("text", err)
}

// WriteSummary writes for a terminal: the verdict, a line per way from site to site with a verdict per area, what failed or
// could not be told, and how many departures from its guide the document holds.
func WriteSummary(w io.Writer, d Document) error {
	d = d.Whole()
	var b strings.Builder
	d.writeSummaryText(&b)
	if n := len(d.Departures); n > 0 {
		fmt.Fprintf(&b, "\n%s from the guide stand in reports, each with its reason\n", plural(n, "departure"))
	}
	_, err := io.WriteString(w, b.String())
	return wrapped("text", err)
}

func (d Document) writeSummaryText(b *strings.Builder) {
	fmt.Fprintf(b, "%s  %s", strings.ToUpper(string(d.Verdict())), oneLine(strings.Join(d.summary(), "; ")))
	if took := durationText(d.Took); took != "" {
		fmt.Fprintf(b, "  took %s", took)
	}
	b.WriteString("\n")
	matrixOf(d.Report).writeText(b)
	for _, o := range d.Run.Outcomes {
		if !o.Status.IsDone() {
			writeStepText(b, o)
		}
	}
	for _, i := range worstFirst(d.Report.Findings) {
		if f := d.Report.Findings[i]; f.Verdict != geored.Pass {
			writeFindingText(b, f)
		}
	}
}

func (m matrix) writeText(b *strings.Builder) {
	for _, way := range m.ways() {
		name := way.String()
		if way.Site == "" {
			name = "all sites"
		}
		fmt.Fprintf(b, "  %-14s", oneLine(name))
		for _, area := range m.areas {
			key := cellKey{area, way.Site, way.To}
			if way.To == "" {
				key.to = way.Site
			}
			if c, ok := m.cells[key]; ok {
				fmt.Fprintf(b, "  %s %s", oneLine(area), c.verdict)
			}
		}
		b.WriteString("\n")
	}
}

func writeStepText(b *strings.Builder, o geored.Outcome) {
	fmt.Fprintf(b, "\n%-11s  step %s\n", oneLine(string(o.Status)), oneLine(string(o.ID)))
	writeTextLines(b, "", detail(o))
}

func writeFindingText(b *strings.Builder, f geored.Finding) {
	fmt.Fprintf(b, "\n%-11s  %s  %s\n", known(f.Verdict), oneLine(string(f.Check)), oneLine(where(f)))
	writeTextLines(b, "", f.Message)
	for _, line := range f.Evidence {
		writeTextLines(b, "| ", line)
	}
	for _, s := range f.Unanswered {
		writeTextLines(b, "no answer from ", s.Target.String()+": "+s.Reason)
	}
	if f.Remedy != "" {
		writeTextLines(b, "remedy: ", f.Remedy)
	}
}

// writeTextLines indents each line, so that none of them can be taken for one of ours.
func writeTextLines(b *strings.Builder, prefix, text string) {
	for line := range strings.Lines(visible(text)) {
		fmt.Fprintf(b, "             %s%s\n", prefix, strings.TrimRight(line, "\n"))
	}
}

func (d Document) writeFactsText(b *strings.Builder) {
	lines := d.facts()
	for _, input := range d.Inputs {
		lines = append(lines, fact{"Input", input.Name + "  " + input.Digest})
	}
	for _, v := range d.Versions {
		lines = append(lines, fact{"Version", v.Name + " " + v.Version})
	}
	for _, x := range d.Departures {
		lines = append(lines, fact{"Departure", fmt.Sprintf("%s, guide %s: %s", x.ID, x.Section, x.Instead)})
	}
	if len(lines) > 0 {
		b.WriteString("\n")
	}
	for _, line := range lines {
		fmt.Fprintf(b, "  %-10s  %s\n", strings.ToLower(line.name), oneLine(line.value))
	}
}
