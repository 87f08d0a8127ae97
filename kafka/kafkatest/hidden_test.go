package kafkatest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka"
)

// forbidding is brokers that let a topic not be described, as Kafka does: it is left out of all, and refused by name.
type forbidding struct {
	kafka.Brokers
	topic string
}

func (b forbidding) Topics(ctx context.Context, names ...string) ([]kafka.Topic, error) {
	topics, err := b.Brokers.Topics(ctx, names...)
	if len(names) == 0 {
		return slices.DeleteFunc(topics, func(t kafka.Topic) bool { return t.Name == b.topic }), err
	}
	for i, t := range topics {
		if t.Name == b.topic {
			topics[i] = kafka.Topic{Name: t.Name, Err: fmt.Errorf("topic authorization failed: %w", kafka.ErrDenied)}
		}
	}
	return topics, err
}

// A topic that was copied and may not be described any more is unknown, and not gone.
func TestATopicThatMayNotBeDescribed(t *testing.T) {
	s := newSuite(t, New(t, "dc1", "dc2"))
	s.source.Create(s.topic, partitions)
	s.source.Produce(s.topic, partitions, 0, 30)
	s.copied(10)
	if f := s.found(kafka.CheckPosition, s.r.Checks(nil)...); f.Verdict != geored.Pass {
		t.Fatalf("%s: %s %v", f.Verdict, f.Message, f.Evidence)
	}
	c := configure(t, s.d, kafka.Limits{}, 5*time.Second)
	for i, site := range c.Sites {
		if site.Name == s.from {
			c.Sites[i].Brokers = forbidding{site.Brokers, s.topic}
		}
	}
	f := s.found(kafka.CheckPosition, replication(t, c).Checks(nil)...)
	if f.Verdict != geored.Unknown || !strings.Contains(fmt.Sprint(f), s.topic) {
		t.Errorf("%s: %s %v", f.Verdict, f.Message, f.Evidence)
	}
}
