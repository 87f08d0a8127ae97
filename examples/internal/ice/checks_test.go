package ice

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/probe"
)

func TestClocks(t *testing.T) {
	const never = -time.Hour // a site that does not answer
	cases := map[string]struct {
		ahead  []time.Duration
		margin time.Duration
		want   geored.Verdict
	}{
		"together":           {[]time.Duration{0, 300 * time.Millisecond, -100 * time.Millisecond}, 50 * time.Millisecond, geored.Pass},
		"a little apart":     {[]time.Duration{0, 3 * time.Second}, 50 * time.Millisecond, geored.Warn},
		"far apart":          {[]time.Duration{0, 10 * time.Second, -25 * time.Second}, 50 * time.Millisecond, geored.Fail},
		"all off alike":      {[]time.Duration{time.Hour, time.Hour}, 50 * time.Millisecond, geored.Pass},
		"too slow to tell":   {[]time.Duration{0, 0}, 20 * time.Second, geored.Unknown},
		"one is silent":      {[]time.Duration{0, never, 0}, 50 * time.Millisecond, geored.Unknown},
		"silent and apart":   {[]time.Duration{0, never, time.Minute}, 50 * time.Millisecond, geored.Fail},
		"apart within error": {[]time.Duration{0, 3 * time.Second}, 2 * time.Second, geored.Pass},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			targets := make([]geored.Target, len(c.ahead))
			skews := map[geored.SiteName]time.Duration{}
			for i, ahead := range c.ahead {
				targets[i].Site = geored.SiteName('a' + rune(i))
				skews[targets[i].Site] = ahead
			}
			answers := geored.Ask(t.Context(), targets, func(_ context.Context, t geored.Target) (probe.Skew, error) {
				if skews[t.Site] == never {
					return probe.Skew{}, errors.New("connection refused")
				}
				return probe.Skew{Ahead: skews[t.Site], Error: c.margin}, nil
			})
			if f := judgeClocks(answers); f.Verdict != c.want {
				t.Errorf("%s: %s, want %s", f.Verdict, f.Message, c.want)
			}
		})
	}
}

// Looks that are made again and again leave one ring open, and Close none.
func TestOneRingIsLeftOpen(t *testing.T) {
	d, _ := onServers(t, withApplications(2), Options{})
	open := 0
	for range 5 {
		open++
		d.closeInstead(func() { open-- })
	}
	if open != 1 {
		t.Errorf("%d are open", open)
	}
	d.Close()
	d.Close()
	if open != 0 {
		t.Errorf("%d are open behind Close", open)
	}
}
