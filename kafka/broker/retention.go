package broker

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"

	"github.com/georedkit/georedkit/kafka"
)

// retentionSettings are what is asked of a topic.
var retentionSettings = []string{"retention.ms", "retention.bytes", "cleanup.policy", "delete.retention.ms"}

// Retention is [kafka.Brokers]'s: one request for all topics.
func (c *Cluster) Retention(ctx context.Context, topics []string) (map[string]kafka.Retention, error) {
	client, err := c.connected(ctx)
	if err != nil {
		return nil, err
	}
	request := &sarama.DescribeConfigsRequest{Version: 1}
	for _, t := range topics {
		request.Resources = append(request.Resources, &sarama.ConfigResource{Type: sarama.TopicResource, Name: t, ConfigNames: retentionSettings})
	}
	response, err := within(ctx, c.timeout, func() (*sarama.DescribeConfigsResponse, error) {
		broker := client.LeastLoadedBroker()
		if broker == nil {
			return nil, kafka.ErrUnreachable
		}
		return broker.DescribeConfigs(request)
	})
	if err != nil {
		return nil, c.failed("settings of topics", client, err)
	}
	kept := map[string]kafka.Retention{}
	for _, resource := range response.Resources {
		if code := sarama.KError(resource.ErrorCode); code != sarama.ErrNoError {
			continue // its settings are not known
		}
		retention, err := readRetention(resource.Configs)
		if err != nil {
			return nil, fmt.Errorf("settings of topic %s: %w", resource.Name, err)
		}
		kept[resource.Name] = retention
	}
	return kept, nil
}

func readRetention(entries []*sarama.ConfigEntry) (kafka.Retention, error) {
	values := map[string]string{}
	for _, e := range entries {
		values[e.Name] = e.Value
	}
	policies := strings.Split(values["cleanup.policy"], ",")
	kept := kafka.Retention{Compact: slices.Contains(policies, "compact"), Delete: slices.Contains(policies, "delete")}
	for name, set := range map[string]func(int64){
		"retention.ms":        func(n int64) { kept.Time = milliseconds(n) },
		"retention.bytes":     func(n int64) { kept.Bytes = n },
		"delete.retention.ms": func(n int64) { kept.Tombstones = milliseconds(n) },
	} {
		n, err := strconv.ParseInt(values[name], 10, 64)
		if err != nil {
			return kafka.Retention{}, fmt.Errorf("%s %q: is not a number", name, values[name])
		}
		set(n)
	}
	return kept, nil
}

// milliseconds does not overflow: Kafka takes more of them than a Duration holds.
func milliseconds(n int64) time.Duration {
	if n > int64(time.Duration(1<<63-1)/time.Millisecond) {
		return 1<<63 - 1
	}
	return time.Duration(n) * time.Millisecond
}
