package kube

import (
	"context"
	"fmt"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka"
)

// Workers are the resources of several sites, one each: what [kafka.Replication.RestartWorkers] replaces pods by. An
// annotation of the resource notes for which run that is, and which pods are to go, so that a resumed run replaces no others.
type Workers []Resource

var (
	_ kafka.WorkerPods = Workers(nil)
	_ kafka.Restarter  = Resource{}
)

// Restart is [kafka.WorkerPods]'s.
func (w Workers) Restart(ctx context.Context, site geored.SiteName, mark string) error {
	r, err := w.of(site)
	if err != nil {
		return err
	}
	return r.replace(ctx, mark)
}

// Running is [kafka.WorkerPods]'s.
func (w Workers) Running(ctx context.Context, site geored.SiteName, mark string) (geored.State, error) {
	r, err := w.of(site)
	if err != nil {
		return geored.State{}, err
	}
	return r.replaced(ctx, mark)
}

func (w Workers) of(site geored.SiteName) (Resource, error) {
	for _, r := range w {
		if r.Cluster.Site() == site {
			return r, nil
		}
	}
	return Resource{}, fmt.Errorf("site %s: has no KafkaMirrorMaker2 among the workers", site)
}
