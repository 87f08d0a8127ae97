package kafka

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"

	"github.com/georedkit/georedkit/geored"
)

// DifferenceKind is how a record of the copy differs from its source.
type DifferenceKind string

// The kinds.
const (
	Missing    DifferenceKind = "missing"      // the source has it, the copy has not
	Duplicate  DifferenceKind = "duplicate"    // the copy has it again: a worker died before it committed its position
	Different  DifferenceKind = "different"    // same key and place, other value
	OutOfOrder DifferenceKind = "out-of-order" // it comes later in the copy than in the source
	Stray      DifferenceKind = "stray"        // the copy has it, and the source has it nowhere near
)

// Difference is one of them, with its offsets; -1 where it has none.
type Difference struct {
	Kind         DifferenceKind
	Source, Copy int64
}

// Span is what is compared with what: a range of the source and the range of the copy that should hold it.
type Span struct {
	Source, Copy Range
	// Copied is the source offset from which on records need not have arrived yet.
	Copied int64
	// ReadCommitted says that the mirror leaves out records of aborted transactions.
	ReadCommitted bool
}

// Comparison is what became of one span, in records.
type Comparison struct {
	Span
	Matched    int64
	Waiting    int64 // not copied yet
	Missing    int64
	Duplicates int64
	Different  int64
	OutOfOrder int64 // matched as well
	Strays     int64
	Unproven   int64 // missing within the window; a stray may be it, farther off
	Examples   []Difference
	Err        error // why it was not compared to its end; the counts are of what was
}

// Verdict is fail when records are missing or differ, unknown when that cannot be told or none was matched yet, warn for
// duplicates and disorder. That of a zero Comparison is unknown.
func (c Comparison) Verdict() geored.Verdict {
	switch {
	case c.Missing > 0, c.Different > 0:
		return geored.Fail
	case c.Err != nil, c.Unproven > 0, c.Matched == 0 && (c.Source.From < c.Copied || c.Waiting > 0 || c.Source == Range{}):
		return geored.Unknown
	case c.Duplicates > 0, c.OutOfOrder > 0, c.Strays > 0:
		return geored.Warn
	}
	return geored.Pass
}

// String is one line of evidence.
func (c Comparison) String() string {
	text := fmt.Sprintf("%s: %d matched, %d missing, %d duplicates, %d different, %d out of order, %d strays, %d unproven, %d wait",
		c.Source.Partition, c.Matched, c.Missing, c.Duplicates, c.Different, c.OutOfOrder, c.Strays, c.Unproven, c.Waiting)
	if c.Err != nil {
		text += ": " + c.Err.Error()
	}
	return text
}

// window is how far apart a record and its copy are looked for, in records of one partition.
const window = 1 << 16

// CompareSpan compares a span, streaming both sides; it holds some megabytes whatever the length. Records that are equal
// in key and value are told apart by their order alone. Record headers and timestamps are not compared.
func CompareSpan(ctx context.Context, source, target RecordReader, span Span) Comparison {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	seed := maphash.MakeSeed()
	from, sourceErr := stream(ctx, source, span.Source, seed, span.ReadCommitted)
	to, copyErr := stream(ctx, target, span.Copy, seed, true)
	m := matcher{source: from, copy: to, window: window, copied: span.Copied}
	result := m.run()
	result.Span = span
	if result.Err = errors.Join(<-sourceErr, <-copyErr); result.Err != nil {
		result.Missing, result.Unproven = 0, result.Unproven+result.Missing // they may lie in what was not read
	}
	return result
}

// Compare compares whole topics of a mirror with their copies, all that it selects when none is named, a few partitions
// at a time. It reads from the first offset of the source whose copy an offset sync tells, or from the beginning of both.
// There is one comparison per partition, sorted; an error means that nothing was compared.
func (r *Replication) Compare(ctx context.Context, m Mirror, topics ...string) ([]Comparison, error) {
	source, target := r.sites[m.From].Records, r.sites[m.To].Records
	if source == nil || target == nil {
		return nil, fmt.Errorf("mirror %s: a site has no Records: contents cannot be compared", m)
	}
	spans, err := r.spans(ctx, m, topics)
	if err != nil {
		return nil, err
	}
	results := make([]Comparison, len(spans))
	slots := make(chan struct{}, 4)
	var comparing sync.WaitGroup
	for i, span := range spans {
		comparing.Add(1)
		slots <- struct{}{}
		go func() {
			defer func() { <-slots; comparing.Done() }()
			if results[i] = (Comparison{Span: span.Span, Err: span.err}); span.err == nil {
				results[i] = CompareSpan(ctx, source, target, span.Span)
			}
		}()
	}
	comparing.Wait()
	return results, nil
}

type span struct {
	Span
	err error
}

// spans looks at the positions, and then at the source's ends again: everything that the copy holds is then in the range.
func (r *Replication) spans(ctx context.Context, m Mirror, topics []string) ([]span, error) {
	sample, err := r.Sample(ctx, m)
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	var spans []span
	var partitions []Partition
	begins := map[Partition]OffsetSync{}
	for _, p := range sample.Positions {
		if len(topics) > 0 && !slices.Contains(topics, p.Topic) {
			continue
		}
		found[p.Topic] = true
		if p.Source.Start > 0 && len(begins) == 0 {
			if begins, err = r.firstSyncs(ctx, m, sample); err != nil {
				return nil, err
			}
		}
		spans = append(spans, p.span(sample.ReadCommitted, begins))
		partitions = append(partitions, p.Partition)
	}
	for _, t := range topics {
		if !found[t] {
			return nil, fmt.Errorf("site %s: topic %s: is not one that the mirror to %s selects", m.From, t, m.To)
		}
	}
	if len(spans) == 0 {
		return nil, fmt.Errorf("mirror %s: selects no topic: there is nothing to compare", m)
	}
	bounds, _ := r.sites[m.From].Brokers.Bounds(ctx, partitions) // an error stands in its bounds as well
	for i := range spans {
		if i < len(bounds) && spans[i].err == nil {
			spans[i].Source.To, spans[i].err = bounds[i].End, bounds[i].Err
		}
	}
	return spans, nil
}

func (p Position) span(readCommitted bool, begins map[Partition]OffsetSync) span {
	s := span{Span: Span{
		Source: Range{p.Partition, p.Source.Start, p.Source.End}, Copy: Range{Partition{p.Copy, p.Number}, p.Target.Start, p.Target.End},
		Copied: max(p.Next, p.Source.Start), ReadCommitted: readCommitted,
	}}
	if p.Problem != "" {
		s.err = errors.New(p.Problem)
	}
	if sync, ok := begins[p.Partition]; ok && p.Source.Start > 0 && sync.Downstream >= p.Target.Start {
		s.Source.From, s.Copy.From = sync.Upstream, sync.Downstream
	}
	return s
}

// firstSyncs are the first offset syncs that lie in the source's logs.
func (r *Replication) firstSyncs(ctx context.Context, m Mirror, sample Sample) (map[Partition]OffsetSync, error) {
	connector, selection, err := r.sourceConnector(ctx, m)
	if err != nil {
		return nil, err
	}
	syncs, err := r.offsetSyncs(ctx, m, selection.Policy, connector.Settings["offset-syncs.topic.location"])
	if err != nil {
		return nil, err
	}
	starts := map[Partition]int64{}
	for _, p := range sample.Positions {
		starts[p.Partition] = p.Source.Start
	}
	first := map[Partition]OffsetSync{}
	for _, s := range syncs {
		if known, ok := first[s.Partition]; s.Downstream >= 0 && s.Upstream >= starts[s.Partition] && (!ok || s.Upstream < known.Upstream) {
			first[s.Partition] = s
		}
	}
	return first, nil
}
