package report

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"io"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

//go:embed style.css
var style string

//go:embed icons.svg
var icons string

// WriteHTML writes the document as one file that loads nothing, runs no script and says so by its own content security
// policy: to be kept, mailed and printed. It reads well on paper, on a phone, in the dark and through a screen reader.
func WriteHTML(w io.Writer, d Document) error {
	d = d.Whole()
	p := &page{b: make([]byte, 0, 32<<10+2<<10*len(d.Report.Findings))}
	p.head(d)
	p.banner(d)
	p.contents(d)
	p.raw("<main id=main>\n")
	p.sites(d.Report)
	p.findings(d.Report)
	p.timeline(d)
	p.departures(d.Departures)
	p.origins(d)
	p.raw("</main>\n<footer><p>This page holds all of the report: it loads nothing and runs no script.</p></footer>\n</body>\n</html>\n")
	_, err := w.Write(p.b)
	return wrapped("HTML", err)
}

func (p *page) head(d Document) {
	digest := sha256.Sum256([]byte(style))
	p.raw("<!DOCTYPE html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n")
	p.raw(`<meta http-equiv="Content-Security-Policy" content="default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-`)
	p.raw(markup(base64.StdEncoding.EncodeToString(digest[:])))
	p.raw("'\">\n<meta name=viewport content=\"width=device-width, initial-scale=1\">\n<meta name=color-scheme content=\"light dark\">\n")
	p.put("<title>", strings.ToUpper(string(d.Verdict()))+": "+d.Title, "</title>\n<style>")
	p.raw(markup(style))
	p.raw("</style>\n</head>\n<body>\n<a class=skip href=\"#main\">Skip to the report</a>\n")
	p.raw(markup(icons))
}

// banner is the verdict, and what it rests on.
func (p *page) banner(d Document) {
	verdict := d.Verdict()
	p.put("<header>\n<div class=\"banner ", string(verdict), "\">\n<div class=verdict>")
	p.icon(verdict)
	p.put("<span>", strings.ToUpper(string(verdict)), "</span></div>\n<div class=lead>\n")
	p.put("<h1><span class=hidden>"+markup(verdict)+": </span>", d.Title, "</h1>\n<ul class=summary>")
	for _, sentence := range d.summary() {
		p.put("<li>", sentence, "</li>")
	}
	p.raw("</ul>\n</div>\n</div>\n<dl class=facts>")
	for _, f := range d.facts() {
		p.put("<div><dt>", f.name, "</dt>")
		p.put("<dd>", f.value, "</dd></div>")
	}
	p.raw("</dl>\n</header>\n")
}

// icon is the sign of a verdict. The word stands beside it, always.
func (p *page) icon(v geored.Verdict) {
	p.put("<svg class=icon aria-hidden=true><use href=\"#icon-", string(known(v)), "\"/></svg>")
}

// badge is a verdict as a sign and a word.
func (p *page) badge(v geored.Verdict, word string) {
	p.put("<span class=\"badge ", string(known(v)), "\">")
	p.icon(v)
	p.put("", word, "</span>")
}

// section begins a part that the contents lead to.
func (p *page) section(id markup, title string) {
	p.raw("<section aria-labelledby=" + id + ">\n<h2 id=" + id + ">")
	p.text(title)
	p.raw("</h2>\n")
}

func (p *page) contents(d Document) {
	p.raw("<nav aria-label=Contents><ul>")
	entry := func(there bool, id markup, name string) {
		if there {
			p.put("<li><a href=\"#"+id+"\">", name, "</a></li>")
		}
	}
	entry(len(d.Report.Findings) > 0, "sites", "Sites")
	entry(len(d.Report.Findings) > 0, "findings", "Findings")
	entry(len(d.Run.Outcomes) > 0, "steps", "Steps")
	entry(len(d.Departures) > 0, "departures", "Departures")
	entry(len(d.Inputs)+len(d.Versions) > 0, "origins", "Made from")
	p.raw("</ul></nav>\n")
}

func (p *page) departures(all []Departure) {
	if len(all) == 0 {
		return
	}
	p.section("departures", "Departures from the guide")
	for _, x := range all {
		p.put("<article class=departure>\n<h3>", x.ID, "")
		p.put(" <span class=where>guide ", x.Section, "</span></h3>\n<dl>")
		p.put("<div><dt>The guide says</dt><dd>", x.Guide, "</dd></div>")
		p.put("<div><dt>What is done</dt><dd>", x.Instead, "</dd></div>")
		p.put("<div><dt>Why</dt><dd>", x.Why, "</dd></div></dl>\n</article>\n")
	}
	p.raw("</section>\n")
}

// origins are the inputs and versions.
func (p *page) origins(d Document) {
	if len(d.Inputs)+len(d.Versions) == 0 {
		return
	}
	p.section("origins", "Made from")
	p.raw("<div class=pair>\n")
	if len(d.Inputs) > 0 {
		p.raw("<table class=plain><caption>Inputs</caption><thead><tr><th scope=col>Name</th><th scope=col>Digest</th></tr></thead><tbody>")
		for _, input := range d.Inputs {
			p.put("<tr><th scope=row>", input.Name, "</th>")
			p.put("<td><code>", input.Digest, "</code></td></tr>")
		}
		p.raw("</tbody></table>\n")
	}
	if len(d.Versions) > 0 {
		p.raw("<table class=plain><caption>Versions</caption><thead><tr><th scope=col>Name</th><th scope=col>Version</th></tr></thead><tbody>")
		for _, v := range d.Versions {
			p.put("<tr><th scope=row>", v.Name, "</th>")
			p.put("<td>", v.Version, "</td></tr>")
		}
		p.raw("</tbody></table>\n")
	}
	p.raw("</div>\n</section>\n")
}
