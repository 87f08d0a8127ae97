package probe

import (
	"context"
	"time"
)

// Clock asks for the time of the site.
type Clock struct{}

// ClockAnswer is the time at the probe.
type ClockAnswer struct {
	Now time.Time `json:"now"`
}

func (Clock) question() string { return "clock" }

func (Clock) answer(context.Context) (ClockAnswer, error) { return ClockAnswer{time.Now()}, nil }

// Skew is how far a site's clock is ahead of the asker's, give or take Error: the answer was made at some moment between
// the question and its reply.
type Skew struct {
	Ahead time.Duration
	Error time.Duration
}

// SkewOf derives the skew from an answer and the asker's times before and after.
func SkewOf(answer ClockAnswer, before, after time.Time) Skew {
	half := after.Sub(before) / 2
	return Skew{Ahead: answer.Now.Sub(before.Add(half)), Error: half}
}
