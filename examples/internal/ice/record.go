package ice

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/drift"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/mesh"
)

// Where each site keeps the record of what was installed there.
const (
	recordNamespace = metav1.NamespaceSystem
	recordName      = "ice-install"
	recordKey       = "record"
)

// recordStage writes down at each site what stands there when all steps are proven, for later checks to be held against.
func (d *Deployment) recordStage() geored.Stage {
	const stage = "record"
	step := func(s mesh.Site) geored.Step {
		command := fmt.Sprintf("-n %s %%s configmap %s", recordNamespace, recordName)
		return geored.Step{ID: stepID(stage, s.Name, "configmap"), Site: s.Name, Target: "configmap " + recordNamespace + "/" + recordName, Action: geored.Apply,
			Reason: "what was put there is written down: -check says later what is not so any more, and who must mend it",
			Manual: []string{d.kubectl(s.Name, fmt.Sprintf(command, "get")+" -o yaml")}, ManualUndo: []string{d.kubectl(s.Name, fmt.Sprintf(command, "delete"))}}
	}
	return geored.Stage{Name: stage, Outline: d.eachSite(step), Bind: func(context.Context) ([]geored.Task, error) {
		var tasks []geored.Task
		for _, site := range d.mesh.Network.Sites {
			tasks = append(tasks, d.recordTask(step(site)))
		}
		return tasks, nil
	}}
}

func (d *Deployment) recordTask(step geored.Step) geored.Task {
	cluster := d.Clusters[step.Site]
	return geored.Task{Step: step,
		Observe: func(ctx context.Context) (geored.State, error) {
			old, wanted, err := d.recordOf(ctx, step.Site)
			if err != nil || old.Digest == "" || old.Cluster != wanted.Cluster || !maps.Equal(old.Wanted, wanted.Wanted) || !drift.Same(old.Things, wanted.Things) {
				return geored.State{Detail: "not written down as it is now"}, err
			}
			return geored.State{Done: true, Detail: fmt.Sprintf("%d things are written down, on %s", len(old.Things), clockText(old.Taken))}, nil
		},
		Apply: func(ctx context.Context) error {
			_, wanted, err := d.recordOf(ctx, step.Site)
			if err != nil {
				return geored.Retriable(err)
			}
			text, err := json.MarshalIndent(wanted, "", " ")
			if err != nil {
				return err
			}
			objects, err := kube.Objects(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: recordNamespace, Name: recordName}, Data: map[string]string{recordKey: string(text)}})
			if err != nil {
				return err
			}
			return cluster.Apply(ctx, objects...)
		},
		Undo: func(ctx context.Context) error {
			err := cluster.Client().CoreV1().ConfigMaps(recordNamespace).Delete(ctx, recordName, metav1.DeleteOptions{})
			if apierrors.IsNotFound(err) {
				return nil
			}
			return err
		},
		Gone: func(ctx context.Context) (geored.State, error) {
			_, err := cluster.Client().CoreV1().ConfigMaps(recordNamespace).Get(ctx, recordName, metav1.GetOptions{})
			if apierrors.IsNotFound(err) {
				return geored.State{Done: true, Detail: "the record is gone"}, nil
			}
			return geored.State{Detail: "the record is there"}, err
		},
	}
}

// recordOf is what a site has written down, and what it should have.
func (d *Deployment) recordOf(ctx context.Context, site geored.SiteName) (old, wanted drift.Record, err error) {
	old, found, err := d.readRecord(ctx, site)
	if err != nil && !found {
		return old, wanted, err
	}
	if err != nil { // it cannot be read: it is made anew
		old = drift.Record{}
	}
	if old.Salt == "" {
		old.Salt = drift.NewSalt()
	}
	things, err := d.things(ctx, site, old.Salt)
	if err != nil {
		return old, wanted, err
	}
	uid, err := d.Clusters[site].UID(ctx)
	if err != nil {
		return old, wanted, err
	}
	wanted, err = drift.Record{Site: site, Cluster: uid, Taken: time.Now().UTC(), Salt: old.Salt, Wanted: d.wantedAt(site), Things: old.Renew(things)}.Sealed()
	return old, wanted, err
}

// readRecord gives a site's record. found is also true when there is one that cannot be read.
func (d *Deployment) readRecord(ctx context.Context, site geored.SiteName) (r drift.Record, found bool, err error) {
	m, err := d.Clusters[site].Client().CoreV1().ConfigMaps(recordNamespace).Get(ctx, recordName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return r, false, nil
	}
	if err != nil {
		return r, false, err
	}
	r, err = drift.Parse([]byte(m.Data[recordKey]))
	return r, true, err
}

// wantedAt are the digests of what the installation's steps want of a site: the plan, as far as it is known beforehand.
func (d *Deployment) wantedAt(site geored.SiteName) map[geored.StepID]string {
	wanted := map[geored.StepID]string{}
	for _, step := range d.Install().Steps() {
		if step.Site == site && step.Wanted != "" {
			wanted[step.ID] = step.Wanted
		}
	}
	return wanted
}

// things are all that is recorded of a site, as they are now.
func (d *Deployment) things(ctx context.Context, site geored.SiteName, salt drift.Salt) ([]drift.Thing, error) {
	var all []drift.Thing
	for _, area := range d.areas() {
		things, err := area.read(ctx, site, salt)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", area.name, err)
		}
		all = append(all, area.named(things)...)
	}
	return all, nil
}
