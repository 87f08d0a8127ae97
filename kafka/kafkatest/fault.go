package kafkatest

import (
	"context"
	"fmt"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka"
)

// Fault is what can be wrong with a deployment from the outside. Faults of data (a gap, a topic made anew) are made with
// a [Seeder], those of connectors over their REST API.
type Fault string

// The faults. Target is the site, and for a link where it leads to.
const (
	BrokerPaused Fault = "broker-paused" // accepts connections and answers nothing
	BrokerKilled Fault = "broker-killed" // connections are refused
	LinkCut      Fault = "link-cut"      // the worker of To gets nothing from the brokers of Site; the way back works
	WorkerPaused Fault = "worker-paused" // its REST API does not answer and it copies nothing
	WorkerKilled Fault = "worker-killed" // at once, with what it had not committed; mending starts it again
)

// Rebalancing is a fault of the fake alone: Connect refuses changes with 409.
const Rebalancing Fault = "rebalancing"

// Deployment is sites with brokers and MirrorMaker 2 both ways between all of them, under the default policy, with
// short intervals (refresh.topics, offset.flush, emit.checkpoints, sync.group.offsets: 1 s). What stands behind it may
// be the fake or real servers.
type Deployment interface {
	Sites() []geored.SiteName
	// Access is how the brokers of a site are reached.
	Access(geored.SiteName) kafka.Access
	// ConnectURL is the REST API of the worker that mirrors into a site.
	ConnectURL(geored.SiteName) string
	// Inject brings a fault about and returns when it is there. mend takes it away.
	Inject(ctx context.Context, fault Fault, at geored.Target) (mend func(context.Context) error, err error)
}

// Inject is [Deployment]'s; it knows [Rebalancing] besides.
func (w *World) Inject(_ context.Context, fault Fault, at geored.Target) (func(context.Context) error, error) {
	site, ok := w.sites[at.Site]
	if !ok {
		return nil, fmt.Errorf("site %s: there is none", at.Site)
	}
	set := func(f func(on bool)) (func(context.Context) error, error) {
		f(true)
		return func(context.Context) error { f(false); return nil }, nil
	}
	switch fault {
	case BrokerPaused:
		return set(func(on bool) { site.gate.set(on, false) })
	case BrokerKilled:
		return set(func(on bool) { site.gate.set(false, on) })
	case LinkCut:
		if w.sites[at.To] == nil {
			return nil, fmt.Errorf("site %s: there is none", at.To)
		}
		return set(func(on bool) { w.cut(at.Site, at.To, on); w.sites[at.To].worker.settle() })
	case WorkerPaused:
		return set(func(on bool) { site.worker.set(func(s *workerState) { s.paused = on }); site.worker.settle() })
	case WorkerKilled:
		return set(site.worker.kill)
	case Rebalancing:
		return set(func(on bool) { site.worker.set(func(s *workerState) { s.rebalancing = on }) })
	}
	return nil, fmt.Errorf("fault %s: is not known", fault)
}
