package kafka

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"testing"

	"github.com/georedkit/georedkit/geored"
)

// logReader gives records from memory, a few at a time.
type logReader struct {
	records []Record
	err     error
}

func (l logReader) Read(_ context.Context, ranges []Range, visit func(Partition, []Record) error) error {
	for i := 0; i < len(l.records); i += 3 {
		if err := visit(ranges[0].Partition, l.records[i:min(i+3, len(l.records))]); err != nil {
			return err
		}
	}
	return l.err
}

func (l logReader) Tail(context.Context, Partition, int64, int64) (Tail, error) { return Tail{}, nil }

// log makes records with the given values; the key is the first letter.
func log(values ...string) logReader {
	var l logReader
	for i, v := range values {
		l.records = append(l.records, Record{Offset: int64(i), Key: []byte(v[:1]), Value: []byte(v), Producer: -1})
	}
	return l
}

func compared(source, target logReader, copied int) Comparison {
	span := Span{Source: Range{To: int64(len(source.records))}, Copy: Range{To: int64(len(target.records))}, Copied: int64(copied)}
	c := CompareSpan(context.Background(), source, target, span)
	c.Span, c.Examples = Span{}, nil
	return c
}

func TestCompareSpan(t *testing.T) {
	for _, c := range []struct {
		name         string
		source, copy logReader
		want         Comparison
	}{
		{"same", log("a", "b", "c", "d"), log("a", "b", "c", "d"), Comparison{Matched: 4}},
		{"hole", log("a", "b", "c", "d"), log("a", "d"), Comparison{Matched: 2, Missing: 2}},
		{"end missing", log("a", "b", "c"), log("a"), Comparison{Matched: 1, Missing: 2}},
		{"nothing there", log("a", "b"), log(), Comparison{Missing: 2}},
		{"crash", log("a", "b", "c", "d"), log("a", "b", "c", "b", "c", "d"), Comparison{Matched: 4, Duplicates: 2}},
		{"crash, and a hole", log("a", "b", "c", "d", "e"), log("a", "b", "a", "b", "d", "e"), Comparison{Matched: 4, Duplicates: 2, Missing: 1}},
		{"other value", log("a", "b1", "c"), log("a", "b2", "c"), Comparison{Matched: 2, Different: 1}},
		{"late", log("a", "b", "c", "d"), log("a", "c", "b", "d"), Comparison{Matched: 4, OutOfOrder: 1}},
		{"late, then twice", log("a", "b", "c", "d"), log("a", "c", "b", "b", "d"), Comparison{Matched: 4, OutOfOrder: 1, Duplicates: 1}},
		{"stray", log("a", "b"), log("a", "x", "b"), Comparison{Matched: 2, Strays: 1}},
		{"same record again and again", log("a", "a", "a"), log("a", "a"), Comparison{Matched: 2, Missing: 1}},
	} {
		if got := compared(c.source, c.copy, len(c.source.records)); fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", c.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", c.name, got, c.want)
		}
	}
}

func TestCompareWaits(t *testing.T) {
	if got := compared(log("a", "b", "c", "d"), log("a"), 2); got.Missing != 1 || got.Waiting != 2 || got.Verdict() != geored.Fail {
		t.Errorf("%+v", got)
	}
}

// What was not read to its end cannot be called missing.
func TestCompareBrokenOff(t *testing.T) {
	broken := log("a", "b")
	broken.err = errors.New("connection reset")
	got := compared(log("a", "b", "c", "d"), broken, 4)
	if got.Err == nil || got.Missing != 0 || got.Unproven != 2 || got.Verdict() != geored.Unknown {
		t.Errorf("%+v %s", got, got.Verdict())
	}
}

func TestCompareLeavesOutAborted(t *testing.T) {
	source := logReader{records: []Record{
		{Offset: 0, Value: []byte("a"), Producer: 1}, {Offset: 1, Value: []byte("b"), Producer: 2}, {Offset: 2, Value: []byte("c"), Producer: -1},
		{Offset: 3, Mark: Aborted, Producer: 1}, {Offset: 4, Mark: Committed, Producer: 2},
	}}
	target := logReader{records: []Record{{Offset: 0, Value: []byte("b"), Producer: -1}, {Offset: 1, Value: []byte("c"), Producer: -1}}}
	span := Span{Source: Range{To: 5}, Copy: Range{To: 2}, Copied: 5, ReadCommitted: true}
	if got := CompareSpan(t.Context(), source, target, span); got.Matched != 2 || got.Verdict() != geored.Pass {
		t.Errorf("%s", got)
	}
	span.ReadCommitted = false
	if got := CompareSpan(t.Context(), source, target, span); got.Matched != 2 || got.Missing != 1 {
		t.Errorf("%s", got)
	}
}

// Beyond the window nothing is called missing while a stray may be it.
func TestBeyondTheWindowIsUnproven(t *testing.T) {
	source, target := log(), log()
	add := func(l *logReader, v string) {
		l.records = append(l.records, Record{Offset: int64(len(l.records)), Key: []byte(v), Value: []byte(v), Producer: -1})
	}
	add(&source, "late")
	for i := range 3 * window {
		add(&source, fmt.Sprint(i))
		if i%2 == 0 { // every other one is skipped, so that the skipped ones are pushed out of the window
			add(&target, fmt.Sprint(i))
		}
	}
	add(&target, "late")
	got := compared(source, target, len(source.records))
	if want := int64(3*window/2 + 1); got.Unproven != 1 || got.Missing != want-1 || got.Strays != 0 {
		t.Errorf("%+v", got)
	}
}

func BenchmarkCompareSpan(b *testing.B) {
	var values []string
	for i := range 100_000 {
		values = append(values, fmt.Sprintf("%0200d", i))
	}
	source := log(values...)
	b.SetBytes(2 * 200 * int64(len(values)))
	for b.Loop() {
		if c := compared(source, source, len(values)); c.Verdict() != geored.Pass {
			b.Fatal(c)
		}
	}
}

// A tombstone deletes its key; an empty value does not.
func TestATombstoneIsNoEmptyValue(t *testing.T) {
	seed := maphash.MakeSeed()
	sum := func(value []byte) uint64 {
		return (&transactions{}).add(nil, Record{Key: []byte("k"), Value: value, Producer: -1}, seed)[0].sum
	}
	if sum(nil) == sum([]byte{}) {
		t.Error("they are told apart no more")
	}
}
