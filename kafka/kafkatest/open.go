package kafkatest

import (
	"time"

	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/broker"
	"github.com/georedkit/georedkit/kafka/connect"
	"github.com/georedkit/georedkit/kafka/stream"
)

// Open makes a [kafka.Replication] of a deployment, over real clients, with mirrors both ways between all sites.
func Open(t tester, d Deployment, limits kafka.Limits) *kafka.Replication {
	t.Helper()
	return replication(t, configure(t, d, limits, 5*time.Second))
}

func replication(t tester, c kafka.Config) *kafka.Replication {
	t.Helper()
	r, err := kafka.New(c)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return r
}

// configure gives no answer more time than patience.
func configure(t tester, d Deployment, limits kafka.Limits, patience time.Duration) kafka.Config {
	t.Helper()
	c := kafka.Config{Mirrors: kafka.MirrorsBothWays(d.Sites()...), Limits: limits}
	for _, name := range d.Sites() {
		access := d.Access(name)
		access.Timeout = min(access.Timeout, patience)
		brokers, err := broker.Open(access)
		if err != nil {
			t.Fatalf("%v", err)
		}
		t.Cleanup(brokers.Close)
		records, err := stream.Open(access)
		if err != nil {
			t.Fatalf("%v", err)
		}
		worker, err := connect.New(connect.Config{URL: d.ConnectURL(name), Timeout: patience})
		if err != nil {
			t.Fatalf("%v", err)
		}
		c.Sites = append(c.Sites, kafka.Site{Name: name, Brokers: brokers, Records: records, Worker: worker, Messenger: brokers, Control: worker})
	}
	return c
}
