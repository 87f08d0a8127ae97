package cli

import (
	"context"
	"errors"

	"github.com/georedkit/georedkit/geored"
)

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
