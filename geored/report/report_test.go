package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/report"
)

func write(t *testing.T, extension string, d report.Document) string {
	t.Helper()
	var b strings.Builder
	if err := report.Write(&b, extension, d); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestVerdict(t *testing.T) {
	good := passed("dc1", "dc2")
	with := func(change func(*report.Document)) report.Document {
		d := passed("dc1", "dc2")
		change(&d)
		return d
	}
	cases := map[string]struct {
		d    report.Document
		want geored.Verdict
	}{
		"all is well":              {good, geored.Pass},
		"nothing":                  {report.Document{}, geored.Unknown},
		"only a run":               {report.Document{Run: good.Run}, geored.Unknown},
		"only a proof":             {report.Document{Report: good.Report}, geored.Pass},
		"a problem":                {with(func(d *report.Document) { d.Problem = "interrupted" }), geored.Unknown},
		"a step failed":            {with(func(d *report.Document) { d.Run.Outcomes[0].Status = geored.Failed }), geored.Fail},
		"a step is pending":        {with(func(d *report.Document) { d.Run.Outcomes[0].Status = geored.Pending }), geored.Unknown},
		"a step was interrupted":   {with(func(d *report.Document) { d.Run.Outcomes[0].Status = geored.Interrupted }), geored.Unknown},
		"a step has no status":     {with(func(d *report.Document) { d.Run.Outcomes[0].Status = "" }), geored.Unknown},
		"a warning":                {with(func(d *report.Document) { d.Report.Findings[0].Verdict = geored.Warn }), geored.Warn},
		"a warning and a problem":  {with(func(d *report.Document) { d.Report.Findings[0].Verdict, d.Problem = geored.Warn, "interrupted" }), geored.Unknown},
		"a fail and a problem":     {with(func(d *report.Document) { d.Report.Findings[0].Verdict, d.Problem = geored.Fail, "interrupted" }), geored.Fail},
		"a verdict that is none":   {with(func(d *report.Document) { d.Report.Findings[0].Verdict = "ok" }), geored.Unknown},
		"only skipped and a run":   {with(func(d *report.Document) { d.Report.Findings = []geored.Finding{{Verdict: geored.Skipped}} }), geored.Unknown},
		"a failed run, no finding": {interruptedAfterFailure(), geored.Fail},
	}
	for name, c := range cases {
		if got := c.d.Verdict(); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		// Every format tells the same verdict, and tells it first.
		for _, extension := range []string{".html", ".md", ".txt", ".json"} {
			text := write(t, extension, c.d)
			if extension == ".html" {
				text = text[strings.Index(text, "<title>"):]
			}
			word := strings.ToUpper(string(c.want))
			if at := strings.Index(strings.ToUpper(text), word); at < 0 || at > 40 {
				t.Errorf("%s as %s does not begin with %s:\n%.200s", name, extension, word, text)
			}
		}
		// A reader of JUnit sees green only where the verdict is pass or warn.
		green := c.want == geored.Pass || c.want == geored.Warn
		if root := readJUnit(t, c.d); (root.Failures+root.Errors == 0) != green {
			t.Errorf("%s is %s, and its JUnit has %d failures and %d errors", name, c.want, root.Failures, root.Errors)
		}
	}
}

func interruptedAfterFailure() report.Document {
	d := interrupted()
	d.Run.Outcomes[0].Status = geored.Failed
	return d
}

// Empty findings of a document that is not whole are an array in JSON, and no key is missing.
func TestJSONIsComplete(t *testing.T) {
	var read struct {
		Verdict  geored.Verdict
		Findings []json.RawMessage
		Count    map[geored.Verdict]int
		Run      *struct {
			Steps []struct{ Status, Error, Detail string }
		}
	}
	if err := json.Unmarshal([]byte(write(t, ".json", report.Document{})), &read); err != nil || read.Findings == nil || read.Run != nil || len(read.Count) != 5 {
		t.Errorf("%+v, %v", read, err)
	}
	if err := json.Unmarshal([]byte(write(t, ".json", failed())), &read); err != nil || len(read.Run.Steps) != 10 {
		t.Fatalf("%+v, %v", read, err)
	}
	if step := read.Run.Steps[7]; step.Status != "failed" || !strings.HasPrefix(step.Error, "not done after 5s") {
		t.Errorf("the failed step reads %+v", step)
	}
	if read.Count[geored.Pass] != 15 || read.Count[geored.Fail] != 1 {
		t.Errorf("count: %v", read.Count)
	}
}

// Those who need somebody come first, in every format for people.
func TestFailuresComeFirst(t *testing.T) {
	for _, extension := range []string{".html", ".md", ".txt"} {
		text := write(t, extension, failed())
		text = text[strings.Index(text, "larger than 1320"):] // the fail
		last := 0
		for _, message := range []string{"larger than 1320", "3 of 4 questions", "3.1s apart", "no Cassandra runs"} {
			at := strings.Index(text, message)
			if at < last {
				t.Errorf("%s: %q stands at %d, after %d", extension, message, at, last)
			}
			last = at
		}
		if at := strings.Index(text, "104 bytes came back"); at >= 0 && at < last {
			t.Errorf("%s: a pass stands before what needs somebody", extension)
		}
	}
}

type junit struct {
	Tests    int `xml:"tests,attr"`
	Failures int `xml:"failures,attr"`
	Errors   int `xml:"errors,attr"`
	Skipped  int `xml:"skipped,attr"`
	Suites   []struct {
		Name  string `xml:"name,attr"`
		Tests int    `xml:"tests,attr"`
		Cases []struct {
			Class   string    `xml:"classname,attr"`
			Name    string    `xml:"name,attr"`
			Failure *struct{} `xml:"failure"`
			Error   *struct {
				Message string `xml:"message,attr"`
			} `xml:"error"`
			Skipped *struct {
				Message string `xml:"message,attr"`
			} `xml:"skipped"`
			Output string `xml:"system-out"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

func readJUnit(t *testing.T, d report.Document) junit {
	t.Helper()
	var root junit
	if err := xml.Unmarshal([]byte(write(t, ".xml", d)), &root); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestJUnit(t *testing.T) {
	root := readJUnit(t, failed())
	var outputs, errs, skipped, suites []string
	tests := 0
	for _, suite := range root.Suites {
		suites = append(suites, suite.Name)
		tests += len(suite.Cases)
		for _, c := range suite.Cases {
			outputs = append(outputs, c.Output)
			if c.Error != nil {
				errs = append(errs, c.Error.Message)
			}
			if c.Skipped != nil {
				skipped = append(skipped, c.Skipped.Message)
			}
		}
	}
	if root.Tests != tests || root.Failures != 2 || root.Errors != 3 || root.Skipped != 1 {
		t.Errorf("%d tests (counted %d), %d failures, %d errors, %d skipped", root.Tests, tests, root.Failures, root.Errors, root.Skipped)
	}
	if want := []string{"run: gateways", "run: peers", "run: dns", "site", "dns", "mesh", "store"}; !slices.Equal(suites, want) {
		t.Errorf("suites: %q", suites)
	}
	if !slices.Contains(errs, "service coredns: 3 of 4 questions were answered") || !slices.Equal(skipped, []string{"no Cassandra runs in dc3"}) {
		t.Errorf("errors %q, skipped %q", errs, skipped)
	}
	if !slices.ContainsFunc(outputs, func(s string) bool { return strings.HasPrefix(s, "WARN: the clocks are 3.1s apart") }) {
		t.Errorf("the warning cannot be seen in %q", outputs)
	}
}

func TestUnknownExtension(t *testing.T) {
	var b bytes.Buffer
	if err := report.Write(&b, ".pdf", failed()); err == nil || !strings.Contains(err.Error(), ".html") || b.Len() > 0 {
		t.Errorf("%v, %d bytes", err, b.Len())
	}
}

// full fails as a full disk does.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestWriteErrorsAreTold(t *testing.T) {
	for _, extension := range report.Extensions() {
		if err := report.Write(full{}, extension, failed()); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("%s: %v", extension, err)
		}
	}
}

// A matrix of a hundred sites becomes a row for each.
func TestManySitesGetARowEach(t *testing.T) {
	text := write(t, ".html", large(400, 100))
	if n := strings.Count(text, "<table class=matrix>"); n != 1 {
		t.Errorf("%d matrices, want 1", n)
	}
	if !strings.Contains(text, "<th scope=row>dc57</th><td class=\"pass own\">") {
		t.Error("the row of dc57 is missing")
	}
	if few := write(t, ".html", passed("dc1", "dc2")); !strings.Contains(few, `from \ to`) {
		t.Error("two sites have no matrix")
	}
}
