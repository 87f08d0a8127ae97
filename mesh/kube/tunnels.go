package kube

import (
	"context"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
)

// TunnelTasks are gates, one per ordered pair of sites in the order of the network: each is done when the gateway's
// tunnel carries a packet to the other site and back. The steps are for the caller to name.
func (m Mesh) TunnelTasks(layout mesh.Layout) []geored.Task {
	var tasks []geored.Task
	for _, pair := range m.pairs() {
		device, _ := layout.Device(pair.Site, "")
		pair.Name = device.Node
		tasks = append(tasks, geored.Task{Observe: func(ctx context.Context) (geored.State, error) {
			answers := geored.Ask(ctx, []geored.Target{pair}, func(ctx context.Context, t geored.Target) (mesh.Sample, error) {
				return m.sample(ctx, layout, t)
			})
			for _, silent := range answers.Unanswered() {
				return geored.State{}, silent
			}
			finding := mesh.HandshakeFindings(layout, answers)[0]
			return geored.State{Done: finding.Verdict == geored.Pass, Detail: finding.Message}, nil
		}})
	}
	return tasks
}
