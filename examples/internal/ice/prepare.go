package ice

import (
	"context"
	"errors"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
)

// prepare brings up what can be asked from inside the sites, then holds each site against what the guide requires.
func (d *Deployment) prepare() geored.Stage {
	var tasks []geored.Task
	var faulty error
	for _, site := range d.mesh.Network.Sites {
		made, err := d.preparation(site)
		faulty, tasks = errors.Join(faulty, err), append(tasks, made...)
	}
	stage := geored.StageOf("prepare", tasks...)
	stage.Bind = func(context.Context) ([]geored.Task, error) { return tasks, faulty }
	return stage
}

// preparation is the tasks of one site.
func (d *Deployment) preparation(s mesh.Site) ([]geored.Task, error) {
	end := d.mesh.Ends[s.Name]
	cluster := end.Observers.Cluster
	step := func(name string, planned geored.Step, needs ...string) geored.Step {
		planned.ID, planned.Site = stepID("prepare", s.Name, name), s.Name
		for _, need := range needs {
			planned.Needs = append(planned.Needs, stepID("prepare", s.Name, need))
		}
		return planned
	}
	observers, err1 := end.Observers.Objects()
	observe, err2 := cluster.Planned(step("observers", geored.Step{Target: "daemonset " + Namespace + "/wireguard-observer", Action: geored.Apply,
		Reason: "WireGuard interfaces are read on the nodes themselves, without ssh (ICE guide, 4.2.5)"}), observers...)
	agents, err3 := end.Observers.Task(observe)
	pod, err4 := end.Probe.Objects()
	ask, err5 := cluster.Planned(step("probe", geored.Step{Target: "pod " + Namespace + "/" + end.Probe.Name, Action: geored.Apply,
		Reason: "a pod that can be asked from inside the site, and answers the other sites"}, "observers"), pod...)
	volume, err6 := volumeObjects(d.options.Images)
	try, err7 := cluster.Planned(step("storage", geored.Step{Target: "namespace " + Namespace, Action: geored.Execute,
		Reason: "a volume of the default storage class really binds (ICE guide, 3.3.3.2.4); it is deleted again, and a mark stays at the namespace"}, "probe"), volume...)
	try.ManualUndo = nil // it is deleted at once
	ready := step("preflight", geored.Step{Target: "the site as the guide requires it", Action: geored.Await,
		Reason: "nothing is installed at a site on which it cannot work (ICE guide, 3)",
		Manual: []string{cluster.Kubectl("version"), cluster.Kubectl("auth can-i --list")}}, "probe")
	return []geored.Task{agents, cluster.ApplyTask(ask, pod...), d.storageTask(try, s.Name), d.preflightTask(ready, s.Name)},
		errors.Join(err1, err2, err3, err4, err5, err6, err7)
}
