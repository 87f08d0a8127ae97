package ice

import (
	"context"
	"fmt"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// WatchConfig is how patient a recovery is with sites that do not answer.
type WatchConfig struct {
	Every time.Duration // between two looks; zero: 3 seconds
	Looks int           // in a row that must find them apart; zero: 3
}

func (c WatchConfig) withDefaults() WatchConfig {
	if c.Every <= 0 {
		c.Every = 3 * time.Second
	}
	if c.Looks <= 0 {
		c.Looks = 3
	}
	return c
}

// ApartError says that a recovery was halted because sites went apart again.
type ApartError struct{ Silent []geored.Silence }

func (e *ApartError) Error() string {
	text := "the recovery was halted, because the sites are apart again:"
	for _, s := range e.Silent {
		text += fmt.Sprintf(" %s: %s;", s.Target, s.Reason)
	}
	return text + " what was done stays done, and nothing more was begun. When they answer, start the program again as before: it goes on with the step it was at"
}

// Attend watches over a run: once the sites were seen together, it ends the run when they go apart again. stop ends the
// watch and reads what the run wrote into its journal.
func (r *Recovery) Attend(ctx context.Context, journal geored.Journal) (watched context.Context, stop func()) {
	watched, halt := context.WithCancelCause(ctx)
	r.attended = func(tell context.CancelCauseFunc) func() bool {
		return context.AfterFunc(watched, func() { tell(context.Cause(watched)) })
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.watch(watched, halt)
	}()
	return watched, func() {
		halt(nil)
		<-ended
		r.records = nil
		for record, err := range journal.Records(context.WithoutCancel(ctx)) {
			if err != nil {
				return // what cannot be read is missing in the measured times, which say so
			}
			r.records = append(r.records, record)
		}
	}
}

func (r *Recovery) watch(ctx context.Context, halt context.CancelCauseFunc) {
	config := r.Watch.withDefaults()
	for apart := 0; ; {
		if r.clock().Sleep(ctx, config.Every) != nil {
			return
		}
		if !r.together.Load() {
			continue // it still waits for them
		}
		silent := r.Apart(ctx)
		if ctx.Err() != nil {
			return
		}
		if apart++; len(silent) == 0 {
			apart = 0
		}
		if apart >= config.Looks {
			halt(&ApartError{silent})
			return
		}
	}
}
