package broker

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/IBM/sarama"

	"github.com/georedkit/georedkit/kafka"
)

// GroupOffsets is [kafka.Brokers]'s.
func (c *Cluster) GroupOffsets(ctx context.Context) ([]kafka.GroupOffset, error) {
	groups, err := administer(ctx, c, "groups", func(admin sarama.ClusterAdmin) (map[string]string, error) { return admin.ListConsumerGroups() })
	if err != nil {
		return nil, err
	}
	var offsets []kafka.GroupOffset
	for _, group := range slices.Sorted(maps.Keys(groups)) {
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
