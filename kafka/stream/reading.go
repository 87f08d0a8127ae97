package stream

import (
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/georedkit/georedkit/kafka"
)

// reading is how far one call has come.
type reading struct {
	left    map[kafka.Partition]kafka.Range // From moves on; what is read to its end is gone
	records []kafka.Record                  // reused for every batch
}

func newReading(ranges []kafka.Range) *reading {
	r := &reading{left: make(map[kafka.Partition]kafka.Range, len(ranges))}
	for _, one := range ranges {
		if one.From < one.To {
			r.left[one.Partition] = one
		}
	}
	return r
}

func (r *reading) starts() map[string]map[int32]kgo.Offset {
	starts := map[string]map[int32]kgo.Offset{}
	for p, one := range r.left {
		if starts[p.Topic] == nil {
			starts[p.Topic] = map[int32]kgo.Offset{}
		}
		starts[p.Topic][p.Number] = kgo.NewOffset().At(one.From)
	}
	return starts
}

// next is a partition that is not read to its end: the first by name.
func (r *reading) next() kafka.Partition {
	var first kafka.Partition
	for p := range r.left {
		if first.Topic == "" || p.Compare(first) < 0 {
			first = p
		}
	}
	return first
}

// take hands over what came of each range and stops fetching those that are read.
func (r *reading) take(client *kgo.Client, fetches kgo.Fetches, visit func(kafka.Partition, []kafka.Record) error) error {
	var err error
	fetches.EachPartition(func(came kgo.FetchTopicPartition) {
		p := kafka.Partition{Topic: came.Topic, Number: came.Partition}
		one, wanted := r.left[p]
		if err != nil || !wanted || len(came.Records) == 0 {
			return
		}
		r.records = r.records[:0]
		for _, record := range came.Records {
			if one.From = record.Offset + 1; record.Offset < one.To {
				r.records = append(r.records, convert(record))
			}
		}
		if len(r.records) > 0 {
			err = visit(p, r.records)
		}
		if one.From >= one.To {
			delete(r.left, p)
			client.PauseFetchPartitions(map[string][]int32{p.Topic: {p.Number}})
			return
		}
		r.left[p] = one
	})
	return err
}

func convert(record *kgo.Record) kafka.Record {
	converted := kafka.Record{Offset: record.Offset, Time: record.Timestamp, Key: record.Key, Value: record.Value, Producer: -1}
	if record.Attrs.IsTransactional() {
		converted.Producer = record.ProducerID
	}
	if record.Attrs.IsControl() {
		converted.Mark = markOf(record.Key)
	}
	return converted
}

// markOf reads a control record's key: version and type, an int16 each (KIP-98).
func markOf(key []byte) kafka.Mark {
	if len(key) < 4 {
		return kafka.OtherMark
	}
	switch binary.BigEndian.Uint16(key[2:]) {
	case 0:
		return kafka.Aborted
	case 1:
		return kafka.Committed
	}
	return kafka.OtherMark
}
