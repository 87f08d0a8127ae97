package geotest

import (
	"context"
	"errors"
	"sync"

	"github.com/georedkit/georedkit/geored"
)

// ErrJournalFull is what a failing [Journal] answers.
var ErrJournalFull = errors.New("no space left on device")

// Journal is a journal in memory that fails on demand. The zero value works until it is told otherwise.
type Journal struct {
	geored.MemoryJournal

	mu     sync.Mutex
	fails  bool
	room   int
	before func(geored.Record)
}

// FailAfter lets n more records in and fails from then on, as a full disk does.
func (j *Journal) FailAfter(n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.fails, j.room = true, n
}

// Before calls f with each record before it is kept: the place to kill a run at a chosen point.
func (j *Journal) Before(f func(geored.Record)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.before = f
}

// Append keeps the record, or fails as told.
func (j *Journal) Append(ctx context.Context, r geored.Record) error {
	j.mu.Lock()
	before := j.before
	full := j.fails && j.room == 0
	if j.fails && !full {
		j.room--
	}
	j.mu.Unlock()
	if before != nil {
		before(r)
	}
	if full {
		return ErrJournalFull
	}
	return j.MemoryJournal.Append(ctx, r)
}
