package report

import (
	"fmt"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

// fewPassed is how many findings that passed are shown without being asked for.
const fewPassed = 40

// findings shows those first that need somebody, each whole, then those that passed.
func (p *page) findings(r geored.Report) {
	if len(r.Findings) == 0 {
		return
	}
	p.section("findings", "Findings")
	order := worstFirst(r.Findings)
	bad := 0
	for bad < len(order) && r.Findings[order[bad]].Verdict != geored.Pass {
		p.finding(order[bad], r.Findings[order[bad]])
		bad++
	}
	p.passed(r, order[bad:])
	p.raw("</section>\n")
}

// passed shows what passed, a table for each check.
func (p *page) passed(r geored.Report, order []int) {
	if len(order) == 0 {
		return
	}
	var checks []geored.CheckID
	byCheck := map[geored.CheckID][]int{}
	for _, i := range order {
		id := r.Findings[i].Check
		if byCheck[id] == nil {
			checks = append(checks, id)
		}
		byCheck[id] = append(byCheck[id], i)
	}
	if p.raw("<details"); len(order) <= fewPassed {
		p.raw(" open")
	}
	p.put("><summary>", plural(len(order), "finding")+" passed", "</summary>\n")
	for _, id := range checks {
		p.passedOf(r, id, byCheck[id])
	}
	p.raw("</details>\n")
}

func (p *page) passedOf(r geored.Report, id geored.CheckID, order []int) {
	p.put("<table class=\"passed pass\" role=table><caption>", "", "")
	p.badge(geored.Pass, string(geored.Pass))
	p.put(" <code>", string(id), "</code>")
	p.put(" <span class=where>", r.Findings[order[0]].Title, "</span></caption>\n")
	p.raw("<thead role=rowgroup><tr role=row><th scope=col role=columnheader>Where</th><th scope=col role=columnheader>What was found</th><th scope=col role=columnheader>Answered</th><th scope=col role=columnheader>Took</th></tr></thead>\n<tbody role=rowgroup>\n")
	for _, i := range order {
		f := r.Findings[i]
		p.raw("<tr role=row id=f")
		p.num(i)
		p.put("><th scope=row role=rowheader>", arrow(where(f)), "</th>")
		p.put("<td role=cell>", f.Message, "")
		p.evidence(f)
		p.put("</td><td role=cell class=number>", answered(f), "</td>")
		p.put("<td role=cell class=number>", durationText(f.Took), "</td></tr>\n")
	}
	p.raw("</tbody></table>\n")
}

// arrow is a way as it reads best.
func arrow(way string) string { return strings.Replace(way, "->", "→", 1) }

// answered says how many of those who were asked answered.
func answered(f geored.Finding) string {
	if len(f.Asked) == 0 {
		return "nobody was asked"
	}
	return fmt.Sprintf("%d of %d", len(f.Asked)-len(f.Unanswered), len(f.Asked))
}

func (p *page) evidence(f geored.Finding) {
	if len(f.Evidence) == 0 {
		return
	}
	p.raw("<pre class=evidence>")
	for i, line := range f.Evidence {
		if i > 0 {
			p.raw("\n")
		}
		p.text(line)
	}
	p.raw("</pre>\n")
}

func (p *page) finding(i int, f geored.Finding) {
	verdict := known(f.Verdict)
	p.put("<article class=\"finding ", string(verdict), "\" id=f")
	p.num(i)
	p.raw(">\n<h3>")
	p.badge(verdict, string(verdict))
	p.put(" <code>", string(f.Check), "</code>")
	p.put(" <span class=where>", arrow(where(f)), "</span></h3>\n")
	p.put("<p class=message>", f.Message, "</p>\n")
	if f.Title != "" {
		p.put("<p class=title>Checked: ", f.Title, "</p>\n")
	}
	p.evidence(f)
	if len(f.Unanswered) > 0 {
		p.raw("<ul class=silent>")
		for _, s := range f.Unanswered {
			p.put("<li>No answer from <b>", s.Target.String(), "</b>: ")
			p.put("", s.Reason, "</li>")
		}
		p.raw("</ul>\n")
	}
	if f.Remedy != "" {
		p.put("<p class=remedy><b>Remedy:</b> ", f.Remedy, "</p>\n")
	}
	p.origin(f)
	p.raw("</article>\n")
}

// origin is who was asked, when, and where it is explained.
func (p *page) origin(f geored.Finding) {
	p.raw("<p class=meta>")
	if p.text(answered(f)); len(f.Asked) > 0 {
		p.raw(" answered")
	}
	if !f.Started.IsZero() {
		p.put(" · <time>", f.Started.UTC().Format("2006-01-02T15:04:05Z"), "</time>")
	}
	if took := durationText(f.Took); took != "" {
		p.put(" · took ", took, "")
	}
	if url, ok := link(f.DocURL); ok {
		p.put(" · <a href=\"", url, "\" rel=noreferrer>explained here</a>")
	}
	p.raw("</p>\n")
}
