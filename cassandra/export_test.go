package cassandra

import (
	"context"
	"net/netip"
)

// GoCQL is what opens sessions when a configuration does not say.
func GoCQL(c Config) func(context.Context, netip.AddrPort) (Session, error) {
	return goCQL{c.withDefaults()}.connect
}
