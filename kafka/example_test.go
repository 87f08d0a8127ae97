package kafka_test

import (
	"context"
	"fmt"
	"log"
	"testing"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/broker"
	"github.com/georedkit/georedkit/kafka/connect"
	"github.com/georedkit/georedkit/kafka/kafkatest"
	"github.com/georedkit/georedkit/kafka/stream"
)

// Two sites that mirror each other are proven: every check, and a record each way. The servers are fakes here; with
// addresses of yours the program is the same.
func Example() {
	world := kafkatest.New(exampleT{&testing.T{}}, "dc1", "dc2")
	ctx := context.Background()

	config := kafka.Config{Mirrors: kafka.MirrorsBothWays("dc1", "dc2")}
	for _, name := range []geored.SiteName{"dc1", "dc2"} {
		access := world.Access(name) // kafka.Access{Site: name, Bootstrap: []string{"kafka.dc1:9092"}, TLS: …, SASL: …}
		brokers, err := broker.Open(access)
		if err != nil {
			log.Fatal(err)
		}
		records, err := stream.Open(access)
		if err != nil {
			log.Fatal(err)
		}
		worker, err := connect.New(connect.Config{URL: world.ConnectURL(name)})
		if err != nil {
			log.Fatal(err)
		}
		config.Sites = append(config.Sites, kafka.Site{Name: name, Brokers: brokers, Records: records, Worker: worker,
			Control: worker, Messenger: brokers}) // Control restarts connectors, Messenger writes canaries
	}
	replication, err := kafka.New(config)
	if err != nil {
		log.Fatal(err)
	}

	// The first canary makes its topic, which the mirrors find when they look for new ones.
	if _, err := replication.Canaries(ctx, kafka.CanaryPlan{Keep: true}); err != nil {
		log.Fatal(err)
	}
	// With kafka.HistoryFile{Path: "kafka-history.json"} what was seen is kept; without, no loss before now can be excluded.
	checks := append(replication.Checks(nil), replication.CanaryCheck(kafka.CanaryPlan{}))
	report, err := geored.Prove(ctx, geored.CheckConfig{}, checks...)
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range report.Findings {
		if f.Check != kafka.CheckGroups { // nobody consumes here
			fmt.Println(f.Check, f.Site, "->", f.To, f.Verdict)
		}
	}
	// Output:
	// kafka/status dc1 -> dc2 pass
	// kafka/status dc2 -> dc1 pass
	// kafka/position dc1 -> dc2 pass
	// kafka/position dc2 -> dc1 pass
	// kafka/loss dc1 -> dc2 unknown
	// kafka/loss dc2 -> dc1 unknown
	// kafka/canary dc1 -> dc2 pass
	// kafka/canary dc2 -> dc1 pass
}

// exampleT leaves the cleaning up to the end of the program.
type exampleT struct{ *testing.T }

func (exampleT) Helper()                   {}
func (exampleT) Context() context.Context  { return context.Background() }
func (exampleT) Cleanup(func())            {}
func (exampleT) Fatalf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }
func (exampleT) Logf(string, ...any)       {}
