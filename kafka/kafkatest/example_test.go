package kafkatest_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/kafkatest"
)

// A link is cut: Connect says RUNNING, and the canary tells the truth.
func Example() {
	t := &testing.T{} // in a test, its own
	world := kafkatest.New(exampleT{t}, "dc1", "dc2")
	replication := kafkatest.Open(exampleT{t}, world, kafka.Limits{})
	ctx := context.Background()

	if _, err := replication.Canaries(ctx, kafka.CanaryPlan{Keep: true}); err != nil {
		fmt.Println(err)
	}
	cut := geored.Target{Site: "dc1", To: "dc2"}
	if _, err := world.Inject(ctx, kafkatest.LinkCut, cut); err != nil {
		fmt.Println(err)
	}
	checks := append(replication.Checks(nil)[:1], replication.CanaryCheck(kafka.CanaryPlan{Wait: 5 * time.Second}))
	report, err := geored.Prove(ctx, geored.CheckConfig{}, checks...)
	if err != nil {
		fmt.Println(err)
	}
	for _, f := range report.Findings {
		fmt.Println(f.Check, f.Site, "->", f.To, f.Verdict)
	}
	// Output:
	// kafka/status dc1 -> dc2 pass
	// kafka/status dc2 -> dc1 pass
	// kafka/canary dc1 -> dc2 fail
	// kafka/canary dc2 -> dc1 pass
}

// exampleT leaves the cleaning up to the end of the program.
type exampleT struct{ *testing.T }

func (exampleT) Helper()                   {}
func (exampleT) Context() context.Context  { return context.Background() }
func (exampleT) Cleanup(func())            {}
func (exampleT) Fatalf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }
func (exampleT) Logf(string, ...any)       {}
