package kafka

import (
	"context"
	"hash/maphash"
)

// digest stands for one record in a comparison.
type digest struct {
	offset   int64
	sum, key uint64 // of key and value, of the key alone
}

// feed is one side of a comparison: records come in batches, and it holds no more of them than the window and a batch.
type feed struct {
	batches <-chan []digest
	held    []digest
	head    int
	ended   bool
	ahead   map[uint64]int // sums that are held, once somebody asked
}

// peek gives the i-th record that is left.
func (f *feed) peek(i int) (digest, bool) {
	for f.head+i >= len(f.held) && !f.ended {
		batch, ok := <-f.batches
		f.ended = !ok
		if f.head > len(f.held)/2 {
			f.held = append(f.held[:0], f.held[f.head:]...)
			f.head = 0
		}
		f.held = append(f.held, batch...)
		if f.ahead != nil {
			for _, d := range batch {
				f.ahead[d.sum]++
			}
		}
	}
	if f.head+i >= len(f.held) {
		return digest{}, false
	}
	return f.held[f.head+i], true
}

func (f *feed) advance() {
	if f.ahead != nil {
		sum := f.held[f.head].sum
		if f.ahead[sum]--; f.ahead[sum] == 0 {
			delete(f.ahead, sum)
		}
	}
	f.head++
}

// find gives how far ahead a sum is, within the window.
func (f *feed) find(sum uint64, window int) (int, bool) {
	f.peek(window) // fills up to there
	if f.ahead == nil {
		f.ahead = map[uint64]int{}
		for _, d := range f.held[f.head:] {
			f.ahead[d.sum]++
		}
	}
	if f.ahead[sum] == 0 {
		return 0, false
	}
	for i := range min(window, len(f.held)-f.head) {
		if f.held[f.head+i].sum == sum {
			return i, true
		}
	}
	return 0, false
}

// stream reads a range into a feed. Marks are left out, and with committedOnly the records of aborted transactions too.
// The error comes after the feed has ended.
func stream(ctx context.Context, reader RecordReader, r Range, seed maphash.Seed, committedOnly bool) (*feed, <-chan error) {
	batches, failed := make(chan []digest, 2), make(chan error, 1)
	filter := transactions{committedOnly: committedOnly}
	send := func(batch []digest) error {
		select {
		case batches <- batch:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	go func() {
		defer close(batches)
		err := reader.Read(ctx, []Range{r}, func(_ Partition, records []Record) error {
			batch := make([]digest, 0, len(records))
			for _, record := range records {
				batch = filter.add(batch, record, seed)
			}
			return send(batch)
		})
		failed <- err
	}()
	return &feed{batches: batches}, failed
}

// transactions lets records through as a reader of committed records sees them: what comes after the first record of an
// open transaction waits for its end.
type transactions struct {
	committedOnly bool
	waiting       []waiting
}

type waiting struct {
	digest
	producer int64
	fate     Mark // zero: open
}

func (t *transactions) add(out []digest, record Record, seed maphash.Seed) []digest {
	if record.Mark == "" {
		d := digest{offset: record.Offset, key: bytesOrNone(seed, record.Key)}
		d.sum = bytesOrNone(seed, record.Value) ^ (d.key*0x9E3779B97F4A7C15 + 1)
		if !t.committedOnly || record.Producer < 0 && len(t.waiting) == 0 {
			return append(out, d)
		}
		w := waiting{digest: d, producer: record.Producer}
		if record.Producer < 0 {
			w.fate = Committed
		}
		t.waiting = append(t.waiting, w)
		return out
	}
	for i := range t.waiting {
		if w := &t.waiting[i]; w.fate == "" && w.producer == record.Producer {
			w.fate = record.Mark
		}
	}
	done := 0
	for ; done < len(t.waiting) && t.waiting[done].fate != ""; done++ {
		if t.waiting[done].fate == Committed {
			out = append(out, t.waiting[done].digest)
		}
	}
	t.waiting = t.waiting[done:]
	return out
}

// bytesOrNone tells none, which deletes a key, from no bytes.
func bytesOrNone(seed maphash.Seed, b []byte) uint64 {
	if b == nil {
		return ^maphash.Bytes(seed, nil)
	}
	return maphash.Bytes(seed, b)
}
