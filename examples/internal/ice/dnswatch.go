package ice

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/georedkit/georedkit/dnsfed/resolver"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/probe"
)

// watches are of the sites whose name servers this run replaces.
type watches struct {
	sync.Mutex
	of map[geored.SiteName]*resolver.Watch
}

// watched has a question asked ten times a second from the first change of a site's DNS until the last one is done.
func (d *Deployment) watched(ctx context.Context, site geored.SiteName, task geored.Task) geored.Task {
	observe, apply := task.Observe, task.Apply
	if apply != nil {
		task.Apply = func(step context.Context) error {
			d.beginWatch(ctx, site)
			return apply(step)
		}
	}
	if task.Action == geored.Delete { // the last one
		task.Observe = func(step context.Context) (geored.State, error) {
			state, err := observe(step)
			if err == nil && state.Done {
				d.stopWatch(site)
			}
			return state, err
		}
	}
	return task
}

// beginWatch asks until the run's context ends at the latest.
func (d *Deployment) beginWatch(ctx context.Context, site geored.SiteName) {
	d.watches.Lock()
	defer d.watches.Unlock()
	if d.watches.of[site] == nil {
		s := d.site(site)
		d.watches.of[site] = resolver.Begin(ctx, d.probe(site), resolver.Series{Want: []string{s.APIServerIP.String()}, DNS: probe.DNS{
			Server: netip.AddrPortFrom(s.DNSIP, 53).String(), Name: "kubernetes.default.svc.cluster.local", Timeout: 3 * time.Second}})
	}
}

// stopWatch waits for no answer: the step that is done would end late. The check waits.
func (d *Deployment) stopWatch(site geored.SiteName) {
	d.watches.Lock()
	defer d.watches.Unlock()
	if w := d.watches.of[site]; w != nil {
		w.Stop()
	}
}

// changeOver tells what was asked and lost while this run replaced the name servers.
func (d *Deployment) changeOver(ctx context.Context) []geored.Finding {
	return geored.Ask(ctx, d.perSite(), func(_ context.Context, t geored.Target) (*resolver.Watch, error) {
		d.watches.Lock()
		defer d.watches.Unlock()
		return d.watches.of[t.Site], nil
	}).Each(judgeChangeOver)
}

// judgeChangeOver is of a site whose name servers were replaced; nil: they were not.
func judgeChangeOver(_ geored.Target, w *resolver.Watch) geored.Finding {
	if w == nil {
		return geored.Finding{Verdict: geored.Skipped, Message: "this run replaced no name servers"}
	}
	f := w.End().Judge()
	f.Message = "while the name servers were replaced, " + f.Message
	return f
}
