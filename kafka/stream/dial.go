package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/georedkit/georedkit/kafka"
)

// way is how connections are opened.
func way(access kafka.Access, timeout time.Duration) []kgo.Opt {
	switch {
	case access.Dial != nil:
		return []kgo.Opt{kgo.Dialer(func(ctx context.Context, network, address string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			conn, err := access.Dial(ctx, network, address)
			if err != nil || access.TLS == nil {
				return conn, err
			}
			return secure(ctx, conn, access.TLS, address)
		})}
	case access.TLS != nil:
		return []kgo.Opt{kgo.DialTLSConfig(access.TLS)}
	}
	return nil
}

// secure puts TLS on top, with the broker's name unless another is wanted.
func secure(ctx context.Context, conn net.Conn, config *tls.Config, address string) (net.Conn, error) {
	if config.ServerName == "" {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		config = config.Clone()
		config.ServerName = host
	}
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return secured, nil
}
