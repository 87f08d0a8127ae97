package report

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// timeline shows every step in the order of the plan, with a bar of when it began and how long it took, drawn to scale.
func (p *page) timeline(d Document) {
	if len(d.Run.Outcomes) == 0 {
		return
	}
	s := scaleOf(d)
	p.section("steps", "Steps")
	p.put("<p class=title>", stepsText(d.Run)+" in "+durationText(d.Run.Took)+", drawn to scale.", "</p>\n")
	p.raw("<table class=steps role=table><caption class=hidden>Steps of the run by stage, with a bar of when each began and how long it took</caption>\n")
	p.raw("<thead role=rowgroup><tr role=row><th scope=col role=columnheader>Step</th><th scope=col role=columnheader>Status</th><th scope=col role=columnheader>Began</th><th scope=col role=columnheader>Took</th><th scope=col role=columnheader class=bar>")
	p.axis(s)
	p.raw("</th></tr></thead>\n")
	stage := ""
	for i, o := range d.Run.Outcomes {
		if i == 0 || o.Stage != stage {
			if i > 0 {
				p.raw("</tbody>\n")
			}
			stage = o.Stage
			p.put("<tbody role=rowgroup><tr role=row class=stage><th colspan=5 scope=rowgroup>", stage, "</th></tr>\n")
		}
		p.step(s, o)
	}
	p.raw("</tbody>\n</table>\n</section>\n")
}

func (p *page) step(s scale, o geored.Outcome) {
	p.put("<tr role=row><th scope=row role=rowheader><code>", string(o.ID), "</code>")
	p.put("<span class=target>", fmt.Sprintf("%s %s", o.Action, o.Target), "")
	if o.Attempts > 1 {
		p.put(", tried ", fmt.Sprint(o.Attempts), " times")
	}
	p.raw("</span>")
	if n := len(o.Retries); n > 0 {
		p.put("<span class=why>tried again because ", o.Retries[n-1].Reason, "</span>")
	}
	if text := detail(o); (!o.Status.IsDone() || o.Status == geored.Kept) && text != "" {
		p.put("<span class=why>", text, "</span>")
	}
	p.raw("</th><td role=cell>")
	p.badge(statusVerdict(o.Status), string(o.Status))
	p.raw("</td><td role=cell class=number>")
	if !o.Began.IsZero() {
		p.put("", "+"+geored.RoundDuration(o.Began.Sub(s.from)).String(), "")
	}
	p.put("</td><td role=cell class=number>", durationText(o.Took), "</td><td role=cell class=bar>")
	p.bar(s, o)
	p.raw("</td></tr>\n")
}

// statusVerdict is the look of a status.
func statusVerdict(s geored.Status) geored.Verdict {
	switch s {
	case geored.Unchanged, geored.Changed, geored.Undone:
		return geored.Pass
	case geored.Kept:
		return geored.Warn
	case geored.Failed:
		return geored.Fail
	case geored.Pending:
		return geored.Skipped
	}
	return geored.Unknown
}

// scale is the time that the bars are drawn over.
type scale struct {
	from time.Time
	span time.Duration
}

func scaleOf(d Document) scale {
	s := scale{d.Run.Began, d.Run.Took}
	for _, o := range d.Run.Outcomes {
		if d.Run.Began.IsZero() && !o.Began.IsZero() && (s.from.IsZero() || o.Began.Before(s.from)) {
			s.from = o.Began
		}
	}
	for _, o := range d.Run.Outcomes {
		if !o.Began.IsZero() {
			s.span = max(s.span, o.Began.Add(o.Took).Sub(s.from))
		}
	}
	s.span = min(max(s.span, 1), longest)
	return s
}

// longest is as far as ticks can be counted.
const longest = math.MaxInt64 / 16

// percent is where a time lies on the scale.
func (s scale) percent(d time.Duration) float64 {
	return 100 * float64(min(max(d, 0), s.span)) / float64(s.span)
}

// bar is at least wide enough to be seen.
func (p *page) bar(s scale, o geored.Outcome) {
	if o.Began.IsZero() {
		return
	}
	began := s.percent(o.Began.Sub(s.from))
	width := max(s.percent(o.Began.Sub(s.from)+o.Took)-began, 0.6)
	began = min(began, 100-width)
	p.put("<svg class=\"line ", string(statusVerdict(o.Status)), "\" aria-hidden=true>")
	p.raw(markup(fmt.Sprintf(`<rect class=track x="0" y="5" width="100%%" height="4" rx="2"/><rect x="%.2f%%" y="2" width="%.2f%%" height="10" rx="2"/></svg>`, began, width)))
}

// axis has round times along the scale.
func (p *page) axis(s scale) {
	p.raw("<span class=hidden>When</span><svg class=axis aria-hidden=true>")
	step := tick(s.span)
	for at := time.Duration(0); at <= s.span; at += step {
		x := s.percent(at)
		anchor := "middle"
		switch {
		case at == 0:
			anchor = "start"
		case x > 92:
			anchor = "end"
		}
		p.raw(markup(fmt.Sprintf(`<text x="%.2f%%" y="12" text-anchor=%s>%s</text>`, x, anchor, at)))
	}
	p.raw("</svg>")
}

// tick is the shortest round time that parts the span into at most five.
func tick(span time.Duration) time.Duration {
	for unit := time.Microsecond; unit <= 10*time.Second; unit *= 10 {
		for _, n := range []time.Duration{1, 2, 5} {
			if t := n * unit; unit < 10*time.Second && 5*t >= span {
				return t
			}
		}
	}
	round := []time.Duration{10 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute}
	if i := slices.IndexFunc(round, func(t time.Duration) bool { return 5*t >= span }); i >= 0 {
		return round[i]
	}
	for t := time.Hour; ; t *= 2 {
		if 5*t >= span {
			return t
		}
	}
}
