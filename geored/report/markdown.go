package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

// WriteMarkdown writes the document as GitHub and GitLab show it, for a merge request or a wiki.
func WriteMarkdown(w io.Writer, d Document) error {
	d = d.Whole()
	var m markdown
	m.line("# %s: %s", strings.ToUpper(string(d.Verdict())), text(d.Title))
	for _, sentence := range d.summary() {
		m.line("- %s", text(sentence))
	}
	m.facts(d)
	m.sites(matrixOf(d.Report))
	m.findings(d.Report)
	m.steps(d.Run)
	m.departures(d.Departures)
	m.origins(d)
	_, err := io.WriteString(w, m.String())
	return wrapped("Markdown", err)
}

type markdown struct{ strings.Builder }

func (m *markdown) line(format string, args ...any) { fmt.Fprintf(m, format+"\n", args...) }

// heading begins a part of the document.
func (m *markdown) heading(format string, args ...any) { m.line("\n"+format+"\n", args...) }

// row writes a row of a table. What stands in its cells is escaped already.
func (m *markdown) row(cells ...string) { m.line("| %s |", strings.Join(cells, " | ")) }

// head writes the first two rows of a table.
func (m *markdown) head(cells ...string) {
	m.row(cells...)
	m.row(strings.Split(strings.Repeat("---,", len(cells)-1)+"---", ",")...)
}

// block writes lines as they are, between fences longer than any row of backticks in them.
func (m *markdown) block(lines []string) {
	whole := visible(strings.Join(lines, "\n"))
	fence := "```"
	for strings.Contains(whole, fence) {
		fence += "`"
	}
	m.line("\n%stext\n%s\n%s", fence, whole, fence)
}

// markdownEscapes are the characters that can begin markup in the middle of a line.
var markdownEscapes = func() *strings.Replacer {
	var pairs []string
	for _, c := range "\\`*_[]<>|~&$#@" {
		pairs = append(pairs, string(c), `\`+string(c))
	}
	return strings.NewReplacer(pairs...)
}()

// text is a text on one line, without any markup in it.
func text(s string) string { return markdownEscapes.Replace(oneLine(s)) }

func (m *markdown) facts(d Document) {
	if facts := d.facts(); len(facts) > 0 {
		m.line("\n| | |\n| --- | --- |")
		for _, f := range facts {
			m.row(f.name, text(f.value))
		}
	}
}

func (m *markdown) sites(x matrix) {
	if len(x.cells) == 0 {
		return
	}
	m.heading("## Sites")
	head := []string{"Way"}
	for _, area := range x.areas {
		head = append(head, text(area))
	}
	m.head(head...)
	for _, way := range x.ways() {
		row := []string{text(way.String())}
		if way.Site == "" {
			row[0] = "all sites"
		}
		for _, area := range x.areas {
			key := cellKey{area, way.Site, way.To}
			if way.To == "" {
				key.to = way.Site
			}
			verdict := ""
			if c, ok := x.cells[key]; ok {
				verdict = mark(c.verdict)
			}
			row = append(row, verdict)
		}
		m.row(row...)
	}
}

// mark is a verdict as a word and a sign.
func mark(v geored.Verdict) string {
	return map[geored.Verdict]string{geored.Pass: "✅ pass", geored.Warn: "⚠️ warn", geored.Fail: "❌ fail",
		geored.Unknown: "❓ unknown", geored.Skipped: "➖ skipped"}[known(v)]
}

func (m *markdown) findings(r geored.Report) {
	if len(r.Findings) == 0 {
		return
	}
	m.heading("## Findings")
	var passed []geored.Finding
	for _, i := range worstFirst(r.Findings) {
		if f := r.Findings[i]; f.Verdict == geored.Pass {
			passed = append(passed, f)
		} else {
			m.finding(f)
		}
	}
	if len(passed) > 0 {
		m.heading("### Passed")
		m.head("Check", "Where", "What was found")
	}
	for _, f := range passed {
		m.row(text(string(f.Check)), text(where(f)), text(strings.Join(append([]string{f.Message}, f.Evidence...), "; ")))
	}
}

func (m *markdown) finding(f geored.Finding) {
	m.heading("### %s: %s, %s", mark(f.Verdict), text(string(f.Check)), text(where(f)))
	m.line("**Found:** %s", text(f.Message))
	if len(f.Evidence) > 0 {
		m.block(f.Evidence)
	}
	for _, s := range f.Unanswered {
		m.line("\n- no answer from %s: %s", text(s.Target.String()), text(s.Reason))
	}
	if f.Remedy != "" {
		m.line("\n**Remedy:** %s", text(f.Remedy))
	}
	if url, ok := link(f.DocURL); ok {
		m.line("\n**More:** <%s>", linkTarget(url))
	}
}

// linkTarget is an address that cannot end the brackets around it.
func linkTarget(url string) string {
	return strings.NewReplacer("<", "%3C", ">", "%3E", " ", "%20").Replace(oneLine(url))
}

func (m *markdown) steps(r geored.Result) {
	if len(r.Outcomes) == 0 {
		return
	}
	m.heading("## Steps")
	m.head("Step", "Site", "Status", "Began after", "Took", "What was seen")
	for _, o := range r.Outcomes {
		began := ""
		if !o.Began.IsZero() {
			began = geored.RoundDuration(o.Began.Sub(r.Began)).String()
		}
		m.row(text(string(o.ID)), text(string(o.Site)), text(string(o.Status)), began, durationText(o.Took), text(detail(o)))
	}
}

func (m *markdown) departures(all []Departure) {
	if len(all) == 0 {
		return
	}
	m.heading("## Departures from the guide")
	m.head("ID", "Guide", "It says", "What is done", "Why")
	for _, x := range all {
		m.row(text(x.ID), text(x.Section), text(x.Guide), text(x.Instead), text(x.Why))
	}
}

func (m *markdown) origins(d Document) {
	if len(d.Inputs)+len(d.Versions) == 0 {
		return
	}
	m.heading("## Made from")
	m.head("Name", "Version or digest")
	for _, input := range d.Inputs {
		m.row(text(input.Name), text(input.Digest))
	}
	for _, v := range d.Versions {
		m.row(text(v.Name), text(v.Version))
	}
}
