package kafka

import (
	"cmp"
	"slices"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// History is what was seen of mirrors before. Without it a position cannot tell that the mirror jumped over a gap, nor
// that a topic was made anew: lag is 0 after both. It is plain data; keep it with [HistoryFile] or in a journal. The
// zero value has seen nothing.
type History struct {
	Mirrors []MirrorHistory `json:"mirrors"` // sorted by From and To
}

// MirrorHistory is what was seen of one mirror.
type MirrorHistory struct {
	From      geored.SiteName `json:"from"`
	To        geored.SiteName `json:"to"`
	Since     time.Time       `json:"since"` // of the first sample
	Last      time.Time       `json:"last"`  // of the latest one
	Tracks    []Track         `json:"tracks"`
	Incidents []Incident      `json:"incidents,omitempty"`
}

// Track is the last that was seen of a partition, also of one that is gone.
type Track struct {
	Position
	Seen  time.Time `json:"seen"`
	Moved time.Time `json:"moved"` // when Next was first seen at its value
}

// Of gives what was seen of one mirror; the zero value when nothing was.
func (h History) Of(m Mirror) MirrorHistory {
	for _, seen := range h.Mirrors {
		if seen.From == m.From && seen.To == m.To {
			return seen
		}
	}
	return MirrorHistory{From: m.From, To: m.To}
}

// With gives the history with one more sample. h itself is not changed. A sample that is older than the latest one of
// its mirror changes nothing.
func (h History) With(s Sample) History {
	before := h.Of(Mirror{From: s.From, To: s.To})
	if s.Time.Before(before.Last) {
		return h
	}
	return h.replaced(before.with(s))
}

// Settle forgets the incidents of some partitions, all when none is named: they were mirrored again, or somebody
// answers for what is lost. Of what is gone it forgets that it ever was.
func (h History) Settle(m Mirror, partitions ...Partition) History {
	settled := h.Of(m)
	var gone []Partition
	settled.Incidents = slices.DeleteFunc(slices.Clone(settled.Incidents), func(i Incident) bool {
		ended := len(partitions) == 0 || slices.Contains(partitions, i.Partition)
		if ended && i.Kind == Gone {
			gone = append(gone, i.Partition)
		}
		return ended
	})
	settled.Tracks = slices.DeleteFunc(slices.Clone(settled.Tracks), func(t Track) bool { return slices.Contains(gone, t.Partition) })
	return h.replaced(settled)
}

func (h History) replaced(m MirrorHistory) History {
	rest := slices.DeleteFunc(slices.Clone(h.Mirrors), func(o MirrorHistory) bool { return o.From == m.From && o.To == m.To })
	rest = append(rest, m)
	slices.SortFunc(rest, func(a, b MirrorHistory) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	return History{Mirrors: rest}
}

func (m MirrorHistory) with(s Sample) MirrorHistory {
	tracks := m.byPartition()
	m.Incidents = slices.Clone(m.Incidents)
	for _, p := range s.Positions {
		if p.Problem != "" {
			continue // what was not seen is no news
		}
		track := Track{Position: p, Seen: s.Time, Moved: s.Time}
		if before, known := tracks[p.Partition]; known {
			if before.Next == p.Next && before.ID == p.ID {
				track.Moved = before.Moved
			}
			m.Incidents = withIncidents(m.Incidents, before, p, s.Time)
		} else if i, found := firstSeen(p, s.Time); found {
			m.Incidents = append(m.Incidents, i)
		}
		tracks[p.Partition] = track
	}
	found, unread := s.found()
	for _, before := range m.Tracks {
		if found[before.Partition] || unread[before.Topic] || before.isCanary() { // they come and go
			continue
		}
		if i := before.gone(s.Time); !merged(m.Incidents, i) {
			m.Incidents = append(m.Incidents, i)
		}
	}
	m.Tracks = make([]Track, 0, len(tracks))
	for _, t := range tracks {
		m.Tracks = append(m.Tracks, t)
	}
	slices.SortFunc(m.Tracks, func(a, b Track) int { return a.Compare(b.Partition) })
	if m.Since.IsZero() {
		m.Since = s.Time
	}
	m.Last = s.Time
	return m
}

// found are the partitions of a sample, and the topics of which not all could be read.
func (s Sample) found() (partitions map[Partition]bool, unread map[string]bool) {
	partitions, unread = make(map[Partition]bool, len(s.Positions)), map[string]bool{}
	for _, p := range s.Positions {
		partitions[p.Partition] = true
		if p.Problem != "" {
			unread[p.Topic] = true
		}
	}
	return partitions, unread
}

// byPartition finds tracks by their partitions.
func (m MirrorHistory) byPartition() map[Partition]Track {
	tracks := make(map[Partition]Track, len(m.Tracks))
	for _, t := range m.Tracks {
		tracks[t.Partition] = t
	}
	return tracks
}

// movedAt is when the position came to where it is now; zero when that was not seen.
func (t Track) movedAt(p Position) time.Time {
	if t.Next != p.Next || t.ID != p.ID {
		return time.Time{}
	}
	return t.Moved
}
