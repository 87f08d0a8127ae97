package cli

import (
	"context"
	"errors"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// connectPause is the pause between two tries to read sites that are silent.
const connectPause = time.Second

// connect reads the sites. A patient program waits for those that are silent, unless it changes nothing anyway.
func (s *session) connect(ctx context.Context, d Deployment) error {
	clock := geored.SystemClock()
	until, told := clock.Now().Add(s.Timeout), false
	for {
		err := d.Connect(ctx)
		if !s.Patient || s.Check || s.Plan != "" || len(silences(err)) == 0 || !clock.Now().Before(until) {
			return err
		}
		if !told {
			s.screen.printf("  %-12s for at most %s: %s\n", "waits", s.Timeout, plain(err.Error()))
			told = true
		}
		if err := clock.Sleep(ctx, connectPause); err != nil {
			return err
		}
	}
}

// silences are what an error tells of, when it tells of nothing but sites that do not answer.
func silences(err error) []geored.Silence {
	var silent []geored.Silence
	for _, part := range parts(err) {
		s, p := geored.Silence{}, &geored.Silence{}
		switch {
		case errors.As(part, &s):
		case errors.As(part, &p):
			s = *p
		default:
			return nil
		}
		silent = append(silent, s)
	}
	return silent
}

// refusal is the exit code of what is refused before anything is changed. That a site does not answer is no faulty input.
func refusal(err error) int {
	if len(silences(err)) > 0 {
		return ExitUnknown
	}
	return ExitUsage
}

// unread is a deployment of which all that can be told is which sites were silent.
type unread struct {
	Deployment
	silent []geored.Silence
}

func (u unread) Checks() []geored.Check {
	return []geored.Check{{ID: "site/answers", Title: "every site's API server answers", Run: func(context.Context) []geored.Finding {
		var findings []geored.Finding
		for _, s := range u.silent {
			findings = append(findings, geored.Finding{Site: s.Target.Site, To: s.Target.To, Verdict: geored.Unknown, Message: s.Error(),
				Asked: []geored.Target{s.Target}, Unanswered: []geored.Silence{s}})
		}
		return findings
	}}}
}
