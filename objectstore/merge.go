package objectstore

import (
	"context"
	"slices"

	"github.com/georedkit/georedkit/geored"
)

// merger compares one span over its sites, key by key. It counts on its own and adds up at the end, so that workers do
// not wait for each other.
type merger struct {
	*bucketRun
	task    *task
	cursors []*cursor
	pairs   []mergePair
	groups  [][]Object // of the key at hand, by cursor
	key     string     // compared to its end, but for what is pending
	pending []*verdicts
}

type mergePair struct {
	Pair
	a, b   int   // cursors
	byETag int64 // keys that are equal by it; counted apart from the rest, since nearly all are

	metadata [2]*Metadata // compared last
	same     bool
}

func newMerger(r *bucketRun, t *task) *merger {
	m := &merger{bucketRun: r, task: t, key: t.span.After}
	for _, between := range t.between {
		p := mergePair{Pair: Pair{From: between[0], To: between[1], EqualBy: map[Proof]int64{}, Kinds: map[Kind]int64{}}}
		p.a, p.b = m.cursor(between[0]), m.cursor(between[1])
		m.pairs = append(m.pairs, p)
	}
	m.groups = make([][]Object, len(m.cursors))
	return m
}

// cursor is the place of a site's cursor, made when it is first asked for.
func (m *merger) cursor(site geored.SiteName) int {
	i := slices.IndexFunc(m.cursors, func(c *cursor) bool { return c.site == site })
	if i < 0 {
		i = len(m.cursors)
		l := &listing{reader: m.stores[site], query: m.query(), last: m.task.span.After}
		m.cursors = append(m.cursors, &cursor{site: site, listing: l, task: m.task, within: m.Comparer, pages: make(chan []Object), used: make(chan []Object, 1)})
	}
	return i
}

// run reads all sites at once and compares until the span is done or no two sites are left.
func (m *merger) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, c := range m.cursors {
		go c.read(ctx)
	}
	for len(m.pairs) > 0 {
		key, more := m.next()
		if m.dropFailed(ctx); !more || len(m.pairs) == 0 {
			break
		}
		for i, c := range m.cursors {
			m.groups[i] = c.take(key)
		}
		m.dropFailed(ctx) // within the versions of this key
		for i := range m.pairs {
			m.compare(ctx, &m.pairs[i], key)
		}
		m.key = key
	}
	m.flush(ctx)
	m.task.close()
	m.addUp(m.pairs)
	for _, c := range m.cursors {
		m.listed(c.site, c.count)
	}
}

// next is the smallest key that any site has not been compared at.
func (m *merger) next() (key string, more bool) {
	for _, c := range m.cursors {
		if head, ok := c.peek(); ok && (!more || head < key) {
			key, more = head, true
		}
	}
	return key, more
}

// dropFailed takes out the pairs with a site whose listing broke off, and leaves the rest of the span to be compared
// between them. What a broken listing gave before counts.
func (m *merger) dropFailed(ctx context.Context) {
	failed := false
	for _, c := range m.cursors {
		if c.err != nil && !c.dropped {
			c.dropped, failed = true, true
			m.failed(c.site, c.err)
		}
	}
	if !failed {
		return
	}
	m.flush(ctx)
	var lost []Between
	kept := m.pairs[:0:0]
	for _, p := range m.pairs {
		if m.cursors[p.a].dropped || m.cursors[p.b].dropped {
			lost = append(lost, Between{p.From, p.To})
			m.addUp([]mergePair{p})
		} else {
			kept = append(kept, p)
		}
	}
	m.pairs = kept
	m.leave(Span{m.key, m.task.close().Through}, lost)
}

func (m *merger) addUp(pairs []mergePair) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range pairs {
		if p.byETag > 0 {
			p.EqualBy[ByETag] += p.byETag
		}
		m.result.pair(Between{p.From, p.To}).add(p.Pair)
	}
}

func (m *merger) listed(site geored.SiteName, count int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.result.Listed[site] += count
}
