package broker

import (
	"context"
	"net"
	"time"

	"github.com/IBM/sarama"
)

// dialer is a way to the brokers of their user's own, for sarama, which gives no context and puts TLS on top by itself.
type dialer struct {
	ctx     context.Context // of the call that made the client, without its end: sarama dials later too
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	timeout time.Duration
}

func (d dialer) Dial(network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(d.ctx, d.timeout)
	defer cancel()
	return d.dial(ctx, network, address)
}

// newClient connects.
func (c *Cluster) newClient(ctx context.Context) (sarama.Client, error) {
	config := *c.config()
	if c.access.Dial != nil {
		config.Net.Proxy.Enable = true
		config.Net.Proxy.Dialer = dialer{context.WithoutCancel(ctx), c.access.Dial, c.timeout}
	}
	return sarama.NewClient(c.access.Bootstrap, &config)
}
