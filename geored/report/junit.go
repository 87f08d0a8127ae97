package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// WriteJUnit writes the document as JUnit XML, in the shape that Jenkins and GitLab read: a suite per stage of the run and
// per area of the checks. Fail is a failure; unknown, and a step that did not come to its end, is an error; a warning
// passes and stands in the output of its case; skipped says why. A document that proves nothing, or has a problem, holds
// an error of its own, so that no reader takes it for green.
func WriteJUnit(w io.Writer, d Document) error {
	d = d.Whole()
	root := junitRoot{Name: visible(d.Title), Time: seconds(d.Took)}
	root.Suites = append(d.stageSuites(), d.areaSuites()...)
	if c, ok := d.ownCase(); ok {
		root.Suites = append(root.Suites, junitSuite{Name: "report", Cases: []junitCase{c}})
	}
	for i := range root.Suites {
		root.Suites[i].count()
		root.Tests += root.Suites[i].Tests
		root.Failures += root.Suites[i].Failures
		root.Errors += root.Suites[i].Errors
		root.Skipped += root.Suites[i].Skipped
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return wrapped("JUnit", err)
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(root); err != nil {
		return wrapped("JUnit", err)
	}
	_, err := io.WriteString(w, "\n")
	return wrapped("JUnit", err)
}

type junitRoot struct {
	XMLName xml.Name `xml:"testsuites"`
	Name    string   `xml:"name,attr"`
	junitCount
	Time   string       `xml:"time,attr"`
	Suites []junitSuite `xml:"testsuite"`
}

type junitCount struct {
	Tests    int `xml:"tests,attr"`
	Failures int `xml:"failures,attr"`
	Errors   int `xml:"errors,attr"`
	Skipped  int `xml:"skipped,attr"`
}

type junitSuite struct {
	Name string `xml:"name,attr"`
	junitCount
	Time      string      `xml:"time,attr"`
	Timestamp string      `xml:"timestamp,attr,omitempty"`
	Cases     []junitCase `xml:"testcase"`

	took time.Duration
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitMessage `xml:"failure"`
	Error   *junitMessage `xml:"error"`
	Skipped *junitMessage `xml:"skipped"`
	Output  string        `xml:"system-out,omitempty"`

	took time.Duration
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

func (s *junitSuite) count() {
	for _, c := range s.Cases {
		s.Tests++
		s.took += c.took
		switch {
		case c.Failure != nil:
			s.Failures++
		case c.Error != nil:
			s.Errors++
		case c.Skipped != nil:
			s.Skipped++
		}
	}
	s.Time = seconds(s.took)
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 3, 64) }

// ownCase is the error of a document that is not whole.
func (d Document) ownCase() (junitCase, bool) {
	verdict := d.Verdict()
	if d.Problem == "" && d.Report.Verdict() == verdict {
		for _, f := range d.Report.Findings {
			if known(f.Verdict) != geored.Skipped {
				return junitCase{}, false
			}
		}
	}
	message := visible(strings.Join(d.summary(), "; "))
	return junitCase{Class: "report", Name: "verdict", Time: seconds(0), Error: &junitMessage{message, string(verdict), message}}, true
}

// suites collects cases by suite, in the order in which the suites are first named.
type suites struct {
	list  []junitSuite
	index map[string]int
}

func (s *suites) add(suite string, began time.Time, c junitCase) {
	i, ok := s.index[suite]
	if !ok {
		i = len(s.list)
		if s.index == nil {
			s.index = map[string]int{}
		}
		s.index[suite] = i
		s.list = append(s.list, junitSuite{Name: visible(suite)})
		if !began.IsZero() {
			s.list[i].Timestamp = began.UTC().Format("2006-01-02T15:04:05")
		}
	}
	c.Time = seconds(c.took)
	s.list[i].Cases = append(s.list[i].Cases, c)
}

func (d Document) stageSuites() []junitSuite {
	var all suites
	for _, o := range d.Run.Outcomes {
		c := junitCase{Class: visible("run." + o.Stage), Name: visible(string(o.ID)), took: o.Took}
		text := visible(detail(o))
		message := &junitMessage{oneLine(detail(o)), string(o.Status), text}
		switch {
		case o.Status.IsDone():
			c.Output = visible(fmt.Sprintf("%s: %s", o.Status, o.Detail))
		case o.Status == geored.Failed:
			c.Failure = message
		default:
			c.Error = message
		}
		all.add("run: "+o.Stage, o.Began, c)
	}
	return all.list
}

func (d Document) areaSuites() []junitSuite {
	var all suites
	for _, f := range d.Report.Findings {
		all.add(areaOf(f.Check), f.Started, findingCase(f))
	}
	return all.list
}

func findingCase(f geored.Finding) junitCase {
	c := junitCase{Class: visible(string(f.Check)), Name: visible(where(f) + ": " + f.Title), took: f.Took}
	message := &junitMessage{oneLine(f.Message), string(known(f.Verdict)), findingText(f)}
	switch known(f.Verdict) {
	case geored.Pass:
		c.Output = findingText(f)
	case geored.Warn:
		c.Output = "WARN: " + findingText(f)
	case geored.Fail:
		c.Failure = message
	case geored.Skipped:
		c.Skipped = message
	default:
		c.Error = message
	}
	return c
}

// findingText is all that a finding says, as plain text.
func findingText(f geored.Finding) string {
	lines := append([]string{f.Message}, f.Evidence...)
	for _, s := range f.Unanswered {
		lines = append(lines, s.Error())
	}
	if f.Remedy != "" {
		lines = append(lines, "remedy: "+f.Remedy)
	}
	return visible(strings.Join(lines, "\n"))
}
