package broker

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"

	"github.com/georedkit/georedkit/kafka"
)

// retentionSettings are what is asked of a topic.
var retentionSettings = []string{"retention.ms", "retention.bytes", "cleanup.policy", "delete.retention.ms"}

// Retention is [kafka.Brokers]'s: one request for all topics. A topic whose settings the brokers do not tell is left out.
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
		if retention, ok := readRetention(resource.Configs); ok {
			kept[resource.Name] = retention
		}
	}
	return kept, nil
}

// readRetention is not ok when a setting that matters is missing or no number: then nothing is known of the topic.
func readRetention(entries []*sarama.ConfigEntry) (kept kafka.Retention, ok bool) {
	values := map[string]string{}
	for _, e := range entries {
		values[e.Name] = e.Value
	}
	ok = true
	number := func(name string) int64 {
		n, err := strconv.ParseInt(values[name], 10, 64)
		ok = ok && err == nil
		return n
	}
	policies := strings.Split(values["cleanup.policy"], ",")
	kept = kafka.Retention{Compact: slices.Contains(policies, "compact"), Delete: slices.Contains(policies, "delete")}
	if kept.Delete {
		kept.Time, kept.Bytes = milliseconds(number("retention.ms")), number("retention.bytes")
	}
	if kept.Compact {
		kept.Tombstones = milliseconds(number("delete.retention.ms"))
	}
	return kept, ok && (kept.Delete || kept.Compact)
}

// milliseconds does not overflow: Kafka takes more of them than a Duration holds.
func milliseconds(n int64) time.Duration {
	if n > int64(time.Duration(1<<63-1)/time.Millisecond) {
		return 1<<63 - 1
	}
	return time.Duration(n) * time.Millisecond
}
