package kafkatest_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/kafkatest"
)

func TestConformanceOfTheFake(t *testing.T) {
	kafkatest.Conformance(t, kafkatest.New(t))
}

// Three and five sites: a canary through every ordered pair, and nothing left behind.
func TestCanariesOfManySites(t *testing.T) {
	for _, names := range [][]geored.SiteName{{"dc1", "dc2", "dc3"}, {"a", "b", "c", "d", "e"}} {
		began := time.Now()
		world := kafkatest.New(t, names...)
		r := kafkatest.Open(t, world, kafka.Limits{})
		report, err := geored.Prove(t.Context(), geored.CheckConfig{Budget: 2 * time.Minute}, r.CanaryCheck(kafka.CanaryPlan{Wait: time.Minute, Settle: 200 * time.Millisecond}))
		if err != nil || report.Verdict() != geored.Pass || len(report.Findings) != len(names)*(len(names)-1) {
			t.Log(time.Since(began))
			t.Errorf("%s with %d findings: %v %+v", report.Verdict(), len(report.Findings), err, report.Findings)
		}
		for _, name := range names {
			if left := kafkatest.Seed(t.Context(), t, world.Access(name)).Topics("canary"); len(left) > 0 {
				t.Errorf("%s: left behind: %q", name, left)
			}
		}
	}
}

// The README shows the table that the suite holds.
func TestReadmeShowsTheTable(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := kafkatest.Table()
	if len(rows) < 10 {
		t.Errorf("%d rows", len(rows))
	}
	for _, row := range rows {
		if !strings.Contains(string(readme), row.String()+"\n") {
			t.Errorf("the README lacks\n%s", row)
		}
	}
}
