package s3

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/replication"

	"github.com/georedkit/georedkit/objectstore"
)

var _ objectstore.Replicator = (*Client)(nil)

// Replication reads the rules of a bucket and what MinIO counts of them.
func (c *Client) Replication(ctx context.Context, bucket string) ([]objectstore.ReplicationTarget, error) {
	config, err := c.minio.GetBucketReplication(ctx, bucket)
	var metrics replication.MetricsV2
	if err == nil {
		metrics, err = c.minio.GetBucketReplicationMetricsV2(ctx, bucket)
	}
	var answer minio.ErrorResponse
	if errors.As(err, &answer) && answer.Code == "ReplicationConfigurationNotFoundError" {
		return nil, nil
	}
	if err != nil {
		return nil, translate(ctx, err)
	}
	var targets []objectstore.ReplicationTarget
	for _, rule := range config.Rules {
		if rule.Status != replication.Enabled {
			continue
		}
		stats := metrics.CurrentStats.Stats[rule.Destination.Bucket]
		targets = append(targets, objectstore.ReplicationTarget{
			Target: rule.Destination.Bucket, Replicated: int64(stats.ReplicatedCount), Failed: int64(stats.Failed.LastHour.Count),
			Queued:   int64(metrics.CurrentStats.QStats.Curr.Count),
			Deletes:  rule.DeleteMarkerReplication.Status == replication.Enabled,
			Existing: rule.ExistingObjectReplication.Status == replication.Enabled,
			Only:     only(rule.Filter),
		})
	}
	slices.SortFunc(targets, func(a, b objectstore.ReplicationTarget) int { return strings.Compare(a.Target, b.Target) })
	return targets, nil
}

// only says what a rule is for, in words; nothing: all objects.
func only(f replication.Filter) string {
	var parts []string
	for _, prefix := range []string{f.Prefix, f.And.Prefix} {
		if prefix != "" {
			parts = append(parts, fmt.Sprintf("the prefix %q", prefix))
		}
	}
	for _, tag := range append(f.And.Tags, f.Tag) {
		if tag.Key != "" {
			parts = append(parts, fmt.Sprintf("the tag %s", tag.String()))
		}
	}
	return strings.Join(parts, " and ")
}

// ResetReplication starts a resync.
func (c *Client) ResetReplication(ctx context.Context, bucket, target string, days int) (string, error) {
	info, err := c.minio.ResetBucketReplicationOnTarget(ctx, bucket, resetAge(days), target)
	if err != nil {
		return "", translate(ctx, err)
	}
	for _, t := range info.Targets {
		if t.Arn == target {
			return t.ResetID, nil
		}
	}
	return "", errors.New("the server does not say that it began")
}

// resetAge is the number that MinIO takes for an age: it reads a duration and divides its nanoseconds by 24 to get days.
func resetAge(days int) time.Duration { return time.Duration(max(days, 0) * 24) }

// ResetStatus reads how far the last resync came.
func (c *Client) ResetStatus(ctx context.Context, bucket, target string) (objectstore.ResetStatus, error) {
	info, err := c.minio.GetBucketReplicationResyncStatus(ctx, bucket, target)
	if err != nil {
		return objectstore.ResetStatus{}, translate(ctx, err)
	}
	for _, t := range info.Targets {
		if t.Arn == target {
			return objectstore.ResetStatus{ID: t.ResetID, Status: t.ResyncStatus, Began: t.StartTime, End: t.EndTime,
				Replicated: t.ReplicatedCount, Failed: t.FailedCount}, nil
		}
	}
	return objectstore.ResetStatus{}, errors.New("the server tells of no reset to this target")
}
