package stream

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/georedkit/georedkit/kafka"
)

// holes has the leaders show that what is left of every range is holes, which compaction leaves: that nothing came says
// nothing of a slow link, of a quota or of a disk that hangs. The error is [kafka.ErrUnreachable] where records are left.
func (r *Reader) holes(ctx context.Context, client *kgo.Client, left map[kafka.Partition]kafka.Range) error {
	ctx, cancel := context.WithTimeoutCause(ctx, r.timeout, kafka.ErrUnreachable)
	defer cancel()
	topics, err := describe(ctx, client, left)
	if err != nil {
		return err
	}
	for p, one := range left {
		for one.From < one.To {
			topic := topics[p.Topic]
			next, err := probe(ctx, client, topic, one)
			if err != nil {
				return fmt.Errorf("%s: %w", p, kindOf(err))
			}
			one.From = next
		}
	}
	return nil
}

// described is where a topic's partitions are led.
type described struct {
	id      [16]byte
	leaders map[int32]int32
}

func describe(ctx context.Context, client *kgo.Client, left map[kafka.Partition]kafka.Range) (map[string]described, error) {
	request := kmsg.NewPtrMetadataRequest()
	asked := map[string]described{}
	for p := range left {
		if _, known := asked[p.Topic]; !known {
			topic := kmsg.NewMetadataRequestTopic()
			topic.Topic = kmsg.StringPtr(p.Topic)
			request.Topics = append(request.Topics, topic)
			asked[p.Topic] = described{leaders: map[int32]int32{}}
		}
	}
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return nil, kindOf(err)
	}
	for _, topic := range response.Topics {
		if topic.Topic == nil {
			continue
		}
		if err := kerr.ErrorForCode(topic.ErrorCode); err != nil {
			return nil, fmt.Errorf("%s: %w", *topic.Topic, kindOf(err))
		}
		one := described{id: topic.TopicID, leaders: map[int32]int32{}}
		for _, partition := range topic.Partitions {
			one.leaders[partition.Partition] = partition.Leader
		}
		asked[*topic.Topic] = one
	}
	return asked, nil
}

// probeBytes is enough for one batch or more: the first is given whole, however large it is.
const probeBytes = 64 << 10

// probe fetches once at the beginning of a range, and gives where it goes on: behind batches of which compaction has left
// nothing.
func probe(ctx context.Context, client *kgo.Client, topic described, one kafka.Range) (next int64, err error) {
	leader, led := topic.leaders[one.Number]
	if !led || leader < 0 {
		return 0, fmt.Errorf("%w: it has no leader", kafka.ErrUnreachable)
	}
	request := kmsg.NewPtrFetchRequest()
	request.MinBytes, request.MaxBytes, request.SessionEpoch = 1, probeBytes, -1
	partition := kmsg.NewFetchRequestTopicPartition()
	partition.Partition, partition.FetchOffset, partition.PartitionMaxBytes = one.Number, one.From, probeBytes
	request.Topics = []kmsg.FetchRequestTopic{{Topic: one.Topic, TopicID: topic.id, Partitions: []kmsg.FetchRequestTopicPartition{partition}}}
	response, err := request.RequestWith(ctx, client.Broker(int(leader)))
	if err != nil {
		return 0, err
	}
	if err := kerr.ErrorForCode(response.ErrorCode); err != nil {
		return 0, err
	}
	if len(response.Topics) != 1 || len(response.Topics[0].Partitions) != 1 {
		return 0, fmt.Errorf("%w: it answers for %d topics, asked for 1", kafka.ErrUnreachable, len(response.Topics))
	}
	options := kgo.ProcessFetchPartitionOpts{KeepControlRecords: true, Offset: one.From, Topic: one.Topic, Partition: one.Number}
	came, next := kgo.ProcessFetchPartition(options, &response.Topics[0].Partitions[0], kgo.DefaultDecompressor(), nil)
	switch {
	case came.Err != nil:
		return 0, came.Err
	case len(came.Records) > 0 && came.Records[0].Offset < one.To:
		return 0, fmt.Errorf("%w: nothing came, and it has the records from offset %d on", kafka.ErrUnreachable, came.Records[0].Offset)
	case len(came.Records) > 0, came.HighWatermark <= next && one.To <= came.HighWatermark:
		return one.To, nil
	case next <= one.From: // it is slow, or has lost its end
		return 0, fmt.Errorf("%w: it gives nothing from offset %d on, and its log ends at %d", kafka.ErrUnreachable, one.From, came.HighWatermark)
	}
	return next, nil
}
