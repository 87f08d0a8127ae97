package kafkatest

import (
	"context"
	"sync"

	"github.com/georedkit/georedkit/geored"
)

// Pods restarts the workers of a deployment as a Deployment's pods are: killed, and started anew. It is a
// kafka.WorkerPods. The zero value with its Deployment set is ready to use.
type Pods struct {
	Deployment Deployment

	mu    sync.Mutex
	marks map[geored.SiteName]string
	order []geored.SiteName
}

// Restart is [kafka.WorkerPods]'s.
func (p *Pods) Restart(ctx context.Context, site geored.SiteName, mark string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.marks[site] == mark {
		return nil
	}
	start, err := p.Deployment.Inject(ctx, WorkerKilled, geored.Target{Site: site})
	if err != nil {
		return err
	}
	if err := start(ctx); err != nil {
		return err
	}
	if p.marks == nil {
		p.marks = map[geored.SiteName]string{}
	}
	p.marks[site], p.order = mark, append(p.order, site)
	return nil
}

// Running is [kafka.WorkerPods]'s.
func (p *Pods) Running(_ context.Context, site geored.SiteName, mark string) (geored.State, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.marks[site] != mark {
		return geored.State{Detail: "its worker carries the mark " + p.marks[site]}, nil
	}
	return geored.State{Done: true, Detail: "its worker is new"}, nil
}
