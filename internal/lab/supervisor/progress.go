package supervisor

import (
	"encoding/json"
	"io"
	"sync"
	"time"
)

// Progress writes one line of JSON per stage.
type Progress struct {
	mutex   sync.Mutex
	out     io.Writer
	started time.Time
}

// NewProgress counts from now.
func NewProgress(out io.Writer) *Progress { return &Progress{out: out, started: time.Now()} }

type event struct {
	Time      time.Time `json:"time"`
	Site      string    `json:"site,omitempty"`
	Node      string    `json:"node,omitempty"`
	Stage     string    `json:"stage"`
	Detail    string    `json:"detail,omitempty"`
	ElapsedMS int64     `json:"elapsedMs"`
}

func (p *Progress) report(site, node, stage, detail string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	now := time.Now()
	text, err := json.Marshal(event{now, site, node, stage, detail, now.Sub(p.started).Milliseconds()})
	if err != nil {
		return // it has no field that could not be encoded
	}
	// A reader that went away must not end the laboratory.
	_, _ = p.out.Write(append(text, '\n'))
}
