package kafkatest

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/georedkit/georedkit/kafka"
)

// Seeder fills the brokers of a site with what a test needs: fake ones and real ones. Everything that goes wrong ends
// the test.
type Seeder struct {
	t      tester
	ctx    context.Context
	client *kgo.Client
	admin  *kadm.Client
	access kafka.Access
}

// Seed makes a seeder for the brokers of one site.
func Seed(ctx context.Context, t tester, access kafka.Access) *Seeder {
	t.Helper()
	options := clientOptions(access)
	client, err := kgo.NewClient(append(options, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(64<<10),
		kgo.DisableIdempotentWrite())...) // brokers may keep a producer's sequence beyond the topic
	if err != nil {
		t.Fatalf("site %s: %v", access.Site, err)
	}
	t.Cleanup(client.Close)
	return &Seeder{t, ctx, client, kadm.NewClient(client), access}
}

func clientOptions(access kafka.Access) []kgo.Opt {
	options := []kgo.Opt{kgo.SeedBrokers(access.Bootstrap...), kgo.DisableClientMetrics(), kgo.ProducerLinger(0), kgo.RecordDeliveryTimeout(30 * time.Second),
		kgo.RetryTimeout(20 * time.Second), kgo.MetadataMinAge(10 * time.Millisecond), kgo.UnknownTopicRetries(-1)}
	if access.TLS != nil {
		options = append(options, kgo.Dialer((&tls.Dialer{Config: access.TLS}).DialContext))
	}
	if s := access.SASL; s != nil {
		auth := scram.Auth{User: s.User, Pass: s.Password.Reveal()}
		mechanism := map[kafka.Mechanism]kgo.Opt{
			kafka.Plain:       kgo.SASL(plain.Auth{User: auth.User, Pass: auth.Pass}.AsMechanism()),
			kafka.ScramSHA256: kgo.SASL(auth.AsSha256Mechanism()),
			kafka.ScramSHA512: kgo.SASL(auth.AsSha512Mechanism()),
		}
		options = append(options, mechanism[s.Mechanism])
	}
	return options
}

// Create makes a topic. settings are pairs of names and values, such as "cleanup.policy", "compact".
func (s *Seeder) Create(topic string, partitions int32, settings ...string) {
	s.t.Helper()
	configs := map[string]*string{}
	for i := 0; i+1 < len(settings); i += 2 {
		configs[settings[i]] = &settings[i+1]
	}
	if _, err := s.admin.CreateTopic(s.ctx, partitions, 1, configs, topic); err != nil {
		s.t.Fatalf("site %s: create topic %s: %v", s.access.Site, topic, err)
	}
}

// Delete deletes a topic and returns when it is gone, so that it can be made anew.
func (s *Seeder) Delete(topic string) {
	s.t.Helper()
	if _, err := s.admin.DeleteTopic(s.ctx, topic); err != nil {
		s.t.Fatalf("site %s: delete topic %s: %v", s.access.Site, topic, err)
	}
	s.client.PurgeTopicsFromClient(topic)
	for {
		topics, err := s.admin.ListTopics(s.ctx, topic)
		if err == nil && !topics.Has(topic) {
			return
		}
		select {
		case <-s.ctx.Done():
			s.t.Fatalf("site %s: topic %s does not go: %v", s.access.Site, topic, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Produce writes n records, numbered from first and spread over the partitions by their number: key "k000000007", value
// "v000000007". They are there when it returns.
func (s *Seeder) Produce(topic string, partitions int32, first, n int) {
	s.t.Helper()
	records := make([]*kgo.Record, n)
	for i := range records {
		records[i] = &kgo.Record{Topic: topic, Partition: int32(first+i) % partitions,
			Key: fmt.Appendf(nil, "k%09d", first+i), Value: fmt.Appendf(nil, "v%09d", first+i)}
	}
	s.produce(records...)
}

// Write writes one record into partition 0.
func (s *Seeder) Write(topic string, key, value []byte) {
	s.t.Helper()
	s.produce(&kgo.Record{Topic: topic, Key: key, Value: value})
}

func (s *Seeder) produce(records ...*kgo.Record) {
	s.t.Helper()
	if err := s.client.ProduceSync(s.ctx, records...).FirstErr(); err != nil {
		s.t.Fatalf("site %s: produce: %v", s.access.Site, err)
	}
}

// Transact writes one transaction of n records into partition 0, and commits or aborts it.
func (s *Seeder) Transact(topic string, n int, commit bool) {
	s.t.Helper()
	client, err := kgo.NewClient(append(clientOptions(s.access), kgo.TransactionalID("kafkatest-"+rand.Text()), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		s.t.Fatalf("site %s: %v", s.access.Site, err)
	}
	defer client.Close()
	if err := client.BeginTransaction(); err != nil {
		s.t.Fatalf("site %s: begin: %v", s.access.Site, err)
	}
	for i := range n {
		record := &kgo.Record{Topic: topic, Key: []byte("t"), Value: fmt.Appendf(nil, "%d of %t", i, commit)}
		if err := client.ProduceSync(s.ctx, record).FirstErr(); err != nil {
			s.t.Fatalf("site %s: produce: %v", s.access.Site, err)
		}
	}
	if err := client.EndTransaction(s.ctx, kgo.TransactionEndTry(commit)); err != nil {
		s.t.Fatalf("site %s: end of transaction: %v", s.access.Site, err)
	}
}

// Truncate removes the records of a partition before an offset, as retention does.
func (s *Seeder) Truncate(topic string, partition int32, before int64) {
	s.t.Helper()
	offsets := kadm.Offsets{}
	offsets.AddOffset(topic, partition, before, -1)
	deleted, err := s.admin.DeleteRecords(s.ctx, offsets)
	if err == nil {
		err = deleted.Error()
	}
	if err != nil {
		s.t.Fatalf("site %s: truncate %s/%d: %v", s.access.Site, topic, partition, err)
	}
}

// Commit moves a consumer group that has no members to an offset of a partition.
func (s *Seeder) Commit(group, topic string, partition int32, offset int64) {
	s.t.Helper()
	offsets := kadm.Offsets{}
	offsets.AddOffset(topic, partition, offset, -1)
	committed, err := s.admin.CommitOffsets(s.ctx, group, offsets)
	if err == nil {
		err = committed.Error()
	}
	if err != nil {
		s.t.Fatalf("site %s: commit of group %s: %v", s.access.Site, group, err)
	}
}

// End is the end of a partition's log; 0 while there is no such topic.
func (s *Seeder) End(topic string, partition int32) int64 {
	s.t.Helper()
	ends, err := s.admin.ListEndOffsets(s.ctx, topic)
	if err != nil {
		s.t.Fatalf("site %s: %v", s.access.Site, err)
	}
	end, ok := ends.Lookup(topic, partition)
	if !ok || end.Err != nil {
		return 0
	}
	return end.Offset
}

// Topics are the topics with a text in their names.
func (s *Seeder) Topics(containing string) []string {
	s.t.Helper()
	topics, err := s.admin.ListTopics(s.ctx)
	if err != nil {
		s.t.Fatalf("site %s: %v", s.access.Site, err)
	}
	var found []string
	for _, name := range topics.Names() {
		if strings.Contains(name, containing) {
			found = append(found, name)
		}
	}
	return found
}

// Values gives the values of a partition in their order, those of aborted transactions included.
func (s *Seeder) Values(topic string, partition int32) []string {
	s.t.Helper()
	end := s.End(topic, partition)
	if end == 0 {
		return nil
	}
	starts, err := s.admin.ListStartOffsets(s.ctx, topic)
	if err != nil {
		s.t.Fatalf("site %s: %v", s.access.Site, err)
	}
	start, _ := starts.Lookup(topic, partition)
	client, err := kgo.NewClient(append(clientOptions(s.access), kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().AtStart()}}))...)
	if err != nil {
		s.t.Fatalf("site %s: %v", s.access.Site, err)
	}
	defer client.Close()
	var values []string
	for next := start.Offset; next < end; {
		fetches := client.PollFetches(s.ctx)
		if err := fetches.Err0(); err != nil {
			s.t.Fatalf("site %s: read %s/%d: %v", s.access.Site, topic, partition, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			next = r.Offset + 1
			if !r.Attrs.IsControl() {
				values = append(values, string(r.Value))
			}
		})
	}
	return values
}
