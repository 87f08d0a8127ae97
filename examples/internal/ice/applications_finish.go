package ice

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/objectstore"
)

// finish does what the guide asks for at the end (ICE guide, 4.4.8): the sites side by side.
func (d *Deployment) finish() geored.Stage {
	const stage = "finish"
	var tasks []geored.Task
	for _, site := range d.Topology.Sites {
		step := func(name, target, reason string, action geored.Action, manual string, needs ...string) geored.Step {
			s := geored.Step{ID: stepID(stage, site.Name, name), Site: site.Name, Target: target, Action: action, Reason: reason, Manual: []string{d.kubectl(site.Name, manual)},
				Permanent: "there is nothing to take back"}
			for _, need := range needs {
				s.Needs = append(s.Needs, stepID(stage, site.Name, need))
			}
			return s
		}
		tasks = append(tasks, d.rallypointTask(step("rallypoint", "pods in "+rallypointNamespace, "those that do not run are deleted, and seen back", geored.Restart, "-n "+rallypointNamespace+" get pods")))
		var mirrors []string
		for _, other := range d.others(site.Name) {
			name := "mirror-" + string(other)
			mirrors = append(mirrors, name)
			tasks = append(tasks, d.mirrorTask(kafka.Mirror{From: other, To: site.Name}, step(name, "mirror of Kafka from "+string(other),
				"a record that is written now arrives; only what has failed is restarted, where the guide restarts all (ICE guide, 4.4.8)",
				geored.Execute, "-n "+kafkaNamespace+" delete pod -l app.kubernetes.io/name=kafka-mirror-maker-2")))
		}
		tasks = append(tasks,
			d.ksqldbTask(step("ksqldb", "deployment "+kafkaNamespace+"/ksqldb", "it may have started before its topics were there (ICE guide, 4.4.8)", geored.Restart,
				"-n "+kafkaNamespace+" delete pod -l run=ksqldb", mirrors...)),
			d.objectsTask(step("objects", "deployment "+minioNamespace+"/"+mirrorDeploy, "an object that is written now arrives: that its pod runs says nothing", geored.Execute,
				"-n "+minioNamespace+" logs -l app="+mirrorDeploy)))
	}
	return geored.StageOf(stage, tasks...)
}

// mirrorProven marks a namespace with the workers through which a canary was seen to come.
const mirrorProven = "georedkit/mirror-proven-"

// workersOf names the pods of a mirror, by their identity: others are to be proven anew.
func (d *Deployment) workersOf(ctx context.Context, site geored.SiteName, namespace, selector string) (string, error) {
	list, err := d.Clusters[site].Client().CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return "", err
	}
	var ids []string
	for _, pod := range list.Items {
		ids = append(ids, string(pod.UID))
	}
	slices.Sort(ids)
	return strings.Join(ids, " "), nil
}

// mirrorOf names the workers that run now, and the revisions of the product at both ends: an upgrade may change what they reach
// the other site by, and leave them as they are. "": no worker runs.
func (d *Deployment) mirrorOf(ctx context.Context, site, from geored.SiteName, namespace, selector string) (string, error) {
	workers, err := d.workersOf(ctx, site, namespace, selector)
	if err != nil || workers == "" {
		return "", err
	}
	for _, end := range []geored.SiteName{from, site} {
		have, _, err := d.releases(end).Installed(ctx, productRelease, productNamespace)
		if err != nil {
			return "", fmt.Errorf("site %s: %w", end, err)
		}
		workers += fmt.Sprintf(" %s.v%d", end, have.Revision)
	}
	return workers, nil
}

// provenTask is done when the workers that run now were seen to mirror, and all is settled. prove writes a canary and waits
// for it.
func (d *Deployment) provenTask(step geored.Step, from geored.SiteName, namespace, selector string, settled func(context.Context) (geored.State, error), prove func(context.Context) error) geored.Task {
	key := mirrorProven + string(from)
	namespaces := d.Clusters[step.Site].Client().CoreV1().Namespaces()
	return geored.Task{Step: step,
		Observe: func(ctx context.Context) (geored.State, error) {
			workers, err := d.mirrorOf(ctx, step.Site, from, namespace, selector)
			if err != nil {
				return geored.State{}, err
			}
			space, err := namespaces.Get(ctx, namespace, metav1.GetOptions{})
			if err != nil {
				return geored.State{}, err
			}
			if workers == "" || space.Annotations[key] != workers {
				return geored.State{Detail: "nothing was seen to come through the workers that run now, of these releases"}, nil
			}
			const done = "a canary came through the workers that run now, of these releases"
			if settled == nil {
				return geored.State{Done: true, Detail: done}, nil
			}
			state, err := settled(ctx)
			if err == nil && state.Done {
				state.Detail = done + "; " + state.Detail
			}
			return state, err
		},
		Apply: func(ctx context.Context) error {
			workers, err := d.mirrorOf(ctx, step.Site, from, namespace, selector)
			if err == nil && workers == "" {
				err = errors.New("it has no pod")
			}
			if err == nil {
				err = prove(ctx)
			}
			if err != nil {
				return geored.Retriable(err)
			}
			patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, key, workers)
			_, err = namespaces.Patch(ctx, namespace, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: kube.FieldManager})
			return geored.Retriable(err)
		}}
}

// canaryWait is longer than a mirror takes to find a new topic (refresh.topics.interval.seconds is 600 unless set).
const canaryWait = 11 * time.Minute

func (d *Deployment) mirrorTask(m kafka.Mirror, step geored.Step) geored.Task {
	return d.provenTask(step, m.From, kafkaNamespace, "strimzi.io/cluster=mm-"+string(m.From), func(ctx context.Context) (geored.State, error) { return d.told(ctx, m) }, func(ctx context.Context) error {
		r, end, err := d.replication(m)
		if err != nil {
			return err
		}
		defer end()
		if err := restartFailed(ctx, r, m.To); err != nil {
			return err
		}
		flights, err := r.Canaries(ctx, kafka.CanaryPlan{Topic: kafka.CanaryTopic + "-to-" + string(m.To), Wait: min(canaryWait, d.Topology.Applications.Timeout), Keep: true})
		for _, flight := range flights {
			err = errors.Join(err, flight.Err)
		}
		return err
	})
}

// told: Strimzi tells of the connectors, and what Connect says too. Its status is as old as its last look, two minutes unless
// set otherwise, and the guide's check of a mirror reads it (ICE guide, 5.1.1).
func (d *Deployment) told(ctx context.Context, m kafka.Mirror) (geored.State, error) {
	resource, err := d.mirrorMaker(m).MirrorMaker(ctx)
	if err != nil {
		return geored.State{}, err
	}
	if len(resource.Connectors) == 0 {
		return geored.State{Detail: "Strimzi does not tell of its connectors yet"}, nil
	}
	worker, err := d.worker(m)
	if err != nil {
		return geored.State{}, err
	}
	connectors, err := worker.Connectors(ctx)
	if err != nil {
		return geored.State{}, err
	}
	f := kafka.ResourceFinding(resource, connectors)
	return geored.State{Done: f.Verdict == geored.Pass, Detail: strings.Join(append([]string{f.Message}, f.Evidence...), "; ")}, nil
}

// restartFailed restarts what has failed. What cannot be asked is left alone: silence is no reason, and the canary tells.
func restartFailed(ctx context.Context, r *kafka.Replication, site geored.SiteName) error {
	tasks, err := r.RestartTasks(site)
	if err != nil {
		return err
	}
	for _, task := range tasks {
		if state, err := task.Observe(ctx); err != nil || state.Done {
			continue
		}
		if err := task.Apply(ctx); err != nil {
			return err
		}
	}
	return nil
}

// ksqldbTask restarts ksqldb once for each version of the product.
func (d *Deployment) ksqldbTask(step geored.Step) geored.Task {
	deployments := d.Clusters[step.Site].Client().AppsV1().Deployments(kafkaNamespace)
	mark := "chart-" + d.charts.version(ProductChart)
	return geored.Task{Step: step,
		Observe: func(ctx context.Context) (geored.State, error) {
			deployment, err := deployments.Get(ctx, "ksqldb", metav1.GetOptions{})
			switch {
			case apierrors.IsNotFound(err):
				return geored.State{Detail: "deployment ksqldb is not there"}, nil
			case err != nil:
				return geored.State{}, err
			case deployment.Spec.Template.Annotations[restartedFor] != mark:
				return geored.State{Detail: "it was not restarted for this version"}, nil
			}
			s := deployment.Status
			rolled := s.ObservedGeneration == deployment.Generation && s.UpdatedReplicas == s.Replicas && s.ReadyReplicas == s.Replicas && s.Replicas > 0
			if !rolled {
				return geored.State{Detail: fmt.Sprintf("restarted; %d of %d pods are new and ready", min(s.UpdatedReplicas, s.ReadyReplicas), s.Replicas)}, nil
			}
			return d.podsRun(ctx, step.Site, kafkaNamespace) // the old one is gone too
		},
		Apply: func(ctx context.Context) error {
			_, err := deployments.Patch(ctx, "ksqldb", types.StrategicMergePatchType, restartPatch(mark), metav1.PatchOptions{FieldManager: kube.FieldManager})
			return geored.Retriable(err)
		}}
}

func (d *Deployment) objectsTask(step geored.Step) geored.Task {
	return d.provenTask(step, d.Topology.partner(step.Site), minioNamespace, "app="+mirrorDeploy, nil, func(ctx context.Context) error {
		canary := objectstore.Canary{Bucket: filesBucket, Prefix: "georedkit-canary/" + string(step.Site) + "/"}
		for _, site := range []geored.SiteName{step.Site, d.Topology.partner(step.Site)} {
			store, err := d.store(ctx, site)
			if err != nil {
				return fmt.Errorf("site %s: %w", site, err)
			}
			canary.Sites = append(canary.Sites, objectstore.CanarySite{Name: site, Store: store})
		}
		crossings, err := canary.Run(ctx)
		if err != nil {
			return err
		}
		return judgeCrossings(crossings, step.Site)
	})
}

// judgeCrossings holds the way out of a site against what its mirror is for.
func judgeCrossings(crossings []objectstore.Crossing, from geored.SiteName) error {
	seen := 0
	for _, c := range crossings {
		if c.From != from {
			continue
		}
		seen++
		switch {
		case c.Err != nil:
			return fmt.Errorf("canary from %s to %s: %w", c.From, c.To, c.Err)
		case !c.Arrived:
			return fmt.Errorf("the canary from %s did not arrive in %s", c.From, c.To)
		}
	}
	if seen == 0 {
		return fmt.Errorf("no canary was sent from %s", from)
	}
	return nil
}
