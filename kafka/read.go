package kafka

import (
	"context"
	"time"
)

// Range is a part of a partition's log: From is the first offset in it, To the first after it.
type Range struct {
	Partition
	From, To int64
}

// Record is one record of a log. Key and Value may share memory with other records and stay as they are.
type Record struct {
	Offset     int64
	Time       time.Time
	Key, Value []byte
	Mark       Mark  // what it means when it is no record but a mark that ends a transaction
	Producer   int64 // ID of the transactional producer; -1: in no transaction
}

// Mark is what a control record says of its producer's transaction.
type Mark string

// The marks. The zero value is an ordinary record.
const (
	Committed Mark = "committed"
	Aborted   Mark = "aborted"
	OtherMark Mark = "other" // some other control record
)

// RecordReader streams records. *stream.Reader is one.
type RecordReader interface {
	// Read gives the records of each range in the order of their offsets, marks and records of aborted transactions
	// included, in batches; it ends when all ranges are read, or with the first error, that of visit too. visit is called
	// by one goroutine and must not keep the slice. An error tells which partition was not read to its end.
	Read(ctx context.Context, ranges []Range, visit func(Partition, []Record) error) error
	// Tail looks at the records between two offsets of a partition, not more than its own limit.
	Tail(ctx context.Context, p Partition, from, to int64) (Tail, error)
}
