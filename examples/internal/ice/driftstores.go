package ice

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/drift"
	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/connect"
)

// seedThings are what a site's Cassandra nodes are started with.
func (d *Deployment) seedThings(ctx context.Context, site geored.SiteName, _ drift.Salt) ([]drift.Thing, error) {
	revision, err := d.productRevision(ctx, site)
	if err != nil {
		return nil, err
	}
	set, err := d.Clusters[site].Client().AppsV1().StatefulSets(cassandraNamespace).Get(ctx, ringName(site), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	facts := map[string]string{"nodes": fmt.Sprint(wantedPods(set.Spec.Replicas))}
	for _, c := range set.Spec.Template.Spec.Containers {
		facts["image of "+c.Name] = c.Image
		for _, env := range c.Env {
			if strings.Contains(strings.ToUpper(env.Name), "SEEDS") {
				facts["seeds of "+c.Name] = env.Value
			}
		}
	}
	return []drift.Thing{{Name: "statefulset " + cassandraNamespace + "/" + set.Name, Facts: facts, Under: revision, Wrote: writer(set.ObjectMeta, ""),
		Mends: ownerOf(site) + "; how many nodes there are is MultiCassKop's to say, in " + string(d.first())}}, nil
}

func (d *Deployment) mirrorsInto(site geored.SiteName) []kafka.Mirror {
	return slices.DeleteFunc(kafka.MirrorsBothWays(d.sites()...), func(m kafka.Mirror) bool { return m.To != site })
}

// connectorThings are the mirrors into a site: the resource that Strimzi follows, and what Connect runs.
func (d *Deployment) connectorThings(ctx context.Context, site geored.SiteName, salt drift.Salt) ([]drift.Thing, error) {
	revision, err := d.productRevision(ctx, site)
	if err != nil {
		return nil, err
	}
	var things []drift.Thing
	for _, m := range d.mirrorsInto(site) {
		resource, err := d.resourceThing(ctx, m, revision, salt)
		if err != nil {
			return nil, err
		}
		things = append(things, resource)
		worker, err := d.worker(m)
		if err != nil {
			return nil, err
		}
		connectors, err := worker.Connectors(ctx)
		if err != nil {
			return nil, err
		}
		for _, c := range connectors {
			things = append(things, drift.Thing{Name: "connector " + c.Name, Under: revision, Facts: settingFacts(c.Settings),
				Mends: fmt.Sprintf("Strimzi's operator of %s writes what %s says: see that it runs; who wrote to Connect past it must stop", site, d.mirrorMaker(m).Name)})
		}
	}
	return things, nil
}

// resourceThing is what Strimzi is told about a mirror, path by path.
func (d *Deployment) resourceThing(ctx context.Context, m kafka.Mirror, revision string, salt drift.Salt) (drift.Thing, error) {
	mirror, err := d.mirrorMaker(m).MirrorMaker(ctx)
	if err != nil {
		return drift.Thing{}, err
	}
	text, err := d.Clusters[m.To].Client().Discovery().RESTClient().Get().AbsPath("/apis/kafka.strimzi.io", mirror.Version, "namespaces", mirror.Namespace, "kafkamirrormaker2s", mirror.Name).DoRaw(ctx)
	if err != nil {
		return drift.Thing{}, err
	}
	var live struct {
		Metadata metav1.ObjectMeta
		Spec     table
	}
	if err := json.Unmarshal(text, &live); err != nil {
		return drift.Thing{}, fmt.Errorf("%s: %w", mirror, err)
	}
	values, leftOut := salt.Leaves(live.Spec)
	facts := map[string]string{"paused": fmt.Sprint(mirror.Paused), "left out as secrets": fmt.Sprint(leftOut)}
	for path, digest := range values {
		facts["spec."+path] = "digest " + digest
	}
	return drift.Thing{Name: mirror.String(), Facts: facts, Under: revision, Mends: ownerOf(m.To), Wrote: writer(live.Metadata, "")}, nil
}

// settingFacts are a connector's settings; what may be a secret is left out.
func settingFacts(s connect.Settings) map[string]string {
	facts, leftOut := map[string]string{}, 0
	for key, value := range s.Shown() {
		if value == connect.Redacted {
			leftOut++
			continue
		}
		facts[key] = value
	}
	facts["settings left out as secrets"] = fmt.Sprint(leftOut)
	return facts
}

// mirrorThings are the workloads that mirror records and objects into and out of a site.
func (d *Deployment) mirrorThings(ctx context.Context, site geored.SiteName, salt drift.Salt) ([]drift.Thing, error) {
	revision, err := d.productRevision(ctx, site)
	if err != nil {
		return nil, err
	}
	var things []drift.Thing
	for _, m := range d.mirrorsInto(site) {
		name := d.mirrorMaker(m).Name
		list, err := d.Clusters[site].Client().CoreV1().Pods(kafkaNamespace).List(ctx, metav1.ListOptions{LabelSelector: "strimzi.io/cluster=" + name})
		if err != nil {
			return nil, err
		}
		things = append(things, drift.Thing{Name: "workers of " + kafkaNamespace + "/" + name, Under: revision, Facts: podFacts(list.Items),
			Mends: fmt.Sprintf("Strimzi's operator of %s makes the workers of %s: see that it runs, and what it says of the resource", site, name)})
	}
	deployment, err := d.Clusters[site].Client().AppsV1().Deployments(minioNamespace).Get(ctx, mirrorDeploy, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return things, nil
	}
	if err != nil {
		return nil, err
	}
	facts := map[string]string{"pods": fmt.Sprint(wantedPods(deployment.Spec.Replicas))}
	for _, c := range deployment.Spec.Template.Spec.Containers {
		facts["image of "+c.Name], facts["arguments of "+c.Name] = c.Image, "digest "+salt.Digest(strings.Join(slices.Concat(c.Command, c.Args), "\x00")) // a shell may be given a password
	}
	return append(things, drift.Thing{Name: "deployment " + minioNamespace + "/" + mirrorDeploy, Under: revision, Facts: facts, Wrote: writer(deployment.ObjectMeta, ""), Mends: ownerOf(site)}), nil
}

// podFacts are what does not change when a pod is made anew.
func podFacts(pods []corev1.Pod) map[string]string {
	var images []string
	n := 0
	for _, p := range pods {
		if p.DeletionTimestamp != nil {
			continue
		}
		n++
		for _, c := range p.Spec.Containers {
			images = append(images, c.Image)
		}
	}
	slices.Sort(images)
	return map[string]string{"pods": fmt.Sprint(n), "images": strings.Join(slices.Compact(images), ", ")}
}
