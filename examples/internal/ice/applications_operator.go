package ice

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/creds"
	credskube "github.com/georedkit/georedkit/creds/kube"
	"github.com/georedkit/georedkit/geored"
)

// operatorAccount is whose access MultiCassKop gets of each other site (ICE guide, 4.4.4). The chart makes it, with its role.
func operatorAccount() creds.Account {
	return creds.Account{Namespace: cassandraNamespace, Name: "cassandra-operator"}
}

func (d *Deployment) operatorSource(site geored.SiteName) credskube.Source {
	return credskube.Source{Cluster: d.Clusters[site], Account: operatorAccount(), Server: d.site(site).apiServer(), Dial: d.dial(site)}
}

// operatorGrants are one Secret for each other site, in the first alone: it mounts no more.
func (d *Deployment) operatorGrants() ([]creds.Grant, error) {
	if d.Topology.Applications == nil {
		return nil, nil
	}
	return creds.Plan([]creds.Consumer{{Name: operatorDeployment, Site: d.first(), Namespace: cassandraNamespace, Workload: "deployment/" + operatorDeployment,
		Reading: creds.ReadsOnce, Sources: d.others(d.first()), Account: operatorAccount()}})
}

func (d *Deployment) operatorRotation(site geored.SiteName) (credskube.Rotation, error) {
	all, err := d.operatorGrants()
	if err != nil {
		return credskube.Rotation{}, err
	}
	own := slices.DeleteFunc(all, func(g creds.Grant) bool { return g.Source != site })
	return credskube.Rotation{Rotation: creds.Rotation{Source: site, Account: operatorAccount(), Generation: max(d.operatorGeneration[site], 1), Grants: own},
		From: d.operatorSource(site), Receivers: d.receivers()}, nil
}

// operatorTokens makes a token of the account in every other site, once the seed brought it.
func (d *Deployment) operatorTokens() geored.Stage {
	return d.operatorPhase("operator-tokens", creds.Mint, func(site geored.SiteName) geored.Task {
		return geored.Task{Step: geored.Step{ID: stepID("operator-tokens", site, "account"), Site: site, Target: "serviceaccount " + operatorAccount().String(), Action: geored.Await,
			Reason: "the seed makes it, with its role", Manual: []string{d.kubectl(site, "get namespace "+cassandraNamespace)}},
			Observe: func(ctx context.Context) (geored.State, error) {
				_, err := d.Clusters[site].Client().CoreV1().ServiceAccounts(cassandraNamespace).Get(ctx, operatorAccount().Name, metav1.GetOptions{})
				if apierrors.IsNotFound(err) {
					return geored.State{Detail: operatorAccount().String() + " is not there"}, nil
				}
				return geored.State{Done: err == nil, Detail: operatorAccount().String() + " is there"}, err
			}}
	})
}

// operatorCredentials brings the tokens to the first site, whose MultiCassKop then starts.
func (d *Deployment) operatorCredentials() geored.Stage {
	return d.operatorPhase("operator-credentials", creds.Import, nil)
}

func (d *Deployment) operatorPhase(name string, phase creds.Phase, before func(geored.SiteName) geored.Task) geored.Stage {
	var outline []geored.Step
	var faulty error
	for _, site := range d.others(d.first()) {
		r, err := d.operatorRotation(site)
		faulty = errors.Join(faulty, err)
		var needs []geored.StepID
		if before != nil {
			step := before(site).Step
			outline, needs = append(outline, step), []geored.StepID{step.ID}
		}
		for _, step := range r.Steps(phase) {
			step.Permanent = "Cassandra of all sites hangs on it: rotate it instead"
			for i, command := range step.Manual {
				step.Manual[i] = d.kubectl(step.Site, strings.TrimPrefix(command, "kubectl "))
			}
			step.ManualUndo, step.Needs = nil, needs
			outline = append(outline, step)
		}
	}
	return geored.Stage{Name: name, Outline: outline, Bind: func(ctx context.Context) ([]geored.Task, error) {
		if faulty != nil {
			return nil, faulty
		}
		var tasks []geored.Task
		for _, site := range d.others(d.first()) {
			if before != nil {
				tasks = append(tasks, before(site))
			}
			more, err := d.operatorTasks(ctx, site, phase)
			if err != nil {
				return nil, fmt.Errorf("site %s: %w", site, err)
			}
			tasks = append(tasks, more...)
		}
		for i := range tasks {
			tasks[i].Step = outline[i]
		}
		return tasks, nil
	}}
}

func (d *Deployment) operatorTasks(ctx context.Context, site geored.SiteName, phase creds.Phase) ([]geored.Task, error) {
	r, err := d.operatorRotation(site)
	if err != nil {
		return nil, err
	}
	stages, err := r.Stages()
	if err != nil {
		return nil, err
	}
	return stages[slices.Index(creds.Phases(), phase)].Bind(ctx)
}
