package cassandra_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/cassandra/cassandratest"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/report"
)

// exampleRing is a ring over two sites; a program names its own nodes instead. The second site lacks a row.
func exampleRing() (config cassandra.Config, end func()) {
	t := &exampleTest{}
	r := cassandratest.New(t, []geored.SiteName{"dc1", "dc2"})
	r.CreateTable(cassandratest.Table{Keyspace: "dev", Name: "changeset", Columns: []cassandratest.Column{
		{Name: "id", Type: "bigint", Kind: cassandratest.PartitionKey}, {Name: "v", Type: "text"},
	}})
	for i := range 107 {
		r.Insert("dev.changeset", i, "x")
	}
	r.DeleteAt("dc2", "dev.changeset", 42)
	return r.Config(), t.end
}

// exampleTest lets a test kit run outside a test.
type exampleTest struct {
	testing.TB
	ends []func()
}

func (t *exampleTest) Helper()           {}
func (t *exampleTest) Cleanup(f func())  { t.ends = append(t.ends, f) }
func (t *exampleTest) Fatal(args ...any) { log.Fatal(args...) }
func (t *exampleTest) end() {
	for _, f := range t.ends {
		f()
	}
}

func ExampleCluster_Compare() {
	config, end := exampleRing()
	defer end()
	ctx := context.Background()

	cluster, err := cassandra.Open(config)
	if err != nil {
		log.Fatal(err)
	}
	defer cluster.Close()
	found, err := cluster.Compare(ctx, cassandra.Comparing{
		Reading: cassandra.Reading{Table: cassandra.Table{Keyspace: "dev", Name: "changeset"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(found)
	for _, d := range found.Differences {
		fmt.Println(d.Key, "missing in", d.Missing())
	}
	// Output:
	// dev.changeset: different, 1 rows differ
	// id = 42 missing in [dc2]
}

// The program in the package's documentation is the example's, word for word.
func TestDocumentedProgramIsTheExample(t *testing.T) {
	read := func(file string) string {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	_, doc, _ := strings.Cut(read("doc.go"), "//\t}\n") // the end of its configuration
	doc, _, _ = strings.Cut(doc, "//\n")
	doc = strings.ReplaceAll(doc, "//\t", "\t")
	if strings.Count(doc, "\n") < 10 || !strings.Contains(read("example_test.go"), "\n"+doc+"\t// Output:") {
		t.Errorf("the example does not have\n%s", doc)
	}
}

// What the README shows is what the tests on real rings hold.
func TestTableOfTheREADME(t *testing.T) {
	table, err := os.ReadFile("cassandratest/testdata/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if len(table) == 0 || !strings.Contains(string(readme), string(table)) {
		t.Errorf("README.md lacks\n%s", table)
	}
}

func ExampleCluster_Checks() {
	config, end := exampleRing()
	defer end()
	cluster, err := cassandra.Open(config)
	if err != nil {
		log.Fatal(err)
	}
	defer cluster.Close()
	proof, err := geored.Prove(context.Background(), geored.CheckConfig{Title: "ring"}, cluster.Checks()...)
	if err != nil {
		log.Fatal(err)
	}
	var text strings.Builder
	if err := report.WriteText(&text, report.Document{Report: proof}); err != nil {
		log.Fatal(err)
	}
	verdict, _, _ := strings.Cut(text.String(), "  took")
	fmt.Println(verdict)
	// Output:
	// PASS  19 checks on 2 sites: 19 pass, 0 warn, 0 fail, 0 unknown
}

func ExampleLimits_Cure() {
	limits := cassandra.Limits{ // as Cluster.Limits reads them
		Sites:  []cassandra.SiteLimits{{Site: "dc1", HintWindow: 3 * time.Hour, Handoff: true}},
		Tables: []cassandra.TableLimits{{Table: cassandra.Table{Keyspace: "dev", Name: "changeset"}, GCGrace: 240 * time.Hour}},
	}
	for _, outage := range []time.Duration{time.Hour, 4 * time.Hour, 300 * time.Hour} {
		cure, reasons := limits.Cure(outage)
		fmt.Println(outage, cure, reasons)
	}
	// Output:
	// 1h0m0s await-hints []
	// 4h0m0s repair [site dc1 keeps hints for 3h0m0s]
	// 300h0m0s rebuild [table dev.changeset forgets deletions after 240h0m0s]
}
