package cassandra_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/cassandra/cassandratest"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
)

// recordedSession reads from what was recorded of a node.
type recordedSession struct {
	cassandra.Session
	answers *geotest.Recorded
	node    netip.AddrPort
}

func (s recordedSession) Query(ctx context.Context, q cassandra.Query, each func(cassandra.Row) error) error {
	rows, err := geotest.Recall(s.answers, fmt.Sprintf("%s: %s %v", s.node, q.CQL, q.Args), func() ([]cassandra.Row, error) {
		var rows []cassandra.Row
		err := s.Session.Query(ctx, q, func(r cassandra.Row) error {
			row := cassandra.Row{Columns: slices.Clone(r.Columns)}
			for _, value := range r.Values {
				row.Values = append(row.Values, slices.Clone(value))
			}
			rows = append(rows, row)
			return nil
		})
		return rows, err
	})
	for _, row := range rows {
		if err := each(row); err != nil {
			return err
		}
	}
	return err
}

// All checks judge one look at the ring. These tables are each read for one check alone.
const (
	settings  = "system_views.settings"
	hints     = "system_views.pending_hints"
	gossip    = "system_views.gossip_info"
	keyspaces = "system_schema.keyspaces"
)

// With any answer of any node removed, no check passes.
func TestHonesty(t *testing.T) {
	for id, beside := range map[geored.CheckID][]string{
		cassandra.CheckNodes:       {settings, hints, gossip, keyspaces},
		cassandra.CheckNames:       {settings, hints, gossip, keyspaces},
		cassandra.CheckView:        {settings, hints, gossip, keyspaces},
		cassandra.CheckSchema:      {settings, hints, gossip, keyspaces},
		cassandra.CheckVersions:    {settings, hints, gossip, keyspaces},
		cassandra.CheckGossip:      {settings, hints, keyspaces},
		cassandra.CheckReplication: {settings, hints, gossip},
		cassandra.CheckHints:       {gossip, keyspaces},
		cassandra.CheckTokens:      {settings, hints, gossip, keyspaces},
	} {
		t.Run(string(id), func(t *testing.T) {
			t.Parallel()
			ring := cassandratest.New(t, two)
			live := cassandra.GoCQL(ring.Config())
			clock := geored.SystemClock() // for the first run: gossip is heard by the second
			geotest.Honest(t, id, func(answers *geotest.Recorded) []geored.Check {
				c := ring.Config()
				c.Clock = clock
				c.Connect = func(ctx context.Context, node netip.AddrPort) (cassandra.Session, error) {
					session, err := geotest.Recall(answers, fmt.Sprintf("connect %s", node), func() (cassandra.Session, error) {
						return live(context.WithoutCancel(ctx), node)
					})
					return recordedSession{unclosed{session}, answers, node}, err
				}
				clock = noPause{clock}
				return open(t, c).Checks()
			}, beside...)
		})
	}
}

// noPause does not wait for gossip that was recorded.
type noPause struct{ geored.Clock }

func (c noPause) Sleep(ctx context.Context, d time.Duration) error {
	if d <= cassandra.GossipPause {
		return ctx.Err()
	}
	return c.Clock.Sleep(ctx, d)
}

// unclosed is a session that is used again.
type unclosed struct{ cassandra.Session }

func (unclosed) Close() {}
