package cassandra

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/gocql/gocql"
)

// goCQL opens sessions by the gocql driver. The driver is kept from looking for other nodes: each session is bound to
// the node it was asked for.
type goCQL struct{ Config }

const (
	protocolVersion = 4 // spoken by every server from 2.2 to 5.0
	defaultPageSize = 5000
)

func (g goCQL) connect(ctx context.Context, node netip.AddrPort) (Session, error) {
	attempt := &attempt{goCQL: g, node: node}
	made := make(chan *gocql.Session, 1)
	failed := make(chan error, 1)
	patience, stop := context.WithTimeout(ctx, g.ConnectTimeout)
	go func() { // the driver takes no context
		defer stop()
		if s, err := attempt.cluster().CreateSession(); err != nil {
			failed <- attempt.explain(patience, err)
		} else {
			made <- s
		}
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, g.ConnectTimeout+time.Second, ErrTimeout)
	defer cancel()
	select {
	case s := <-made:
		return goCQLSession{s}, nil
	case err := <-failed:
		return nil, err
	case <-ctx.Done():
		go func() {
			select {
			case s := <-made:
				s.Close()
			case <-failed:
			}
		}()
		return nil, fmt.Errorf("connect: %w", context.Cause(ctx))
	}
}
