package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// change does what is not only proof: plan, run or undo. end says that nothing comes after it.
func (s *session) change(ctx context.Context, d Deployment, events *events) (code int, end bool, err error) {
	book, plan, err := s.plan(ctx, d)
	if err != nil {
		return refusal(err), true, interruptedOr(ctx, err)
	}
	if s.Plan != "" {
		if err := s.writePlan(ctx, book, plan); err != nil {
			return ExitUnknown, true, err
		}
		return ExitPass, true, nil
	}
	s.screen.printf("  %-12s %s   (-plan FILE to review it first)\n", "plan", planLine(plan))
	if err := s.permitted(d); err != nil {
		return ExitUsage, true, err
	}
	observe := func(e geored.Event) {
		events.write(e)
		s.screen.event(e)
	}
	work, err := s.begin(ctx, d, observe)
	switch {
	case errors.Is(err, geored.ErrHeld):
		return ExitUnknown, true, err
	case err != nil:
		return refusal(err), true, interruptedOr(ctx, err)
	}
	defer func() { err = errors.Join(err, work.end(ctx)) }()
	config := geored.RunConfig{
		Journal: work.journal, Lock: geored.HeldLock(work.lock), StepTimeout: s.Timeout, Confirmed: s.Confirm, Clusters: plan.Clusters, Observer: observe,
	}
	if s.Undo {
		code, err = s.undo(ctx, book, config)
		return code, true, err
	}
	attend := attending(func(ctx context.Context, _ geored.Journal) (context.Context, func()) { return ctx, func() {} })
	if attendant, ok := d.(Attendant); ok {
		attend = attendant.Attend
	}
	code, err = s.install(ctx, book, plan, config, attend)
	return code, false, err
}

func (s *session) install(ctx context.Context, book geored.Runbook, plan geored.Plan, c geored.RunConfig, attend attending) (int, error) {
	mine, err := geored.Applied(ctx, c.Journal, book.Name)
	if err != nil {
		return ExitUsage, err
	}
	if c.Plan, err = s.agreed(plan, mine); err != nil {
		return ExitUsage, err
	}
	last, err := geored.LastRun(ctx, c.Journal)
	if err != nil {
		return ExitUsage, err
	}
	if last.Interrupted() && !last.Undo && (last.Plan == "" || last.Plan == c.Plan) {
		c.RunID = last.Run
		s.screen.printf("  going on with the run of %s: %d steps were proven before it was interrupted\n", last.Begun.Local().Format(time.DateTime), len(last.Proven))
	}
	watched, stop := attend(ctx, c.Journal)
	result, err := book.Run(watched, c)
	stop()
	s.document.Run = result
	return s.ended(ctx, result, err)
}

// attending is [Attendant]'s.
type attending func(ctx context.Context, journal geored.Journal) (watched context.Context, stop func())

// ended is the exit code of a run.
func (s *session) ended(ctx context.Context, result geored.Result, err error) (int, error) {
	_, faults := geored.AsFaults(err)
	switch {
	case err == nil:
		return ExitPass, nil
	case ctx.Err() != nil:
		return ExitInterrupted, context.Cause(ctx)
	case result.Count(geored.Failed) > 0: // with faults inside too: it was not refused, it began
		return ExitFail, err
	case faults:
		return ExitUsage, err
	}
	return ExitUnknown, err
}

// work is what a change of the clusters holds while it goes on.
type work struct {
	lock    geored.Lock
	journal geored.Journal
	file    *geored.FileJournal
}

// begin takes the locks, of this machine and of the clusters, before it touches the journal, which is for one process at a time:
// what another one wrote into it until it let go is read too.
func (s *session) begin(ctx context.Context, d Deployment, tell func(geored.Event)) (*work, error) {
	dir := s.journalDir()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	holder := s.holder()
	locks := []geored.Lock{geored.NewFileLock(filepath.Join(dir, s.Name+".lock"), holder)}
	if locker, ok := d.(Locker); ok {
		locks = append(locks, locker.Lock(holder))
	}
	w := &work{lock: geored.AllLocks(locks...)}
	awaiting := geored.WatchLock(ctx, func(held *geored.HeldError, until time.Time) {
		tell(geored.Event{Time: time.Now(), Kind: geored.LockAwaited, Detail: held.Error(), Holder: &held.Holder, Until: until})
	})
	if err := w.lock.Acquire(awaiting); err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if err := w.open(ctx, s, d, filepath.Join(dir, s.Name+".journal")); err != nil {
		return nil, errors.Join(err, w.end(ctx))
	}
	return w, nil
}

func (w *work) open(ctx context.Context, s *session, d Deployment, path string) (err error) {
	if w.file, err = geored.OpenFileJournal(path); errors.Is(err, geored.ErrJournalCorrupt) {
		return fmt.Errorf("%w; look at it, then move it away: a run finds by looking what was done, and only -undo needs the journal of it", err)
	}
	if err != nil {
		return err
	}
	w.journal = w.file
	if s.Journal != journalKubernetes {
		return nil
	}
	recorder, ok := d.(Recorder)
	if !ok {
		return fmt.Errorf("-journal kubernetes: %s keeps no journal in its clusters", s.Name)
	}
	w.journal, err = recorder.Journal(ctx, s.Name, w.file)
	return err
}

func (w *work) end(ctx context.Context) error {
	var err error
	if w.file != nil {
		err = w.file.Close()
	}
	return errors.Join(err, w.lock.Release(context.WithoutCancel(ctx)))
}

const journalKubernetes = "kubernetes"

func (s *session) journalDir() string {
	switch {
	case s.Journal != "" && s.Journal != journalKubernetes:
		return s.Journal
	case s.lab != nil:
		return filepath.Join(s.lab.running.Dir, "journal")
	}
	return ".georedkit"
}

// holder says who runs this program, for those who are refused.
func (s *session) holder() geored.Holder {
	return geored.Holder{Owner: fmt.Sprintf("%s, process %d", operator(), os.Getpid()), What: s.Name, Since: s.began}
}

// operator is who runs this program, and where.
func operator() string {
	name := os.Getenv("USER")
	if who, err := user.Current(); err == nil {
		name = who.Username
	}
	host, _ := os.Hostname() // what is not known is left out
	return cmp.Or(name, "somebody") + "@" + cmp.Or(host, "somewhere")
}
