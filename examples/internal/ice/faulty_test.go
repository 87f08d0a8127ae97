package ice

import (
	"context"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/cassandra/cassandratest"
	"github.com/georedkit/georedkit/geored"
)

var update = flag.Bool("update", false, "write docs/faulty-values.md anew")

// faulty is one of the guide's faults. One that lies in a value is put through what reads that value; for the others it is
// said what is done instead, or what stays with the operator.
type faulty struct {
	number string // of the guide's faults, in the order of its pages; or the name of a group that follows them
	line   string // of the ICE guide
	value  string // as the guide has it
	by     string // what catches it
	says   string // what it says then, in part
	find   func(t *testing.T) []caught
	// instead is what the program does without being given such a value. Zero: it is given one, and by catches it.
	instead string
	// open is what stays with the operator. Zero: nothing.
	open string
}

// caught is what something said of a faulty value.
type caught struct{ by, words string }

const faultyFile = "../../../docs/faulty-values.md"

// The table of the documentation is what came out when each faulty value was tried.
func TestFaultyValuesOfTheGuide(t *testing.T) {
	text := faultyTable(t)
	if t.Failed() {
		return
	}
	if *update {
		if err := os.WriteFile(faultyFile, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	committed, err := os.ReadFile(faultyFile)
	if err != nil || string(committed) != text {
		t.Errorf("%s is not what came out: go test ./examples/internal/ice -run FaultyValues -update (%v)", faultyFile, err)
	}
}

// Every point of the guide stands in the table, with one of the three columns; a step that does something instead is one.
func TestEveryPointIsToldOf(t *testing.T) {
	told, steps := map[string]bool{}, map[string]bool{}
	for _, step := range productOf(t, 2).Install().Steps() {
		steps[string(step.ID)] = true
	}
	for _, f := range faultyValues() {
		told[f.number] = true
		ways := 0
		for _, way := range []bool{f.find != nil, f.instead != "", f.open != ""} {
			if way {
				ways++
			}
		}
		if step, _, _ := strings.Cut(f.instead, " "); strings.Contains(step, "/SITE/") && !steps[strings.NewReplacer("SITE", "dc2", "NODE", "dc2-1").Replace(step)] && !steps[strings.ReplaceAll(step, "SITE", "dc1")] {
			t.Errorf("%s, line %s: %s is no step", f.number, f.line, step)
		}
		if ways != 1 || f.line == "" || f.value == "" || (f.find != nil) != (f.by != "" && f.says != "") {
			t.Errorf("%s, line %s: %d ways, by %q, says %q", f.number, f.line, ways, f.by, f.says)
		}
	}
	for n := 1; n <= 36; n++ {
		if !told[fmt.Sprint(n)] {
			t.Errorf("point %d is missing", n)
		}
	}
}

func faultyTable(t *testing.T) string {
	var found, done, open strings.Builder
	counts := [3]int{}
	for _, f := range faultyValues() {
		switch {
		case f.find != nil:
			counts[0]++
			fmt.Fprintf(&found, "| %s | %s | %s | %s | %s |\n", f.number, f.line, cell(f.value), f.by, cell(f.words(t)))
		case f.instead != "":
			counts[1]++
			fmt.Fprintf(&done, "| %s | %s | %s | %s |\n", f.number, f.line, cell(f.value), cell(f.instead))
		default:
			counts[2]++
			fmt.Fprintf(&open, "| %s | %s | %s | %s |\n", f.number, f.line, cell(f.value), cell(f.open))
		}
	}
	return fmt.Sprintf(faultyText, counts[0], found.String(), counts[1], done.String(), counts[2], open.String())
}

const faultyText = `# Faulty values of the guide

The geo-redundancy guide of Instant Connect Enterprise (document version 1841, September 2024: the ICE guide) holds values, files
and commands that do harm when they are taken as they are printed. They stand here as 36 points, with what the printed JSON, the
guide's own contradictions and the rules of symmetry add. Lines are those of the guide's text as it comes out of its PDF.
This file is written by a test (` + "`go test ./examples/internal/ice -run FaultyValues -update`" + `), which puts each value through
what reads it; the words are what came out.

` + "`-lint`" + ` is ` + "`ice-install -lint DIR`" + `, with a topology where one is needed; "topology" is what is refused before any
connection is made; a name with a slash is a check of ` + "`ice-install -check`" + ` and its verdict. Such checks are tried on an answer
that shows the fault, or on a store in memory that has it.

## Caught (%d)

| Point | Line | The guide has | Caught by | With the words |
|---|---|---|---|---|
%s
## No such input: the program does it (%d)

Where the fault lies in a command, nobody types it: a step does what was meant.

| Point | Line | The guide has | Instead |
|---|---|---|---|
%s
## Left to the operator (%d)

| Point | Line | The guide has | Why |
|---|---|---|---|
%s`

// words are those with which it was really caught.
func (f faulty) words(t *testing.T) string {
	t.Helper()
	all := f.find(t)
	for _, c := range all {
		if c.by == f.by && strings.Contains(c.words, f.says) {
			return somePort.ReplaceAllString(c.words, "127.0.0.1:PORT")
		}
	}
	t.Errorf("%s, line %s: %s: not caught by %s with %q, but: %q", f.number, f.line, f.value, f.by, f.says, all)
	return ""
}

var somePort = regexp.MustCompile(`127\.0\.0\.1:[0-9]+`) // of a store in memory

func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;", "*", `\*`, "_", `\_`).Replace(text)
}

// faultsBy gives what faults say.
func faultsBy(by string, err error) []caught {
	faults, _ := geored.AsFaults(err)
	var all []caught
	for _, f := range faults {
		all = append(all, caught{by, f.Error()})
	}
	return all
}

// linted is a right tree with one file as given.
func linted(file, text string) func(*testing.T) []caught {
	return func(t *testing.T) []caught {
		files := right()
		files[file] = text
		return faultsBy("-lint", lintTree(t, files, good).Err())
	}
}

// lintedPrint is a right tree with one file as the guide prints it.
func lintedPrint(file, fragment string) func(*testing.T) []caught {
	return func(t *testing.T) []caught {
		text, err := os.ReadFile("testdata/guide/" + fragment)
		if err != nil {
			t.Fatal(err)
		}
		return linted(file, string(text))(t)
	}
}

// lintedProduct is what the program itself writes, with something replaced in one file.
func lintedProduct(file, old, new string) func(*testing.T) []caught {
	return func(t *testing.T) []caught {
		files := map[string]string{}
		for name, text := range productFiles(t, productOf(t, 2)) {
			files[name] = string(text)
		}
		if !strings.Contains(files[file], old) {
			t.Fatalf("%s has no %s:\n%s", file, old, files[file])
		}
		files[file] = strings.ReplaceAll(files[file], old, new)
		return faultsBy("-lint", lintTree(t, files, "").Err())
	}
}

// topologyWith is a right topology with something replaced.
func topologyWith(old, new string) func(*testing.T) []caught {
	return func(t *testing.T) []caught {
		if !strings.Contains(good, old) {
			t.Fatalf("the topology has no %s", old)
		}
		_, err := ParseTopology([]byte(strings.Replace(good, old, new, 1)))
		return faultsBy("topology", err)
	}
}

// openedAs is a right topology with something replaced, opened with charts.
func openedAs(by, old, new string, charts Charts) func(*testing.T) []caught {
	return func(t *testing.T) []caught {
		topology, err := ParseTopology([]byte(strings.Replace(good, old, new, 1)))
		if err != nil {
			t.Fatal(err)
		}
		_, err = Open(topology, Options{Charts: charts})
		return faultsBy(by, err)
	}
}

// wrong are the findings that fail or warn, with their evidence.
func wrong(findings ...geored.Finding) []caught {
	var all []caught
	for _, f := range findings {
		if f.Verdict != geored.Fail && f.Verdict != geored.Warn {
			continue
		}
		text := fmt.Sprintf("%s: %s", f.Verdict, f.Message)
		for _, line := range f.Evidence {
			if line != f.Message {
				text += "; " + line
			}
		}
		all = append(all, caught{string(f.Check), text})
	}
	return all
}

// judged is what a check makes of an answer that shows the fault.
func judged(id geored.CheckID, judge func(t *testing.T) geored.Finding) func(*testing.T) []caught {
	return func(t *testing.T) []caught {
		f := judge(t)
		f.Check = id
		return wrong(f)
	}
}

// answered is every target's answer.
func answered[T any](t *testing.T, answers map[geored.Target]T) geored.Answers[T] {
	t.Helper()
	var targets []geored.Target
	for target := range answers {
		targets = append(targets, target)
	}
	slices.SortFunc(targets, func(a, b geored.Target) int { return strings.Compare(a.String(), b.String()) })
	return geored.Ask(t.Context(), targets, func(_ context.Context, target geored.Target) (T, error) { return answers[target], nil })
}

// tried runs real checks.
func tried(t *testing.T, checks []geored.Check) []caught {
	t.Helper()
	report, err := geored.Prove(t.Context(), geored.CheckConfig{}, checks...)
	if err != nil {
		t.Fatal(err)
	}
	return wrong(report.Findings...)
}

// ringWith is a ring in memory with a fault, asked by the real checks.
func ringWith(t *testing.T, spoil func(dc1, dc2 *cassandratest.Node)) []caught {
	t.Helper()
	ring := cassandratest.New(t, []geored.SiteName{"dc1", "dc2"})
	spoil(ring.Node("dc1", 0), ring.Node("dc2", 0))
	return tried(t, openRing(t, ring).Checks())
}

func openRing(t *testing.T, ring *cassandratest.Ring) *cassandra.Cluster {
	t.Helper()
	config := ring.Config()
	config.Clock = quick{}
	c, err := cassandra.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// equalCounts are two sites of as many rows, of which one differs: the guide's count agrees, and ours does not.
func equalCounts(t *testing.T) []caught {
	t.Helper()
	ring := cassandratest.New(t, []geored.SiteName{"dc1", "dc2"})
	ring.CreateTable(cassandratest.Table{Keyspace: keyspace, Name: "changeset", Columns: []cassandratest.Column{{Name: "id", Type: "text", Kind: cassandratest.PartitionKey}}})
	ring.Insert("dev.changeset", "both")
	ring.InsertAt("dc1", "dev.changeset", "one")
	ring.InsertAt("dc2", "dev.changeset", "another")
	c := openRing(t, ring)
	table := cassandra.Table{Keyspace: keyspace, Name: "changeset"}
	count, err := c.Count(t.Context(), cassandra.Reading{Table: table})
	if err != nil {
		t.Fatal(err)
	}
	if guide, err := judgeCount(count.Sites); err != nil || !guide.passes {
		t.Errorf("the guide's count does not agree: %+v, %v", guide, err)
	}
	found, err := c.CompareAll(t.Context(), []cassandra.Table{table}, cassandra.Comparing{})
	if err != nil {
		t.Fatal(err)
	}
	f := judgeRows(answered(t, map[geored.Target]cassandra.Comparisons{{Site: "dc1"}: found}))
	f.Check, f.Evidence = CheckRows, f.Evidence[:1]
	return wrong(f)
}
