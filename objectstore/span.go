package objectstore

import (
	"slices"
	"sync"
)

// Span is the keys behind After up to and with Through. Zero After: from the beginning; zero Through: to the end.
type Span struct {
	After   string `json:"after,omitempty"`
	Through string `json:"through,omitempty"`
}

func (s Span) holds(key string) bool { return s.Through == "" || key <= s.Through }

// task is a span under way. Another worker may cut off its far end as long as nobody has read there.
type task struct {
	mu      sync.Mutex
	span    Span
	cuts    []string  // keys inside at which it may be cut, ascending
	reached string    // the farthest key that any site's listing has handed out
	between []Between // what is to be compared
}

// clip takes note of how far a page reached and drops what stands behind the span; end says that nothing is left.
func (t *task) clip(objects []Object) (kept []Object, end bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(objects)
	for n > 0 && !t.span.holds(objects[n-1].Key) {
		n--
	}
	if n > 0 {
		t.reached = max(t.reached, objects[n-1].Key)
	}
	return objects[:n], n < len(objects)
}

// remaining counts the cuts that nobody has reached yet.
func (t *task) remaining() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	i, _ := slices.BinarySearch(t.cuts, t.reached+"\x00")
	return len(t.cuts) - i
}

// split cuts off the far half of what is not reached, or gives nil.
func (t *task) split() *task {
	t.mu.Lock()
	defer t.mu.Unlock()
	i, _ := slices.BinarySearch(t.cuts, t.reached+"\x00")
	open := t.cuts[i:]
	if len(open) == 0 {
		return nil
	}
	at := len(open) / 2
	far := &task{span: Span{open[at], t.span.Through}, cuts: open[at+1:], reached: open[at], between: t.between}
	t.span.Through, t.cuts = open[at], open[:at]
	return far
}

// close forbids further cutting and gives the span as it is now.
func (t *task) close() Span {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cuts = nil
	return t.span
}

// deal cuts a span into n tasks of about as many cuts each, or as many as the cuts allow.
func deal(span Span, cuts []string, n int) []*task {
	inside := slices.DeleteFunc(slices.Clone(cuts), func(cut string) bool {
		return cut <= span.After || !span.holds(cut) || cut == span.Through
	})
	tasks := []*task{{span: span, cuts: inside, reached: span.After}}
	for len(tasks) < n {
		widest := slices.MaxFunc(tasks, func(a, b *task) int { return len(a.cuts) - len(b.cuts) })
		far := widest.split()
		if far == nil {
			break
		}
		tasks = append(tasks, far)
	}
	return tasks
}

// queue hands out tasks; a worker that finds none left takes a part of another's.
type queue struct {
	mu      sync.Mutex
	waiting []*task
	running []*task
}

func (q *queue) take() *task {
	q.mu.Lock()
	defer q.mu.Unlock()
	var t *task
	if len(q.waiting) > 0 {
		t, q.waiting = q.waiting[0], q.waiting[1:]
	} else if len(q.running) > 0 {
		widest := slices.MaxFunc(q.running, func(a, b *task) int { return a.remaining() - b.remaining() })
		t = widest.split()
	}
	if t != nil {
		q.running = append(q.running, t)
	}
	return t
}

func (q *queue) finish(t *task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.running = slices.DeleteFunc(q.running, func(r *task) bool { return r == t })
}
