package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"

	"github.com/IBM/sarama"

	"github.com/georedkit/georedkit/kafka"
)

// Bounds gives the log of each partition, in the order in which they were asked for: one request for metadata, then two
// to each leader, all leaders at once. It is complete also with an error: what a silent broker leads comes with the
// reason in its Err. The error joins one reason per question that had no answer; a partition that does not exist is
// an answer.
func (c *Cluster) Bounds(ctx context.Context, partitions []kafka.Partition) ([]kafka.Bounds, error) {
	bounds := make([]kafka.Bounds, len(partitions))
	for i, p := range partitions {
		bounds[i].Partition = p
	}
	if len(partitions) == 0 {
		return bounds, nil
	}
	client, err := c.connected(ctx)
	if err == nil {
		var layout map[string]*sarama.TopicMetadata
		if layout, err = c.layout(ctx, topicsOf(partitions)); err == nil {
			return bounds, c.askLeaders(ctx, client, layout, bounds)
		}
	}
	for i := range bounds {
		bounds[i].Err = err
	}
	return bounds, err
}

func topicsOf(partitions []kafka.Partition) []string {
	topics := make([]string, len(partitions))
	for i, p := range partitions {
		topics[i] = p.Topic
	}
	slices.Sort(topics)
	return slices.Compact(topics)
}

// askLeaders fills in the bounds, a goroutine per leader; each writes only the partitions that its leader leads.
func (c *Cluster) askLeaders(ctx context.Context, client sarama.Client, layout map[string]*sarama.TopicMetadata, bounds []kafka.Bounds) error {
	led := map[int32][]*kafka.Bounds{}
	for i := range bounds {
		id, err := leader(layout, bounds[i].Partition)
		if err != nil {
			bounds[i].Err = err
			continue
		}
		led[id] = append(led[id], &bounds[i])
	}
	var asking sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	for id, mine := range led {
		asking.Add(1)
		go func() {
			defer asking.Done()
			if err := c.askLeader(ctx, client, id, mine); err != nil {
				for _, b := range mine {
					b.Err = err
				}
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			}
		}()
	}
	asking.Wait()
	return errors.Join(errs...)
}

func (c *Cluster) askLeader(ctx context.Context, client sarama.Client, id int32, bounds []*kafka.Bounds) error {
	for _, when := range []int64{sarama.OffsetOldest, sarama.OffsetNewest} {
		request := sarama.NewOffsetRequest(c.config().Version)
		for _, b := range bounds {
			request.AddBlock(b.Topic, b.Number, when, 1)
		}
		response, err := within(ctx, c.timeout, func() (*sarama.OffsetResponse, error) {
			broker, err := connectedBroker(client, id)
			if err != nil {
				return nil, err
			}
			response, err := broker.GetAvailableOffsets(request)
			return response, advertised(broker, err)
		})
		if err != nil {
			return c.failed(fmt.Sprintf("offsets of broker %d", id), client, err)
		}
		for _, b := range bounds {
			block := response.GetBlock(b.Topic, b.Number)
			switch {
			case block == nil:
				b.Err = fmt.Errorf("broker %d left %s out of its answer", id, b.Partition)
			case block.Err != sarama.ErrNoError:
				b.Err = topicError(block.Err)
			case when == sarama.OffsetOldest:
				b.Start = block.Offset
			default:
				b.End = block.Offset
			}
		}
	}
	return nil
}

// connectedBroker also finds a broker that joined after the client had connected.
func connectedBroker(client sarama.Client, id int32) (*sarama.Broker, error) {
	broker, err := client.Broker(id)
	if errors.Is(err, sarama.ErrBrokerNotFound) {
		if err = client.RefreshMetadata(); err == nil {
			broker, err = client.Broker(id)
		}
	}
	return broker, err
}

// advertised tells a broker that cannot be reached under its own name from one that merely failed.
func advertised(broker *sarama.Broker, err error) error {
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		return fmt.Errorf("%w: broker %d calls itself %s: %w",
			kafka.ErrNotAdvertised, broker.ID(), broker.Addr(), err)
	}
	return err
}
