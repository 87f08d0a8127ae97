package ice

import (
	"context"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
)

// prepare brings up what can be asked from inside the sites, then holds each site against what the guide requires.
func (d *Deployment) prepare() geored.Stage {
	const stage = "prepare"
	observers := func(s mesh.Site) geored.Step {
		return geored.Step{ID: stepID(stage, s.Name, "observers"), Site: s.Name, Target: "daemonset " + Namespace + "/wireguard-observer", Action: geored.Apply,
			Reason: "WireGuard interfaces are read on the nodes themselves, without ssh (guide 000, 4.2.5)",
			Manual: []string{"kubectl --context " + string(s.Name) + " apply -f georedkit/observers.yaml"}}
	}
	probe := func(s mesh.Site) geored.Step {
		return geored.Step{ID: stepID(stage, s.Name, "probe"), Site: s.Name, Target: "pod " + Namespace + "/probe-" + string(s.Name), Action: geored.Apply,
			Needs: []geored.StepID{stepID(stage, s.Name, "observers")}, Reason: "a pod that can be asked from inside the site, and answers the other sites",
			Manual: []string{"kubectl --context " + string(s.Name) + " apply -f georedkit/probe.yaml"}}
	}
	storage := func(s mesh.Site) geored.Step {
		return geored.Step{ID: stepID(stage, s.Name, "storage"), Site: s.Name, Target: "namespace " + Namespace, Action: geored.Execute,
			Needs: []geored.StepID{stepID(stage, s.Name, "probe")}, Reason: "a volume of the default storage class really binds (guide 000, 3.3.3.2.4); it is deleted again",
			Manual: []string{"kubectl --context " + string(s.Name) + " get storageclass"}}
	}
	ready := func(s mesh.Site) geored.Step {
		return geored.Step{ID: stepID(stage, s.Name, "preflight"), Site: s.Name, Target: "the site as the guide requires it", Action: geored.Await,
			Needs: []geored.StepID{stepID(stage, s.Name, "probe")}, Reason: "nothing is installed at a site on which it cannot work (guide 000, 3)",
			Manual: []string{"kubectl --context " + string(s.Name) + " version; kubectl --context " + string(s.Name) + " auth can-i --list"}}
	}
	return geored.Stage{Name: stage, Outline: d.eachSite(observers, probe, storage, ready), Bind: func(context.Context) ([]geored.Task, error) {
		var tasks []geored.Task
		for _, site := range d.mesh.Network.Sites {
			end := d.mesh.Ends[site.Name]
			agents, err := end.Observers.Task(observers(site))
			if err != nil {
				return nil, err
			}
			objects, err := end.Probe.Objects()
			if err != nil {
				return nil, err
			}
			tasks = append(tasks, agents, end.Observers.Cluster.ApplyTask(probe(site), objects...), d.storageTask(storage(site), site.Name), d.preflightTask(ready(site), site.Name))
		}
		return tasks, nil
	}}
}
