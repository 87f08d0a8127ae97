package ice

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/creds"
	credskube "github.com/georedkit/georedkit/creds/kube"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
)

// dnsAccount is whose access the name servers of the other sites get (ICE guide, 4.3.2).
func dnsAccount() creds.Account {
	return creds.Account{Namespace: metav1.NamespaceSystem, Name: "coredns"}
}

// source is the account of a site, as the others are given it.
func (d *Deployment) source(site geored.SiteName) credskube.Source {
	return credskube.Source{Cluster: d.Clusters[site], Account: dnsAccount(), Role: credskube.DNSRole(), Server: d.site(site).apiServer(), Dial: d.dial(site)}
}

func (d *Deployment) receivers() map[geored.SiteName]credskube.Receiver {
	receivers := map[geored.SiteName]credskube.Receiver{}
	for _, site := range d.Topology.Sites {
		receivers[site.Name] = credskube.Receiver{Cluster: d.Clusters[site.Name], Probe: d.probe(site.Name)}
	}
	return receivers
}

// grants are one Secret in every site for every other site, and no more.
func (d *Deployment) grants() ([]creds.Grant, error) {
	var consumers []creds.Consumer
	for _, site := range d.Topology.Sites {
		consumers = append(consumers, creds.Consumer{Name: "coredns", Site: site.Name, Namespace: metav1.NamespaceSystem, Workload: "deployment/coredns",
			Reading: creds.ReadsOnce, Sources: d.others(site.Name), Account: dnsAccount()})
	}
	return creds.Plan(consumers)
}

func (d *Deployment) others(site geored.SiteName) []geored.SiteName {
	var others []geored.SiteName
	for _, other := range d.Topology.Sites {
		if other.Name != site {
			others = append(others, other.Name)
		}
	}
	return others
}

// rotation brings the account of a site to the generation that was found, which the first time is the first. It ends
// with the import: whoever mounts the Secrets is not there yet, or is started anew by its chart.
func (d *Deployment) rotation(site geored.SiteName) (credskube.Rotation, error) {
	all, err := d.grants()
	if err != nil {
		return credskube.Rotation{}, err
	}
	own := slices.DeleteFunc(all, func(g creds.Grant) bool { return g.Source != site })
	return credskube.Rotation{Rotation: creds.Rotation{Source: site, Account: dnsAccount(), Generation: d.generation[site], Grants: own},
		From: d.source(site), Receivers: d.receivers()}, nil
}

// phase is one phase of the rotations of all sites as one stage, with steps before it.
func (d *Deployment) phase(name string, phase creds.Phase, before func(mesh.Site) geored.Step, bindBefore func(geored.Step, mesh.Site) (geored.Task, error)) geored.Stage {
	stage := geored.Stage{Name: name}
	for _, site := range d.mesh.Network.Sites {
		r, err := d.rotation(site.Name)
		if err != nil {
			return geored.Stage{Name: name, Bind: func(context.Context) ([]geored.Task, error) { return nil, err }}
		}
		if before != nil {
			stage.Outline = append(stage.Outline, before(site))
		}
		for _, step := range r.Steps(phase) {
			for _, commands := range [][]string{step.Manual, step.ManualUndo} {
				for i, command := range commands {
					commands[i] = d.kubectl(step.Site, strings.TrimPrefix(command, "kubectl "))
				}
			}
			if before != nil {
				step.Needs = append(step.Needs, before(site).ID)
			}
			stage.Outline = append(stage.Outline, step)
		}
	}
	outline := stage.Outline
	bind := func(made func(geored.Stage) ([]geored.Task, error)) ([]geored.Task, error) {
		var tasks []geored.Task
		for _, site := range d.mesh.Network.Sites {
			if before != nil {
				task, err := bindBefore(before(site), site)
				if err != nil {
					return nil, err
				}
				tasks = append(tasks, task)
			}
			more, err := d.phaseTasks(site.Name, phase, made)
			if err != nil {
				return nil, fmt.Errorf("site %s: %w", site.Name, err)
			}
			tasks = append(tasks, more...)
		}
		for i := range tasks {
			tasks[i].Step = outline[i]
		}
		return tasks, nil
	}
	stage.Bind = func(ctx context.Context) ([]geored.Task, error) {
		return bind(func(s geored.Stage) ([]geored.Task, error) { return s.Bind(ctx) })
	}
	stage.Back = func(ctx context.Context) ([]geored.Task, error) {
		return bind(func(s geored.Stage) ([]geored.Task, error) {
			if s.Back != nil {
				return s.Back(ctx)
			}
			return s.Bind(ctx)
		})
	}
	return stage
}

func (d *Deployment) phaseTasks(site geored.SiteName, phase creds.Phase, made func(geored.Stage) ([]geored.Task, error)) ([]geored.Task, error) {
	r, err := d.rotation(site)
	if err != nil {
		return nil, err
	}
	stages, err := r.Stages()
	if err != nil {
		return nil, err
	}
	return made(stages[slices.Index(creds.Phases(), phase)])
}

// tokens makes the account that the other sites use of each site, and its token.
func (d *Deployment) tokens() geored.Stage {
	var faulty error
	account := func(s mesh.Site) geored.Step {
		step := geored.Step{ID: stepID("tokens", s.Name, "account"), Site: s.Name, Target: "serviceaccount " + dnsAccount().String(), Action: geored.Apply,
			Reason: "what the other sites' name servers may read here, and no more (ICE guide, 4.3.2)"}
		objects, err := d.source(s.Name).Objects()
		if err == nil {
			step, err = d.Clusters[s.Name].Planned(step, objects...)
		}
		faulty, step.ManualUndo = errors.Join(faulty, err), step.ManualUndo[:max(len(step.ManualUndo)-1, 0)] // without the account: it may be others' too
		return step
	}
	return d.phase("tokens", creds.Mint, account, func(step geored.Step, site mesh.Site) (geored.Task, error) {
		objects, err := d.source(site.Name).Objects()
		if err != nil {
			return geored.Task{}, errors.Join(err, faulty)
		}
		task := d.Clusters[site.Name].ApplyTask(step, objects...)
		task.Undo, task.Gone = d.source(site.Name).TakeBack, d.source(site.Name).TakenBack
		return task, nil
	})
}

// credentials brings each site's token to the other sites, in the shape of kubemcsa's.
func (d *Deployment) credentials() geored.Stage {
	return d.phase("credentials", creds.Import, nil, nil)
}
