package kafka

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// Partition is one partition of a topic. It is comparable.
type Partition struct {
	Topic  string `json:"topic"`
	Number int32  `json:"partition"`
}

// String is "orders/3".
func (p Partition) String() string { return fmt.Sprintf("%s/%d", p.Topic, p.Number) }

// Compare orders by topic, then by number.
func (p Partition) Compare(other Partition) int {
	return cmp.Or(cmp.Compare(p.Topic, other.Topic), cmp.Compare(p.Number, other.Number))
}

// TopicID is the identity that a broker gives a topic when it is made: a topic that was deleted and made again under
// its old name has another. Zero: unknown (brokers before 2.8).
type TopicID [16]byte

// IsZero says that the identity is unknown.
func (id TopicID) IsZero() bool { return id == TopicID{} }

// String is the identity in hexadecimal, "" when unknown.
func (id TopicID) String() string {
	if id.IsZero() {
		return ""
	}
	return hex.EncodeToString(id[:])
}

// MarshalText writes what [TopicID.String] gives.
func (id TopicID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what [TopicID.MarshalText] wrote.
func (id *TopicID) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*id = TopicID{}
		return nil
	}
	if len(text) != hex.EncodedLen(len(id)) {
		return fmt.Errorf("topic ID %q: is not 32 hexadecimal digits", text)
	}
	_, err := hex.Decode(id[:], text)
	return err
}

// Topic is a topic as the brokers describe it.
type Topic struct {
	Name       string
	ID         TopicID
	Partitions int32
	Err        error // why the brokers do not describe it, such as [ErrDenied]
}

// Log is where a partition's log begins and ends.
type Log struct {
	Start int64 `json:"start"` // offset of the first record that retention has left
	End   int64 `json:"end"`   // offset that the next record will get
}

// Bounds is the answer for one partition: its log, or why it is not known.
type Bounds struct {
	Partition
	Log
	Err error
}

// Kinds of errors of brokers, for errors.Is.
var (
	ErrUnreachable    = errors.New("the brokers give no answer")
	ErrDenied         = errors.New("the brokers deny the request")
	ErrNoSuchTopic    = errors.New("there is no such topic")
	ErrNotAdvertised  = errors.New("the bootstrap server answers, a broker that it advertises does not")
	ErrBadCredentials = errors.New("the brokers refuse the credentials")
)

// Brokers is what must be asked of a site's brokers. *broker.Cluster is one.
type Brokers interface {
	// Topics describes the named topics, all when none is named, sorted by name. A named topic that does not exist
	// comes with [ErrNoSuchTopic].
	Topics(ctx context.Context, names ...string) ([]Topic, error)
	// Bounds gives the log of each partition, in the order in which they were asked for. It is complete also with an
	// error.
	Bounds(ctx context.Context, partitions []Partition) ([]Bounds, error)
	// GroupOffsets gives what every consumer group has committed, sorted by group and partition.
	GroupOffsets(ctx context.Context) ([]GroupOffset, error)
	// Retention gives what the brokers keep of each named topic, by its name.
	Retention(ctx context.Context, topics []string) (map[string]Retention, error)
}

// Tail is what lies between a mirror's position and the end of the log.
type Tail struct {
	Records  int64     `json:"records"`         // in transactions that were committed, or in none: to be copied
	Aborted  int64     `json:"aborted"`         // of aborted transactions: MirrorMaker copies them unless it reads committed records alone
	Open     int64     `json:"open"`            // of transactions that are still open
	Control  int64     `json:"control"`         // marks that end a transaction; never copied
	Oldest   time.Time `json:"oldest,omitzero"` // timestamp of the first record of any kind but control
	Examined int64     `json:"examined"`        // offsets looked at, holes of compaction included
	Complete bool      `json:"complete"`        // all of it was looked at; else the counts are of its beginning
}
