package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/IBM/sarama"

	"github.com/georedkit/georedkit/kafka"
)

// GroupOffsets is [kafka.Brokers]'s.
func (c *Cluster) GroupOffsets(ctx context.Context) ([]kafka.GroupOffset, error) {
	groups, err := c.groups(ctx)
	if err != nil {
		return nil, err
	}
	var offsets []kafka.GroupOffset
	for _, group := range groups {
		committed, err := administer(ctx, c, "offsets of group "+group, func(admin sarama.ClusterAdmin) (*sarama.OffsetFetchResponse, error) {
			return admin.ListConsumerGroupOffsets(group, nil)
		})
		if err != nil {
			return nil, err
		}
		if committed.Err != sarama.ErrNoError {
			return nil, c.failed("offsets of group "+group, nil, committed.Err)
		}
		for topic, partitions := range committed.Blocks {
			for number, block := range partitions {
				if block.Err != sarama.ErrNoError {
					return nil, fmt.Errorf("offsets of group %s: %s/%d: %w", group, topic, number, topicError(block.Err))
				}
				if block.Offset >= 0 {
					offsets = append(offsets, kafka.GroupOffset{Group: group, Partition: kafka.Partition{Topic: topic, Number: number}, Offset: block.Offset})
				}
			}
		}
	}
	slices.SortFunc(offsets, func(a, b kafka.GroupOffset) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), a.Partition.Compare(b.Partition))
	})
	return offsets, nil
}

// groups asks every broker that there is now. sarama's ListConsumerGroups asks those that it knew, and takes a coordinator that
// is not ready for one without groups.
func (c *Cluster) groups(ctx context.Context) ([]string, error) {
	client, err := c.connected(ctx)
	if err != nil {
		return nil, err
	}
	found, err := within(ctx, c.timeout, func() (map[string]string, error) {
		var ofTopic sarama.KError // who the brokers are was told all the same
		if err := client.RefreshMetadata(); err != nil && !errors.As(err, &ofTopic) {
			return nil, err
		}
		all := map[string]string{}
		for _, broker := range client.Brokers() {
			_ = broker.Open(client.Config()) // it may be open; if it cannot be, the request says so
			response, err := broker.ListGroups(&sarama.ListGroupsRequest{Version: listGroups})
			if err == nil && response.Err != sarama.ErrNoError {
				err = response.Err
			}
			if err != nil {
				return nil, fmt.Errorf("broker %d: %w", broker.ID(), err)
			}
			maps.Copy(all, response.Groups)
		}
		return all, nil
	})
	if err != nil {
		return nil, c.failed("groups", client, err)
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// listGroups is the version of the request that brokers of the protocol that is spoken (2.8) know.
const listGroups = 4
