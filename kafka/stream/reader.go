package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/georedkit/georedkit/kafka"
)

// Reader reads records of one site. It is safe for concurrent use; every call has connections of its own, which end
// soon after it.
type Reader struct {
	access  kafka.Access
	timeout time.Duration
	options []kgo.Opt
}

// Open validates and connects to nothing. The error is [geored.Faults].
func Open(access kafka.Access) (*Reader, error) {
	if err := access.Validate(); err != nil {
		return nil, err
	}
	r := &Reader{access: access, timeout: access.Timeout}
	if r.timeout <= 0 {
		r.timeout = 5 * time.Second
	}
	r.options = []kgo.Opt{
		kgo.SeedBrokers(access.Bootstrap...),
		kgo.ClientID("georedkit"),
		kgo.DialTimeout(r.timeout),
		kgo.RetryTimeout(r.timeout),
		kgo.DisableClientMetrics(), // nobody asked for them
		kgo.KeepControlRecords(),
		kgo.KeepRetryableFetchErrors(), // a topic that is gone is an error, not a reason to wait
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxWait(250 * time.Millisecond),
		kgo.FetchMaxBytes(16 << 20),
	}
	r.options = append(r.options, way(access, r.timeout)...)
	if access.SASL != nil {
		r.options = append(r.options, kgo.SASL(mechanism(*access.SASL)))
	}
	return r, nil
}

func mechanism(s kafka.SASL) sasl.Mechanism {
	auth := scram.Auth{User: s.User, Pass: s.Password.Reveal()}
	switch s.Mechanism {
	case kafka.ScramSHA256:
		return auth.AsSha256Mechanism()
	case kafka.ScramSHA512:
		return auth.AsSha512Mechanism()
	}
	return plain.Auth{User: auth.User, Pass: auth.Pass}.AsMechanism()
}

// Read is [kafka.RecordReader]'s. A broker that gives nothing for the timeout although records are left ends it with
// [kafka.ErrUnreachable]; where it shows that none are, compaction has left nothing.
func (r *Reader) Read(ctx context.Context, ranges []kafka.Range, visit func(kafka.Partition, []kafka.Record) error) error {
	reading := newReading(ranges)
	if len(reading.left) == 0 {
		return nil
	}
	client, err := kgo.NewClient(append(r.options[:len(r.options):len(r.options)],
		kgo.ConsumePartitions(reading.starts()), kgo.FetchMaxPartitionBytes(fetchBytes(ranges)))...)
	if err != nil {
		return fmt.Errorf("brokers %v: %w", r.access.Bootstrap, err)
	}
	defer func() { go client.Close() }() // waits for a fetch that is under way: for a silent broker, long
	for len(reading.left) > 0 {
		fetches, err := r.poll(ctx, client)
		if errors.Is(err, errQuiet) {
			if err = r.holes(ctx, client, reading.left); err == nil {
				return nil
			}
		} else if err == nil {
			err = reading.take(client, fetches, visit)
		}
		if err != nil {
			return fmt.Errorf("brokers %v: read %s: %w", r.access.Bootstrap, reading.next(), err)
		}
	}
	return nil
}

// fetchBytes is how much is fetched of a partition at once: a look at a few records must not cost megabytes.
func fetchBytes(ranges []kafka.Range) int32 {
	var longest int64
	for _, one := range ranges {
		longest = max(longest, one.To-one.From)
	}
	return int32(min(max(longest, 64), 4096) << 10)
}

var errQuiet = errors.New("nothing came")

// poll waits for the next records: for the timeout, or until the context ends.
func (r *Reader) poll(ctx context.Context, client *kgo.Client) (kgo.Fetches, error) {
	limited, cancel := context.WithTimeoutCause(ctx, r.timeout, errQuiet)
	defer cancel()
	fetches := client.PollFetches(limited)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if limited.Err() != nil && fetches.NumRecords() == 0 {
		return nil, errQuiet
	}
	for _, e := range fetches.Errors() {
		if !errors.Is(e.Err, context.DeadlineExceeded) {
			return fetches, fmt.Errorf("%s/%d: %w", e.Topic, e.Partition, kindOf(e.Err))
		}
	}
	return fetches, nil
}

// kindOf gives an error of the client its kind.
func kindOf(err error) error {
	kind := kafka.ErrUnreachable
	var answer *kerr.Error
	switch {
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed):
		kind = kafka.ErrDenied
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		kind = kafka.ErrBadCredentials
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
		kind = kafka.ErrNoSuchTopic
	case errors.As(err, &answer):
		return err
	}
	return fmt.Errorf("%w: %w", kind, err)
}
