package kafkatest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/connect"
	"github.com/georedkit/georedkit/kafka/strimzi"
)

// recordedSite answers from what was recorded of a site's brokers and worker.
type recordedSite struct {
	kafka.Brokers
	kafka.RecordReader
	kafka.Worker
	operator *Operator
	answers  *geotest.Recorded
	site     geored.SiteName
}

func recall[T any](s recordedSite, what string, of any, ask func() (T, error)) (T, error) {
	return geotest.Recall(s.answers, fmt.Sprintf("%s: %s %v", s.site, what, of), ask)
}

func (s recordedSite) Topics(ctx context.Context, names ...string) ([]kafka.Topic, error) {
	return recall(s, "topics", names, func() ([]kafka.Topic, error) { return s.Brokers.Topics(ctx, names...) })
}

func (s recordedSite) Bounds(ctx context.Context, partitions []kafka.Partition) ([]kafka.Bounds, error) {
	return recall(s, "bounds", partitions, func() ([]kafka.Bounds, error) { return s.Brokers.Bounds(ctx, partitions) })
}

func (s recordedSite) GroupOffsets(ctx context.Context) ([]kafka.GroupOffset, error) {
	return recall(s, "groups", "", func() ([]kafka.GroupOffset, error) { return s.Brokers.GroupOffsets(ctx) })
}

func (s recordedSite) Retention(ctx context.Context, topics []string) (map[string]kafka.Retention, error) {
	return recall(s, "retention", topics, func() (map[string]kafka.Retention, error) { return s.Brokers.Retention(ctx, topics) })
}

func (s recordedSite) Connectors(ctx context.Context) ([]connect.Connector, error) {
	return recall(s, "connectors", "", func() ([]connect.Connector, error) { return s.Worker.Connectors(ctx) })
}

func (s recordedSite) Offsets(ctx context.Context, connector string) ([]connect.Offset, error) {
	return recall(s, "offsets", connector, func() ([]connect.Offset, error) { return s.Worker.Offsets(ctx, connector) })
}

type readBatch struct {
	partition kafka.Partition
	records   []kafka.Record
}

func (s recordedSite) Read(ctx context.Context, ranges []kafka.Range, visit func(kafka.Partition, []kafka.Record) error) error {
	batches, err := recall(s, "read", ranges, func() ([]readBatch, error) {
		var batches []readBatch
		err := s.RecordReader.Read(ctx, ranges, func(p kafka.Partition, records []kafka.Record) error {
			batches = append(batches, readBatch{p, slices.Clone(records)})
			return nil
		})
		return batches, err
	})
	for _, b := range batches {
		if err := visit(b.partition, slices.Clone(b.records)); err != nil {
			return err
		}
	}
	return err
}

func (s recordedSite) Tail(ctx context.Context, p kafka.Partition, from, to int64) (kafka.Tail, error) {
	return recall(s, "tail", fmt.Sprint(p, from, to), func() (kafka.Tail, error) { return s.RecordReader.Tail(ctx, p, from, to) })
}

// resource is what a site's operator says.
func (s recordedSite) MirrorMaker(ctx context.Context) (strimzi.MirrorMaker, error) {
	return recall(s, "resource", "", func() (strimzi.MirrorMaker, error) { return s.operator.MirrorMaker(ctx) })
}

// With any answer of the brokers, the workers or the operators removed, no check passes.
func TestHonesty(t *testing.T) {
	w := New(t, "dc1", "dc2")
	c := configure(t, w, kafka.Limits{}, 5*time.Second)
	r := replication(t, c)
	if _, err := r.Canaries(t.Context(), kafka.CanaryPlan{Keep: true}); err != nil {
		t.Fatal(err)
	}
	before := &notebook{}
	if _, err := geored.Prove(t.Context(), geored.CheckConfig{}, r.Checks(before)...); err != nil {
		t.Fatal(err)
	}
	operators := map[geored.SiteName]*Operator{}
	for _, site := range w.Sites() {
		operators[site] = NewOperator(t, w, site)
	}
	for _, id := range []geored.CheckID{kafka.CheckStatus, kafka.CheckPosition, kafka.CheckGroups, kafka.CheckLoss, kafka.CheckOutage, kafka.CheckResource} {
		var beside []string
		if id == kafka.CheckLoss {
			beside = []string{" tail "} // kept for the next look, which counts with it what was lost
		}
		t.Run(string(id), func(t *testing.T) {
			geotest.Honest(t, id, func(answers *geotest.Recorded) []geored.Check {
				recorded := c
				recorded.Sites = nil
				for _, site := range c.Sites {
					s := recordedSite{site.Brokers, site.Records, site.Worker, operators[site.Name], answers, site.Name}
					recorded.Sites = append(recorded.Sites, kafka.Site{Name: site.Name, Brokers: s, Records: s, Worker: s, Resource: s})
				}
				r := replication(t, recorded)
				return append(r.Checks(&notebook{before.History}), r.OutageCheck(time.Second))
			}, beside...)
		})
	}
}

// silentMessenger keeps no record: each canary is a new one. Making its topic is no answer: it is there or not when the
// canary is sent.
type silentMessenger struct {
	kafka.Messenger
	answers *geotest.Recorded
	site    geored.SiteName
}

func (m silentMessenger) Send(ctx context.Context, topic string, key, value []byte) error {
	if err := m.answers.Answer(fmt.Sprintf("%s: send", m.site)); err != nil {
		return err
	}
	return m.Messenger.Send(ctx, topic, key, value)
}

func (m silentMessenger) Await(ctx context.Context, topic string, key []byte, from int64) (int64, error) {
	if err := m.answers.Answer(fmt.Sprintf("%s: await in %s", m.site, topic)); err != nil {
		return 0, err
	}
	return m.Messenger.Await(ctx, topic, key, from)
}

// With what the brokers say of canaries removed, the mirrors do not pass.
func TestHonestCanary(t *testing.T) {
	w := New(t, "dc1", "dc2")
	c := configure(t, w, kafka.Limits{}, 5*time.Second)
	geotest.Honest(t, kafka.CheckCanary, func(answers *geotest.Recorded) []geored.Check {
		recorded := c
		recorded.Sites = slices.Clone(c.Sites)
		for i, site := range recorded.Sites {
			recorded.Sites[i].Messenger = silentMessenger{site.Messenger, answers, site.Name}
		}
		return []geored.Check{replication(t, recorded).CanaryCheck(kafka.CanaryPlan{Keep: true, Wait: 20 * time.Second})}
	})
}
