package geored

import "sync"

// schedule runs do for every step, each when the needs it has among them are done, at most limit at once. do says
// whether its step is done; what needs one that is not never runs and is told to blocked, with the one it waited for.
// Calls of blocked never overlap with each other, nor with do for the same step.
func schedule(steps []Step, limit int, do func(i int) bool, blocked func(i, by int)) {
	if len(steps) == 0 {
		return
	}
	s := &scheduler{open: newGraph(steps), left: len(steps), out: make([]bool, len(steps)),
		ready: make(chan int, len(steps)), blocked: blocked}
	for _, i := range s.open.roots() {
		s.ready <- i
	}
	var workers sync.WaitGroup
	for range min(limit, len(steps)) {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for i := range s.ready {
				s.ended(i, do(i))
			}
		}()
	}
	workers.Wait()
}

type scheduler struct {
	ready   chan int
	blocked func(i, by int)

	mu   sync.Mutex
	open *graph
	out  []bool // steps that will never run
	left int
}

func (s *scheduler) ended(i int, done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left--
	if done {
		for _, next := range s.open.done(i) {
			s.ready <- next
		}
	} else {
		s.block(i)
	}
	if s.left == 0 {
		close(s.ready)
	}
}

func (s *scheduler) block(i int) {
	for _, next := range s.open.dependents[i] {
		if s.out[next] {
			continue
		}
		s.out[next] = true
		s.left--
		s.blocked(next, i)
		s.block(next)
	}
}
