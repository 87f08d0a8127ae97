package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka/connect"
)

// Sample is what was seen of one mirror at one time. It is plain data: encoding/json keeps it.
type Sample struct {
	From          geored.SiteName `json:"from"`
	To            geored.SiteName `json:"to"`
	Time          time.Time       `json:"time"`
	ReadCommitted bool            `json:"readCommitted,omitempty"` // the mirror leaves out aborted records
	Positions     []Position      `json:"positions"`               // every partition that is to be copied, sorted
	Unmatched     []string        `json:"unmatched,omitempty"`     // patterns of topics that select none
}

// Position is how far one partition is copied.
type Position struct {
	Partition         // at the source
	Copy      string  `json:"copy"`              // name of the topic at the target
	CopyID    TopicID `json:"copyId,omitzero"`   // of that topic; zero: there is none yet, or it is not known
	ID        TopicID `json:"id"`                // of the topic at the source
	Source    Log     `json:"source"`            // at the source
	Target    Log     `json:"target"`            // of the copy; zero: there is none yet
	Next      int64   `json:"next"`              // offset that is copied next; -1: nothing was committed yet
	Tail      Tail    `json:"tail,omitzero"`     // what lies from Next to the end; zero: nothing, or nobody looked
	Unread    string  `json:"unread,omitempty"`  // why nobody could look
	Problem   string  `json:"problem,omitempty"` // why the rest is not known
}

// NothingCommitted is [Position.Next] of a partition of which the mirror has committed nothing.
const NothingCommitted = -1

// Sample looks at one mirror. The sample is complete also with partitions that could not be asked: their Problem says
// why. An error means that nothing is known.
func (r *Replication) Sample(ctx context.Context, m Mirror) (Sample, error) {
	connector, selection, err := r.sourceConnector(ctx, m)
	if err != nil {
		return Sample{}, err
	}
	// The committed offsets are read before the ends of the logs: the other way round a busy mirror would seem ahead of
	// its source.
	offsets, err := r.sites[m.To].Worker.Offsets(ctx, connector.Name)
	if err != nil {
		return Sample{}, at(m.To, err)
	}
	topics, err := r.sites[m.From].Brokers.Topics(ctx)
	if err == nil {
		var hidden []Topic
		hidden, err = r.hidden(ctx, m, selection, topics, offsets)
		topics = append(topics, hidden...)
	}
	if err != nil {
		return Sample{}, at(m.From, err)
	}
	s := Sample{From: m.From, To: m.To, Time: r.clock.Now(), ReadCommitted: selection.ReadCommitted,
		Positions: positions(m.From, topics, offsets, selection), Unmatched: selection.Unmatched(topics)}
	r.bounds(ctx, m, s.Positions)
	r.copies(ctx, m, s.Positions)
	r.tails(ctx, m, s.Positions)
	return s, nil
}

// hidden are topics that the mirror has copied from and that may not be described: brokers leave them out of the list of all
// without a word, and refuse them by name. One of which nothing was ever committed stays unseen.
func (r *Replication) hidden(ctx context.Context, m Mirror, selection Selection, listed []Topic, offsets []connect.Offset) ([]Topic, error) {
	var names []string
	for _, o := range offsets {
		if selection.Has(o.Topic) && !slices.ContainsFunc(listed, func(t Topic) bool { return t.Name == o.Topic }) {
			names = append(names, o.Topic)
		}
	}
	if slices.Sort(names); len(names) == 0 {
		return nil, nil
	}
	named, err := r.sites[m.From].Brokers.Topics(ctx, slices.Compact(names)...)
	return slices.DeleteFunc(named, func(t Topic) bool { return t.Err == nil || errors.Is(t.Err, ErrNoSuchTopic) }), err
}

// positions joins the topics that are to be copied with what was committed. What was committed for others is left out:
// Connect keeps it for ever.
func positions(site geored.SiteName, topics []Topic, offsets []connect.Offset, selection Selection) []Position {
	next := make(map[Partition]int64, len(offsets))
	for _, o := range offsets {
		next[Partition{o.Topic, o.Partition}] = o.Offset + 1
	}
	var found []Position
	for _, t := range topics {
		if !selection.Has(t.Name) {
			continue
		}
		p := Position{Partition: Partition{Topic: t.Name}, Copy: selection.Copy(t.Name), ID: t.ID, Next: NothingCommitted}
		if t.Err != nil {
			p.Problem = at(site, fmt.Errorf("topic %s: %w", t.Name, t.Err)).Error()
			found = append(found, p)
			continue
		}
		for n := range t.Partitions {
			p.Number, p.Next = n, NothingCommitted
			if at, ok := next[p.Partition]; ok {
				p.Next = at
			}
			found = append(found, p)
		}
	}
	slices.SortFunc(found, func(a, b Position) int { return a.Compare(b.Partition) })
	return found
}

// bounds fills in the logs of both sides. Both sites are asked at the same time.
func (r *Replication) bounds(ctx context.Context, m Mirror, positions []Position) {
	type side struct {
		bounds []Bounds
		err    error
	}
	ask := func(site geored.SiteName, name func(Position) Partition) <-chan side {
		partitions := make([]Partition, len(positions))
		for i, p := range positions {
			partitions[i] = name(p)
		}
		answer := make(chan side, 1)
		go func() {
			bounds, err := r.sites[site].Brokers.Bounds(ctx, partitions)
			if len(bounds) != len(partitions) {
				err = errors.Join(err, fmt.Errorf("%d bounds for %d partitions", len(bounds), len(partitions)))
				bounds = make([]Bounds, len(partitions))
				for i := range bounds {
					bounds[i].Err = err
				}
			}
			answer <- side{bounds, err}
		}()
		return answer
	}
	atSource := ask(m.From, func(p Position) Partition { return p.Partition })
	atTarget := ask(m.To, func(p Position) Partition { return Partition{p.Copy, p.Number} })
	source, target := <-atSource, <-atTarget
	for i := range positions {
		p := &positions[i]
		p.Source, p.Target = source.bounds[i].Log, target.bounds[i].Log
		switch s, t := source.bounds[i].Err, target.bounds[i].Err; {
		case p.Problem != "":
		case s != nil:
			p.Problem = at(m.From, fmt.Errorf("%s: %w", p.Partition, s)).Error()
		case t != nil && !errors.Is(t, ErrNoSuchTopic): // a copy that is not there yet is no fault of asking
			p.Problem = at(m.To, fmt.Errorf("%s/%d: %w", p.Copy, p.Number, t)).Error()
		}
	}
}

// copies fills in the identities of the copies.
func (r *Replication) copies(ctx context.Context, m Mirror, positions []Position) {
	var names []string
	for _, p := range positions {
		if p.Target.End > 0 {
			names = append(names, p.Copy)
		}
	}
	if slices.Sort(names); len(names) == 0 {
		return
	}
	topics, err := r.sites[m.To].Brokers.Topics(ctx, slices.Compact(names)...)
	told := make(map[string]Topic, len(topics))
	for _, t := range topics {
		told[t.Name] = t
	}
	for i := range positions {
		p := &positions[i]
		t := told[p.Copy]
		p.CopyID = t.ID
		if err := cmp.Or(err, t.Err); err != nil && p.Problem == "" && p.Target.End > 0 {
			p.Problem = at(m.To, fmt.Errorf("topic %s: %w", p.Copy, err)).Error()
		}
	}
}

// tails looks at what is not copied yet, in the few partitions where there is something. What cannot be looked at
// counts as waiting, since nobody can tell when.
func (r *Replication) tails(ctx context.Context, m Mirror, positions []Position) {
	reader := r.sites[m.From].Records
	if reader == nil {
		return
	}
	for i := range positions {
		p := &positions[i]
		if from := p.from(); p.Problem == "" && from < p.Source.End {
			tail, err := reader.Tail(ctx, p.Partition, from, p.Source.End)
			if p.Tail = tail; err != nil {
				p.Tail, p.Unread = Tail{}, err.Error()
			}
		}
	}
}

// LacksCopy says that records of the log were copied and that the copy is not there, or that nothing was ever written to it:
// it was deleted, or made anew. A connector whose offsets somebody altered to skip records, or whose transforms rename
// topics, looks the same. Canaries come and go: they lack nothing.
func (p Position) LacksCopy() bool {
	return p.Next > p.Source.Start && p.Target.End == 0 && !p.isCanary()
}

// uncovered are the offsets of the log up to the position for which no record of the copy can stand.
func (p Position) uncovered() int64 { return p.Next - p.Source.Start - p.Target.End }

func (p Partition) isCanary() bool { return strings.HasPrefix(p.Topic, CanaryTopic) }

// from is where the copy goes on: not before the beginning of the log.
func (p Position) from() int64 { return max(p.Next, p.Source.Start) }
