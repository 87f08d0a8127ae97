package stream

import (
	"context"

	"github.com/georedkit/georedkit/kafka"
)

// tailLimit is how many offsets of a tail are looked at: enough to explain a small constant lag.
const tailLimit = 10_000

// Tail is [kafka.RecordReader]'s: it looks at the first 10,000 offsets from from to to.
func (r *Reader) Tail(ctx context.Context, p kafka.Partition, from, to int64) (kafka.Tail, error) {
	end := min(to, from+tailLimit)
	tail := kafka.Tail{Examined: end - from, Complete: end == to}
	open := map[int64]int64{} // records of transactions whose end was not seen yet, by producer
	err := r.Read(ctx, []kafka.Range{{Partition: p, From: from, To: end}}, func(_ kafka.Partition, records []kafka.Record) error {
		for _, record := range records {
			count(&tail, open, record)
		}
		return nil
	})
	for _, records := range open {
		tail.Open += records
	}
	return tail, err
}

func count(tail *kafka.Tail, open map[int64]int64, record kafka.Record) {
	if record.Mark == "" && tail.Oldest.IsZero() && record.Time.UnixMilli() > 0 {
		tail.Oldest = record.Time
	}
	switch {
	case record.Mark == kafka.Committed:
		tail.Control++
		tail.Records += open[record.Producer]
		delete(open, record.Producer)
	case record.Mark == kafka.Aborted:
		tail.Control++
		tail.Aborted += open[record.Producer]
		delete(open, record.Producer)
	case record.Mark != "":
		tail.Control++
	case record.Producer >= 0:
		open[record.Producer]++
	default:
		tail.Records++
	}
}
