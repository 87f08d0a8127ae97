package kafka

// matcher compares two feeds record by record: a copy holds the records of its source in their order, with repetitions
// where a worker crashed and holes where something was lost. It looks no farther than its window, ahead and back.
type matcher struct {
	source, copy *feed
	window       int
	copied       int64 // source offset from which on records need not have arrived yet
	result       Comparison

	past    []uint64 // sums of the latest matches, a ring
	at      int
	back    map[uint64]int      // the same as a set, once somebody asked
	skipped map[uint64][]digest // of the source, passed over by the copy
	order   []digest            // the same in their order, to forget the oldest
	expired []digest            // skipped, and a window ago; bounded by examples, counted in late
	late    int64
	strays  int64 // of the copy, found nowhere within the window
}

func (m *matcher) run() Comparison {
	m.skipped = map[uint64][]digest{}
	for {
		c, ok := m.copy.peek(0)
		if !ok {
			break
		}
		if s, left := m.source.peek(0); left && s.sum == c.sum {
			m.match(s)
			m.source.advance()
			m.copy.advance()
			continue
		}
		m.resolve(c)
	}
	m.rest()
	return m.result
}

func (m *matcher) match(s digest) {
	m.result.Matched++
	if m.back != nil {
		if len(m.past) == m.window {
			old := m.past[m.at]
			if m.back[old]--; m.back[old] == 0 {
				delete(m.back, old)
			}
		}
		m.back[s.sum]++
	}
	if len(m.past) < m.window {
		m.past = append(m.past, s.sum)
		return
	}
	m.past[m.at] = s.sum
	m.at = (m.at + 1) % m.window
}

// resolve says what the copy's next record is, when it is not the source's next.
func (m *matcher) resolve(c digest) {
	if m.back == nil {
		m.back = map[uint64]int{}
		for _, sum := range m.past {
			m.back[sum]++
		}
	}
	if earlier := m.skipped[c.sum]; len(earlier) > 0 {
		m.take(c.sum)
		m.match(earlier[0])
		m.note(OutOfOrder, earlier[0].offset, c.offset)
		m.copy.advance()
		return
	}
	if m.back[c.sum] > 0 {
		m.note(Duplicate, -1, c.offset)
		m.copy.advance()
		return
	}
	if n, ok := m.source.find(c.sum, m.window); ok {
		for range n {
			s, _ := m.source.peek(0)
			m.skip(s)
			m.source.advance()
		}
		return
	}
	if s, left := m.source.peek(0); left && s.key == c.key {
		m.note(Different, s.offset, c.offset)
		m.source.advance()
		m.copy.advance()
		return
	}
	m.strays++
	m.note(Stray, -1, c.offset)
	m.copy.advance()
}

// skip remembers a record of the source that the copy has passed over: it may still come.
func (m *matcher) skip(s digest) {
	m.skipped[s.sum] = append(m.skipped[s.sum], s)
	m.order = append(m.order, s)
	if len(m.order) <= m.window {
		return
	}
	oldest := m.order[0]
	m.order = m.order[1:]
	if held := m.skipped[oldest.sum]; len(held) > 0 && held[0].offset == oldest.offset {
		m.take(oldest.sum)
		m.late++
		if len(m.expired) < examples {
			m.expired = append(m.expired, oldest)
		}
	}
}

func (m *matcher) take(sum uint64) {
	if rest := m.skipped[sum][1:]; len(rest) > 0 {
		m.skipped[sum] = rest
	} else {
		delete(m.skipped, sum)
	}
}

// rest judges what is left when the copy has ended. A record that was skipped is missing when every record of the copy is
// accounted for; else a stray may be it, farther off than the window.
func (m *matcher) rest() {
	for {
		s, ok := m.source.peek(0)
		if !ok {
			break
		}
		m.source.advance()
		if s.offset >= m.copied {
			m.result.Waiting++
		} else {
			m.missing(s.offset)
		}
	}
	for _, s := range m.order {
		if held := m.skipped[s.sum]; len(held) > 0 && held[0].offset == s.offset {
			m.take(s.sum)
			m.missing(s.offset)
		}
	}
	for _, s := range m.expired {
		m.example(Missing, s.offset, -1)
	}
	unproven := min(m.late, m.strays)
	m.result.Missing += m.late - unproven
	m.result.Unproven += unproven
	m.result.Strays -= unproven
}

func (m *matcher) missing(offset int64) { m.note(Missing, offset, -1) }

func (m *matcher) note(kind DifferenceKind, source, copied int64) {
	switch kind {
	case Missing:
		m.result.Missing++
	case Duplicate:
		m.result.Duplicates++
	case Different:
		m.result.Different++
	case OutOfOrder:
		m.result.OutOfOrder++
	case Stray:
		m.result.Strays++
	}
	m.example(kind, source, copied)
}

// examples of each kind are kept, the first ones.
const examples = 10

func (m *matcher) example(kind DifferenceKind, source, copied int64) {
	n := 0
	for _, d := range m.result.Examples {
		if d.Kind == kind {
			n++
		}
	}
	if n < examples {
		m.result.Examples = append(m.result.Examples, Difference{kind, source, copied})
	}
}
