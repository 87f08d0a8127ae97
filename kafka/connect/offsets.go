package connect

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// Offset is the last record of a source partition that a MirrorSourceConnector has committed as copied.
type Offset struct {
	Cluster   string // alias of the source
	Topic     string // its name at the source
	Partition int32
	Offset    int64 // of the last copied record: the next one read is Offset+1
}

type offsetsFile struct {
	Offsets []offsetFile `json:"offsets"`
}

type offsetFile struct {
	Partition struct {
		Cluster   string `json:"cluster"`
		Topic     string `json:"topic"`
		Partition *int32 `json:"partition"`
	} `json:"partition"`
	Offset *struct {
		Offset *int64 `json:"offset"`
	} `json:"offset"`
}

// Offsets gives what a source connector has committed, in no order, topics that it no longer mirrors included. The
// worker commits every offset.flush.interval.ms (60 s unless set), so it may have copied more. Entries of other
// connectors' forms (heartbeats and checkpoints) are left out.
func (c *Client) Offsets(ctx context.Context, connector string) ([]Offset, error) {
	var answer struct {
		Offsets *[]json.RawMessage `json:"offsets"`
	}
	if err := c.get(ctx, path("connectors", connector, "offsets"), &answer); err != nil {
		return nil, err
	}
	if answer.Offsets == nil {
		return nil, fmt.Errorf("connect %s: offsets of %s: the answer holds no list; the API is older than Kafka 3.5 or not Connect's", c.base.Host, connector)
	}
	offsets := make([]Offset, 0, len(*answer.Offsets))
	for _, raw := range *answer.Offsets {
		var f offsetFile
		if err := json.Unmarshal(raw, &f); err != nil {
			return nil, fmt.Errorf("connect %s: offsets of %s: %w", c.base.Host, connector, err)
		}
		if f.Partition.Topic == "" || f.Partition.Partition == nil || f.Offset == nil || f.Offset.Offset == nil {
			continue
		}
		offsets = append(offsets, Offset{f.Partition.Cluster, f.Partition.Topic, *f.Partition.Partition, *f.Offset.Offset})
	}
	return offsets, nil
}

// ResetOffsets forgets all that a connector has committed: it begins anew when it is resumed (Kafka 3.6). The connector
// must be [Stopped].
func (c *Client) ResetOffsets(ctx context.Context, connector string) error {
	return c.call(ctx, http.MethodDelete, path("connectors", connector, "offsets"), nil, nil)
}

// ForgetOffsets forgets what a connector has committed for some partitions, whatever their Offset says (Kafka 3.6). The
// connector must be [Stopped].
func (c *Client) ForgetOffsets(ctx context.Context, connector string, partitions []Offset) error {
	body := offsetsFile{Offsets: make([]offsetFile, len(partitions))}
	for i, p := range partitions {
		f := &body.Offsets[i].Partition
		f.Cluster, f.Topic, f.Partition = p.Cluster, p.Topic, &p.Partition
	}
	return c.call(ctx, http.MethodPatch, path("connectors", connector, "offsets"), body, nil)
}
