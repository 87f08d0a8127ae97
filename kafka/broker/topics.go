package broker

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"

	"github.com/IBM/sarama"

	"github.com/georedkit/georedkit/kafka"
)

// Topics describes the named topics, all when none is named, sorted by name. A named topic that does not exist comes
// with [kafka.ErrNoSuchTopic] in its Err.
func (c *Cluster) Topics(ctx context.Context, names ...string) ([]kafka.Topic, error) {
	layout, err := c.layout(ctx, names)
	if err != nil {
		return nil, err
	}
	topics := make([]kafka.Topic, 0, len(layout))
	for _, t := range layout {
		topics = append(topics, kafka.Topic{Name: t.Name, ID: kafka.TopicID(t.Uuid), Partitions: int32(len(t.Partitions)), Err: topicError(t.Err)})
	}
	slices.SortFunc(topics, func(a, b kafka.Topic) int { return cmp.Compare(a.Name, b.Name) })
	return topics, nil
}

// layout is what the brokers say now of topics, their partitions and leaders: one request to one broker.
func (c *Cluster) layout(ctx context.Context, names []string) (map[string]*sarama.TopicMetadata, error) {
	client, err := c.connected(ctx)
	if err != nil {
		return nil, err
	}
	response, err := within(ctx, c.timeout, func() (*sarama.MetadataResponse, error) {
		broker := client.LeastLoadedBroker()
		if broker == nil {
			return nil, kafka.ErrUnreachable
		}
		response, err := broker.GetMetadata(sarama.NewMetadataRequest(c.config().Version, names))
		if err != nil && broker.ID() >= 0 && c.bootstrapAnswers(ctx, broker.Addr()) {
			err = advertised(broker, err)
		}
		return response, err
	})
	if err != nil {
		return nil, c.failed("metadata", client, err)
	}
	layout := make(map[string]*sarama.TopicMetadata, len(response.Topics))
	for _, t := range response.Topics {
		layout[t.Name] = t
	}
	return layout, nil
}

// bootstrapAnswers says whether a bootstrap server other than the one that gives no answer takes connections.
func (c *Cluster) bootstrapAnswers(ctx context.Context, silent string) bool {
	dial := c.access.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout/2)
	defer cancel()
	for _, address := range c.access.Bootstrap {
		if address == silent {
			continue
		}
		if conn, err := dial(ctx, "tcp", address); err == nil {
			_ = conn.Close() // nothing was sent
			return true
		}
	}
	return false
}

// leader gives the ID of the broker that leads a partition.
func leader(layout map[string]*sarama.TopicMetadata, p kafka.Partition) (int32, error) {
	topic := layout[p.Topic]
	if topic == nil {
		return 0, topicError(sarama.ErrUnknownTopicOrPartition)
	}
	if err := topicError(topic.Err); err != nil {
		return 0, err
	}
	for _, partition := range topic.Partitions {
		if partition.ID == p.Number {
			if partition.Leader < 0 {
				return 0, topicError(sarama.ErrLeaderNotAvailable)
			}
			return partition.Leader, nil
		}
	}
	return 0, fmt.Errorf("%w: %s has %d partitions", kafka.ErrNoSuchTopic, p.Topic, len(topic.Partitions))
}
