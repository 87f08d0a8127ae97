package cassandra

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored/geotest"
)

// forgetful is a node that knows of no stream, as one that has restarted.
type forgetful struct{}

func (forgetful) Query(context.Context, Query, func(Row) error) error { return nil }
func (forgetful) Close()                                              {}

// noWait goes on at once when it is to wait a second.
type noWait struct{ *geotest.Clock }

func (c noWait) Sleep(ctx context.Context, d time.Duration) error {
	if d > repairPoll {
		return c.Clock.Sleep(ctx, d)
	}
	return ctx.Err()
}

// A node that knows of no stream had nothing to take where its rebuild was seen to end here, and else may have died in it.
func TestARebuildThatWasForgotten(t *testing.T) {
	node := netip.MustParseAddrPort("127.0.0.1:9042")
	c, err := Open(Config{Sites: []Site{{Name: "dc1", Nodes: []string{node.String()}}}, Clock: noWait{geotest.StoppedClock(time.Now())},
		Connect: func(context.Context, netip.AddrPort) (Session, error) { return forgetful{}, nil }})
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		here bool
		tool error
		done bool
	}{
		"nothing to stream":        {true, nil, true},
		"of a run that was killed": {false, nil, false},
		"the connection broke":     {true, errors.New("lost"), false},
	} {
		r := &rebuilding{Cluster: c, received: map[string]bool{}}
		err := r.watch(t.Context(), Node{HostID: "n1", Address: node}, 0, x.here, x.tool)
		if done := err == nil && r.received["n1"]; done != x.done || !x.done && err == nil {
			t.Errorf("%s: %v, %v", name, r.received, err)
		}
	}
}
