package broker

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/georedkit/georedkit/kafka"
)

// Cluster is the brokers of one site. It connects when it is first asked, and again after a call that did not come
// back. It is safe for concurrent use. Close it after use.
type Cluster struct {
	access  kafka.Access
	config  func() *sarama.Config // a function: it holds the password, and fmt prints what is behind a pointer
	timeout time.Duration

	mu     sync.Mutex
	client sarama.Client // nil: not connected
}

// Open validates and connects to nothing yet. The error is [geored.Faults].
func Open(access kafka.Access) (*Cluster, error) {
	if err := access.Validate(); err != nil {
		return nil, err
	}
	c := &Cluster{access: access, timeout: access.Timeout}
	if c.timeout <= 0 {
		c.timeout = 5 * time.Second
	}
	config := configure(access, c.timeout)
	c.config = func() *sarama.Config { return config }
	return c, nil
}

// Close ends the connections. A call that is under way may fail.
func (c *Cluster) Close() {
	c.mu.Lock()
	client := c.client
	c.client = nil
	c.mu.Unlock()
	if client != nil {
		go func() { _ = client.Close() }() // waits for brokers that may hang
	}
}

// forget makes the next call connect anew. Calls under way on the old connections have time to end.
func (c *Cluster) forget(client sarama.Client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client == client && client != nil {
		c.client = nil
		time.AfterFunc(c.timeout, func() { _ = client.Close() })
	}
}

// connected gives the client, made at the first call. The lock is not held while sarama connects.
func (c *Cluster) connected(ctx context.Context) (sarama.Client, error) {
	c.mu.Lock()
	client := c.client
	c.mu.Unlock()
	if client != nil && !client.Closed() {
		return client, nil
	}
	client, err := within(ctx, c.timeout, func() (sarama.Client, error) { return c.newClient(ctx) }, func(late sarama.Client) { _ = late.Close() })
	if err != nil {
		return nil, c.failed("connect", nil, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client != nil && !c.client.Closed() {
		go func() { _ = client.Close() }() // somebody else was faster
		return c.client, nil
	}
	c.client = client
	return client, nil
}

// within comes back when exchange ends, or with the context's cause, or after the timeout: sarama pays heed to neither. What
// comes after that is given to late.
func within[T any](ctx context.Context, timeout time.Duration, exchange func() (T, error), late ...func(T)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("%w within %s", kafka.ErrUnreachable, timeout))
	defer cancel()
	came := make(chan answer)
	go func() {
		value, err := exchange()
		select {
		case came <- answer{value, err}:
		case <-ctx.Done():
			for _, end := range late {
				if err == nil {
					end(value)
				}
			}
		}
	}()
	select {
	case a := <-came:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}
