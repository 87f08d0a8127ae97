package broker

import (
	"context"
	"errors"
	"fmt"

	"github.com/IBM/sarama"

	"github.com/georedkit/georedkit/kafka"
)

// failed names the question, gives the error its kind, and has the next call connect anew when the connections may be
// what is broken.
func (c *Cluster) failed(what string, client sarama.Client, cause error) error {
	kind := kindOf(cause)
	if errors.Is(kind, kafka.ErrUnreachable) || errors.Is(kind, kafka.ErrNotAdvertised) { // it may be gone since
		c.forget(client)
	}
	if kind != nil && !errors.Is(cause, kind) {
		cause = fmt.Errorf("%w: %w", kind, cause)
	}
	return fmt.Errorf("brokers %v: %s: %w", c.access.Bootstrap, what, cause)
}

// kindOf says which of package kafka's kinds an error of sarama is; nil when none. What is no answer of a broker means
// that there was none.
func kindOf(err error) error {
	switch {
	case errors.Is(err, sarama.ErrTopicAuthorizationFailed), errors.Is(err, sarama.ErrClusterAuthorizationFailed),
		errors.Is(err, sarama.ErrGroupAuthorizationFailed):
		return kafka.ErrDenied
	case errors.Is(err, sarama.ErrSASLAuthenticationFailed):
		return kafka.ErrBadCredentials
	case errors.Is(err, sarama.ErrUnknownTopicOrPartition), errors.Is(err, sarama.ErrInvalidTopic):
		return kafka.ErrNoSuchTopic
	case errors.Is(err, kafka.ErrNotAdvertised):
		return kafka.ErrNotAdvertised
	case errors.Is(err, context.Canceled):
		return nil
	}
	var protocol sarama.KError
	if errors.As(err, &protocol) {
		return nil
	}
	return kafka.ErrUnreachable
}

// topicError gives a broker's answer for one topic or partition its kind.
func topicError(code sarama.KError) error {
	if code == sarama.ErrNoError {
		return nil
	}
	if kind := kindOf(code); kind != nil {
		return fmt.Errorf("%w: %w", kind, code)
	}
	return code
}
