package cassandra

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// stream is data that a node received or sent since it started.
type stream struct {
	id, operation, status, failure string
	began                          time.Time
}

func (s stream) isDone() bool    { return s.status == "success" }
func (s stream) isRunning() bool { return s.status != "success" && s.status != "failure" }

// streams asks a node for its streams, the latest last, by system_views.streaming, which servers from 4.1 on have.
func (c *Cluster) streams(ctx context.Context, n Node) ([]stream, error) {
	var all []stream
	q := Query{CQL: `SELECT id, operation, status, failure_cause, status_init_timestamp FROM system_views.streaming`}
	err := c.query(ctx, n.Address, q, func(r Row) error {
		s := stream{r.uuid("id"), r.text("operation"), r.text("status"), r.text("failure_cause"), r.time("status_init_timestamp")}
		if s.status == "failure" && s.failure == "" {
			s.failure = "the node does not say why"
		}
		all = append(all, s)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("node %s: read system_views.streaming: %w", n.Address, err)
	}
	slices.SortFunc(all, func(a, b stream) int { return cmp.Or(a.began.Compare(b.began), cmp.Compare(a.id, b.id)) })
	return all, nil
}

// parseTableStats reads nodetool tablestats -F json and gives the tables of a keyspace that hold anything. CQL has the
// like, in whole MiB: a small table is nothing there.
func parseTableStats(output, keyspace string) (held []string, err error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal([]byte(output), &all); err != nil {
		return nil, fmt.Errorf("tablestats: %w", err)
	}
	var stats struct {
		Tables map[string]struct {
			Space string `json:"space_used_live"`
			Cells *int64 `json:"memtable_cell_count"`
		} `json:"tables"`
	}
	if err := json.Unmarshal(all[keyspace], &stats); err != nil || stats.Tables == nil {
		return nil, fmt.Errorf("tablestats: keyspace %s is not among them: %w", keyspace, err)
	}
	for name, t := range stats.Tables {
		if strings.Contains(name, ".") {
			continue // an index: it goes, and is kept aside, with its table
		}
		bytes, err := strconv.ParseUint(t.Space, 10, 64)
		if err != nil || t.Cells == nil {
			return nil, fmt.Errorf("tablestats: table %s.%s: its size is not understood: %w", keyspace, name, err)
		}
		if bytes > 0 || *t.Cells > 0 {
			held = append(held, name)
		}
	}
	slices.Sort(held)
	return held, nil
}
