package report_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/report"
)

// hostile is what a site that somebody else holds might answer.
const hostile = `</td></script><script>alert(1)</script><img src=x onerror=alert(2)>" onmouseover="alert(3)' x=']]><!-- &lt;` +
	"\x1b[2J\x1b]0;owned\x07\x00\x7f\u202eevil\u2028\ufeff\xff" + "\n# Heading\n| a | b |\n```\n[click](javascript:alert(4)) ![x](http://evil.example.org/x.png) **bold** <b>\n~~~\nPASS  all is well"

// attacked puts hostile text wherever a document holds text.
func attacked() report.Document {
	d := failed()
	h := hostile
	d.Title, d.Problem, d.Operator = h, h, h
	d.Inputs = []geored.Input{{Name: h, Digest: h}}
	d.Versions = []report.Version{{Name: h, Version: h}}
	d.Departures = []report.Departure{{ID: h, Section: h, Guide: h, Instead: h, Why: h}}
	d.Run.Run, d.Run.Runbook, d.Run.Plan = h, h, h
	for i := range d.Run.Outcomes {
		o := &d.Run.Outcomes[i]
		o.ID, o.Site, o.Target, o.Stage, o.Detail = geored.StepID(h), geored.SiteName(h), h, h, h
		o.Retries = []geored.Retry{{Reason: h, Times: 2, Last: began}}
		if o.Err != nil {
			o.Err = errors.New(h)
		}
	}
	d.Run.Outcomes[0].Status, d.Run.Outcomes[1].Action = geored.Status(h), geored.Action(h)
	for i := range d.Report.Findings {
		f := &d.Report.Findings[i]
		f.Check, f.Title, f.Site, f.To = geored.CheckID(h), h, geored.SiteName(h), geored.SiteName(h)
		f.Message, f.Evidence, f.Remedy, f.DocURL = h, []string{h, h}, h, "javascript:alert(1)//"+h
		f.Asked = []geored.Target{{Site: geored.SiteName(h), Name: h}}
		f.Unanswered = []geored.Silence{{Target: f.Asked[0], Reason: h}}
	}
	d.Report.Findings[0].Verdict = geored.Verdict(h)
	d.Report.Findings[1].DocURL = `https://example.org/"><script>alert(5)</script>`
	return d
}

var tag = regexp.MustCompile(`<(/?[a-zA-Z!][^>]*)>`)

// Nothing that a finding says becomes a tag, an attribute or an address.
func TestHostileHTML(t *testing.T) {
	text := write(t, ".html", attacked())
	allowed := strings.Fields("!DOCTYPE html head meta title style body a svg defs symbol circle path rect header div span use h1 h2 h3 ul li dl dt dd nav main section table caption thead tbody tr th td article p pre code b time text details summary footer")
	known := map[string]bool{}
	for _, name := range allowed {
		known[name] = true
	}
	for _, m := range tag.FindAllStringSubmatch(text, -1) {
		name := strings.TrimPrefix(strings.FieldsFunc(m[1], func(r rune) bool { return r == ' ' || r == '\n' })[0], "/")
		if !known[name] {
			t.Fatalf("tag <%.60s>", m[1])
		}
		if regexp.MustCompile(`(?i)\son[a-z]+=|javascript:|src=`).MatchString(m[1]) {
			t.Errorf("tag with an action: <%.200s>", m[1])
		}
	}
	for _, bad := range []string{"\x1b", "\x00", "\u202e", "\u2028", "\xff"} {
		if strings.Contains(text, bad) {
			t.Errorf("%q stands in it", bad)
		}
	}
	if !strings.Contains(text, "&lt;script&gt;alert(1)") || !strings.Contains(text, `\u001b[2J`) || !strings.Contains(text, `\xff`) {
		t.Error("what was said is not shown")
	}
}

// In XML it is text, and reads back as what can be shown of it.
func TestHostileJUnit(t *testing.T) {
	decoder := xml.NewDecoder(strings.NewReader(write(t, ".xml", attacked())))
	elements := 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if start, ok := token.(xml.StartElement); ok {
			elements++
			switch start.Name.Local {
			case "testsuites", "testsuite", "testcase", "failure", "error", "skipped", "system-out":
			default:
				t.Errorf("element %s", start.Name.Local)
			}
		}
	}
	if elements < 20 {
		t.Errorf("%d elements", elements)
	}
}

func TestHostileJSON(t *testing.T) {
	var read struct{ Problem string }
	text := write(t, ".json", attacked())
	if err := json.Unmarshal([]byte(text), &read); err != nil || !strings.Contains(read.Problem, "\x1b[2J") {
		t.Errorf("%q, %v", read.Problem, err)
	}
	if strings.ContainsAny(text, "\x1b\x00") || strings.Contains(text, "</script>") {
		t.Error("it holds what a terminal or a page would act on")
	}
}

// No line of a text begins with what was said, and nothing steers the terminal.
func TestHostileText(t *testing.T) {
	text := write(t, ".txt", attacked())
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "PASS") || strings.HasPrefix(line, "#") {
			t.Errorf("a line of somebody else's: %q", line)
		}
	}
	if i := strings.IndexFunc(text, func(r rune) bool { return r < ' ' && r != '\n' || r == '\u202e' || r == 0x7f }); i >= 0 {
		t.Errorf("%q steers the terminal", text[i:i+5])
	}
}

// Outside of fenced blocks, every sign that could begin markup is escaped.
func TestHostileMarkdown(t *testing.T) {
	text := write(t, ".md", attacked())
	fence := ""
	unescaped := regexp.MustCompile("(^|[^\\\\])(<[a-z/!]|\\[click|\\*\\*bold|`)")
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case fence == "" && strings.HasPrefix(line, "```"):
			fence = strings.TrimSuffix(line, "text")
			continue
		case fence != "" && line == fence:
			fence = ""
			continue
		case fence != "":
			continue
		}
		line = strings.ReplaceAll(line, `<https://example.org/"%3E%3Cscript%3Ealert(5)%3C/script%3E>`, "")
		if m := unescaped.FindString(line); m != "" {
			t.Errorf("%q begins markup in %.300s", m, line)
		}
		if strings.HasPrefix(line, "# ") && !strings.HasPrefix(line, "# FAIL: ") || strings.Contains(line, "| a | b |") {
			t.Errorf("a line of somebody else's: %s", line)
		}
	}
	if fence != "" {
		t.Error("a fence was not closed")
	}
	if i := strings.IndexFunc(text, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' }); i >= 0 {
		t.Errorf("%q steers the terminal", text[i:i+5])
	}
}
