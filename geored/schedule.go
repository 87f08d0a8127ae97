package geored

import (
	"sync"
	"sync/atomic"
)

// schedule runs do for every step, each when the needs it has among them are done, at most limit at once. do says
// whether its step is done; what needs one that is not never runs and is told to blocked, with the one it waited for.
// Calls of blocked never overlap with each other, nor with do for the same step.
func schedule(steps []Step, limit int, do func(i int) bool, blocked func(i, by int)) {
	if len(steps) == 0 {
		return
	}
	s := &scheduler{open: newGraph(steps), do: do, blocked: blocked, ready: make([]int, len(steps))}
	s.wake = sync.NewCond(&s.mu)
	s.left.Store(int64(len(steps)))
	s.tail.Store(int64(copy(s.ready, s.open.roots())))
	var workers sync.WaitGroup
	for range min(limit, len(steps)) {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for i := s.take(); i >= 0; i = s.take() {
				s.ended(i, s.do(i))
			}
		}()
	}
	workers.Wait()
}

// scheduler hands out steps. Those that nothing waits for are taken and ended without its lock: a run over hundreds of
// sites has mostly such.
type scheduler struct {
	do      func(i int) bool
	blocked func(i, by int)
	ready   []int        // every step comes in once; those before tail may be taken
	head    atomic.Int64 // the next one to be taken
	tail    atomic.Int64
	left    atomic.Int64 // steps that are neither done nor blocked

	mu   sync.Mutex
	wake *sync.Cond
	open *graph
	out  map[int]bool // steps that will never run
}

// take waits for a step that may run; -1 when there will be no more.
func (s *scheduler) take() int {
	for {
		if head := s.head.Load(); head < s.tail.Load() {
			if s.head.CompareAndSwap(head, head+1) {
				return s.ready[head]
			}
			continue
		}
		if s.left.Load() == 0 {
			return -1
		}
		s.mu.Lock()
		for s.head.Load() >= s.tail.Load() && s.left.Load() > 0 {
			s.wake.Wait()
		}
		s.mu.Unlock()
	}
}

func (s *scheduler) ended(i int, done bool) {
	if done && len(s.open.dependents[i]) == 0 {
		if s.left.Add(-1) == 0 {
			s.mu.Lock() // nobody may be between looking and waiting
			defer s.mu.Unlock()
			s.wake.Broadcast()
		}
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pass(i, done)
	s.left.Add(-1)
	s.wake.Broadcast()
}

// pass hands on what waited for a step, or blocks it.
func (s *scheduler) pass(i int, done bool) {
	if !done {
		s.block(i)
		return
	}
	next := s.open.done(i)
	at := s.tail.Load()
	copy(s.ready[at:], next)
	s.tail.Store(at + int64(len(next)))
}

func (s *scheduler) block(i int) {
	for _, next := range s.open.dependents[i] {
		if s.out[next] {
			continue
		}
		if s.out == nil {
			s.out = map[int]bool{}
		}
		s.out[next] = true
		s.left.Add(-1)
		s.blocked(next, i)
		s.block(next)
	}
}
