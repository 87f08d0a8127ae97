package geotest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/georedkit/georedkit/geored"
)

// ErrRemoved is what a question gets whose answer was taken away.
var ErrRemoved = errors.New("no answer: it was taken away")

// Recorded is the answers that a check is given. The fake behind the check calls [Recorded.Answer] before each answer, or
// puts its questions through [Recall].
type Recorded struct {
	removed []string
	tape    *tape

	mu    sync.Mutex
	times map[string]int
	order []string // questions as they were numbered
	hit   int      // answers that were held back
}

// Answer says whether a question is answered: nil, or [ErrRemoved]. Questions are told apart by their text, and by how
// often they were put: "dc1 /status" and "dc1 /status, time 2". Once an answer is taken away, so are all later ones to the
// same question, because a check that asks again until it is answered has its answer.
func (r *Recorded) Answer(question string) error {
	_, err := r.put(question)
	return err
}

// put gives the question with its number.
func (r *Recorded) put(question string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.times == nil {
		r.times = map[string]int{}
	}
	r.times[question]++
	put := nth(question, r.times[question])
	r.order = append(r.order, put)
	for n := r.times[question]; n > 0; n-- {
		if slices.Contains(r.removed, nth(question, n)) {
			r.hit++
			return put, ErrRemoved
		}
	}
	return put, nil
}

// tape keeps answers from the first run on.
type tape struct {
	mu      sync.Mutex
	answers map[string]recorded
}

type recorded struct {
	answer any
	err    error
}

// Recall asks a question the first time that it is put, and gives the same answer in all later runs, unless it was taken
// away. So what is slow, or changes by the minute, is asked once. An answer must not be changed by those who get it.
func Recall[T any](r *Recorded, question string, ask func() (T, error)) (T, error) {
	var none T
	put, err := r.put(question)
	if err != nil {
		return none, err
	}
	r.tape.mu.Lock()
	kept, ok := r.tape.answers[put]
	r.tape.mu.Unlock()
	if ok {
		answer, _ := kept.answer.(T)
		return answer, kept.err
	}
	answer, err := ask()
	r.tape.mu.Lock()
	defer r.tape.mu.Unlock()
	r.tape.answers[put] = recorded{answer, err}
	return answer, err
}

// held says whether any answer was held back.
func (r *Recorded) held() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.hit > 0
}

func nth(question string, n int) string {
	if n == 1 {
		return question
	}
	return fmt.Sprintf("%s, time %d", question, n)
}

// failer is the part of testing.TB that [Honest] needs.
type failer interface {
	tester
	Context() context.Context
	Errorf(format string, args ...any)
}

// Honest holds a check to the rule of every verdict: with any answer removed it is fail or unknown, never pass, warn or
// skipped. It runs the check, with what it needs, once with all answers, and then again without each one, and without
// each two of them.
//
// checks makes the checks anew for every run, over a fake that asks the given Recorded before it answers. With all
// answers the check must pass, warn or be skipped, and must have asked something: else nothing would be shown. beside
// names, by a part of their text, the questions that others share with it and of whose answers it makes nothing.
func Honest(t failer, id geored.CheckID, checks func(*Recorded) []geored.Check, beside ...string) {
	t.Helper()
	tape := &tape{answers: map[string]recorded{}}
	all := &Recorded{tape: tape}
	whole, err := verdictOf(t.Context(), id, checks(all))
	questions := all.questions(beside)
	switch {
	case err != nil:
		t.Errorf("%s: %v", id, err)
		return
	case whole == geored.Fail || whole == geored.Unknown:
		t.Errorf("%s is %s with all answers, so taking some away shows nothing", id, whole)
		return
	case len(questions) == 0:
		t.Errorf("%s asked nothing, so no answer can be taken away", id)
		return
	}
	without := func(removed ...string) bool {
		some := &Recorded{tape: tape, removed: removed}
		verdict, err := verdictOf(t.Context(), id, checks(some))
		switch {
		case err != nil:
			t.Errorf("%s: %v", id, err)
		case !some.held():
			t.Errorf("%s did not ask %q again, so its answer was not taken away", id, removed)
		case verdict != geored.Fail && verdict != geored.Unknown:
			t.Errorf("%s is %s without the answers to %q", id, verdict, removed)
		default:
			return true
		}
		return false
	}
	questions = slices.DeleteFunc(questions, func(q string) bool { return !without(q) }) // told once, not with every other
	for i, first := range questions {
		for _, second := range questions[i+1:] {
			without(first, second)
		}
	}
}

// questions are those that were put, sorted.
func (r *Recorded) questions(beside []string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Compact(slices.Sorted(slices.Values(r.order))), func(q string) bool {
		return slices.ContainsFunc(beside, func(part string) bool { return strings.Contains(q, part) })
	})
}

// verdictOf proves a check and what it needs, and joins its own findings. Skipped alone is skipped.
func verdictOf(ctx context.Context, id geored.CheckID, checks []geored.Check) (geored.Verdict, error) {
	wanted := withNeeds(id, checks)
	if len(wanted) == 0 {
		return "", errors.New("there is no such check")
	}
	report, err := geored.Prove(ctx, geored.CheckConfig{}, wanted...)
	if err != nil {
		return "", err
	}
	var verdicts []geored.Verdict
	skipped := true
	for _, f := range report.Findings {
		if f.Check == id {
			verdicts = append(verdicts, f.Verdict)
			skipped = skipped && f.Verdict == geored.Skipped
		}
	}
	if skipped && len(verdicts) > 0 {
		return geored.Skipped, nil
	}
	return geored.Join(verdicts...), nil
}

// withNeeds picks a check and all that it needs, in their order.
func withNeeds(id geored.CheckID, checks []geored.Check) []geored.Check {
	wanted := map[geored.CheckID]bool{id: true}
	for range checks {
		for _, c := range checks {
			for _, need := range c.Needs {
				wanted[need] = wanted[need] || wanted[c.ID]
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(checks), func(c geored.Check) bool { return !wanted[c.ID] })
}

// HonestAnswers is [Honest] for the part of a check that makes findings of answers. The answers are those of a good day,
// by the targets that gave them.
func HonestAnswers[T any](t failer, id geored.CheckID, answers map[geored.Target]T, judge func(geored.Answers[T]) []geored.Finding) {
	t.Helper()
	targets := make([]geored.Target, 0, len(answers))
	for target := range answers {
		targets = append(targets, target)
	}
	slices.SortFunc(targets, func(a, b geored.Target) int { return strings.Compare(a.String(), b.String()) })
	Honest(t, id, func(r *Recorded) []geored.Check {
		return []geored.Check{{ID: id, Title: string(id), Run: func(ctx context.Context) []geored.Finding {
			return judge(geored.Ask(ctx, targets, func(_ context.Context, target geored.Target) (T, error) {
				return answers[target], r.Answer(target.String())
			}))
		}}}
	})
}
