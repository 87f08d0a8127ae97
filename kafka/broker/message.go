package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"github.com/georedkit/georedkit/kafka"
)

// MakeTopic is [kafka.Messenger]'s: one partition, as many replicas as the brokers give by default.
func (c *Cluster) MakeTopic(ctx context.Context, topic string) (made bool, err error) {
	return administer(ctx, c, "create topic "+topic, func(admin sarama.ClusterAdmin) (bool, error) {
		err := admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: -1}, false)
		if errors.Is(err, sarama.ErrTopicAlreadyExists) {
			return false, nil
		}
		return err == nil, err
	})
}

// DropTopic is [kafka.Messenger]'s.
func (c *Cluster) DropTopic(ctx context.Context, topic string) error {
	_, err := administer(ctx, c, "delete topic "+topic, func(admin sarama.ClusterAdmin) (struct{}, error) {
		err := admin.DeleteTopic(topic)
		if errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
			err = nil
		}
		return struct{}{}, err
	})
	return err
}

// administer runs one exchange with the controller. The admin shares the client's connections and is not closed: that
// would close them.
func administer[T any](ctx context.Context, c *Cluster, what string, exchange func(sarama.ClusterAdmin) (T, error)) (T, error) {
	var none T
	client, err := c.connected(ctx)
	if err != nil {
		return none, err
	}
	value, err := within(ctx, c.timeout, func() (T, error) {
		admin, err := sarama.NewClusterAdminFromClient(client)
		if err != nil {
			return none, err
		}
		return exchange(admin)
	})
	if err != nil {
		return none, c.failed(what, client, err)
	}
	return value, nil
}

// isMoving says that a partition has no leader yet, or another one than was known.
func isMoving(err error) bool {
	return errors.Is(err, sarama.ErrNotLeaderForPartition) || errors.Is(err, sarama.ErrLeaderNotAvailable)
}

// Send is [kafka.Messenger]'s. It waits for a leader: a topic that was just made has none for a moment.
func (c *Cluster) Send(ctx context.Context, topic string, key, value []byte) error {
	for {
		err := c.send(ctx, topic, key, value)
		if !isMoving(err) && !errors.Is(err, kafka.ErrNoSuchTopic) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (c *Cluster) send(ctx context.Context, topic string, key, value []byte) error {
	client, err := c.connected(ctx)
	if err != nil {
		return err
	}
	_, err = within(ctx, c.timeout, func() (struct{}, error) {
		err := produce(client, topic, produceOne(topic, key, value, c.timeout))
		if isMoving(err) || errors.Is(err, sarama.ErrUnknownTopicOrPartition) { // what is known of the topic is old
			err = errors.Join(err, client.RefreshMetadata(topic))
		}
		return struct{}{}, err
	})
	if err != nil {
		return c.failed("write to "+topic, client, err)
	}
	return nil
}

// produce asks for the leader only when it is not known: a round trip more would count as the canary's.
func produce(client sarama.Client, topic string, request *sarama.ProduceRequest) error {
	leader, err := client.Leader(topic, 0)
	if err != nil {
		return err
	}
	response, err := leader.Produce(request)
	if err != nil {
		return err
	}
	block := response.GetBlock(topic, 0)
	switch {
	case block == nil:
		return sarama.ErrIncompleteResponse
	case block.Err != sarama.ErrNoError:
		return block.Err
	}
	return nil
}

func produceOne(topic string, key, value []byte, timeout time.Duration) *sarama.ProduceRequest {
	now := time.Now()
	request := &sarama.ProduceRequest{RequiredAcks: sarama.WaitForAll, Timeout: int32(timeout.Milliseconds()), Version: 3}
	request.AddBatch(topic, 0, &sarama.RecordBatch{Version: 2, ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, PartitionLeaderEpoch: -1,
		FirstTimestamp: now, MaxTimestamp: now, Records: []*sarama.Record{{Key: key, Value: value}}})
	return request
}

// Await is [kafka.Messenger]'s.
func (c *Cluster) Await(ctx context.Context, topic string, key []byte, from int64) (int64, error) {
	var last error
	for ctx.Err() == nil {
		offset, err := c.find(ctx, topic, key, from)
		if err == nil {
			return offset, nil
		}
		last = err
		if !errors.Is(err, kafka.ErrNoSuchTopic) && !errors.Is(err, errNotThere) && !isMoving(err) {
			return 0, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond): // until the topic is made
		}
	}
	return 0, errors.Join(context.Cause(ctx), last)
}

var errNotThere = errors.New("the record is not there")

// find reads on until the record comes or the context ends. It fetches by itself: sarama's consumer lets a new reader wait
// for a tenth of a second.
func (c *Cluster) find(ctx context.Context, topic string, key []byte, from int64) (int64, error) {
	if from <= 0 {
		bounds, err := c.Bounds(ctx, []kafka.Partition{{Topic: topic}})
		if err == nil {
			err = bounds[0].Err
		}
		if err != nil {
			return 0, err
		}
		from = bounds[0].Start
	}
	client, err := c.connected(ctx)
	if err != nil {
		return 0, err
	}
	for ctx.Err() == nil {
		records, err := within(ctx, c.timeout, func() ([]*sarama.Records, error) { return fetch(client, topic, from) })
		if errors.Is(err, errNotThere) {
			return 0, err
		}
		if err != nil && ctx.Err() == nil {
			return 0, c.failed("read "+topic, client, err)
		}
		for _, set := range records {
			if set.RecordBatch == nil {
				continue
			}
			for _, record := range set.RecordBatch.Records {
				offset := set.RecordBatch.FirstOffset + record.OffsetDelta
				if offset >= from && bytes.Equal(record.Key, key) {
					return offset, nil
				}
			}
			from = max(from, set.RecordBatch.LastOffset()+1)
		}
	}
	return 0, errNotThere
}

// fetch waits for records of partition 0 for a moment.
func fetch(client sarama.Client, topic string, from int64) ([]*sarama.Records, error) {
	leader, err := client.Leader(topic, 0)
	if err != nil {
		return nil, err
	}
	request := &sarama.FetchRequest{Version: 4, MinBytes: 1, MaxBytes: 1 << 20, MaxWaitTime: 100}
	request.AddBlock(topic, 0, from, 1<<20, -1)
	response, err := leader.Fetch(request)
	if err != nil {
		return nil, err
	}
	block := response.GetBlock(topic, 0)
	switch {
	case block == nil:
		return nil, sarama.ErrIncompleteResponse
	case isMoving(block.Err):
		return nil, fmt.Errorf("%w yet: %w", errNotThere, errors.Join(block.Err, client.RefreshMetadata(topic)))
	case block.Err != sarama.ErrNoError:
		return nil, block.Err
	}
	return block.RecordsSet, nil
}
