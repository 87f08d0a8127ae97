package ice

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/geored/kube/helm"
)

// Names of the product in a cluster (ICE guide, 4.4).
const (
	productRelease   = "ice-helm-operator"
	productNamespace = "ice-release"

	arcusNamespace      = "ice-arcus"
	cassandraNamespace  = "ice-cassandra"
	kafkaNamespace      = "ice-kafka"
	minioNamespace      = "ice-minio"
	rallypointNamespace = "ice-rallypoint"
)

// applications are the stages of chapter 4.4; none when the topology names no applications.
func (d *Deployment) applications() []geored.Stage {
	if d.Topology.Applications == nil {
		return nil
	}
	stages := []geored.Stage{d.installFirst(), d.seed(), d.hang(), d.operatorTokens(), d.operatorCredentials(), d.cassandraUp(), d.modelManager(),
		d.ringProven(), d.password(), d.completeOthers(), d.passwordKept(), d.finish()}
	for i := range stages {
		stages[i] = d.waiting(stages[i])
	}
	// The first installation hangs whether the others are seeded or not: it is watched meanwhile.
	stages[2].After = []string{stages[0].Name}
	stages[3].After = []string{stages[1].Name, stages[2].Name}
	return stages
}

// first is where MultiCassKop runs. Where the topology does not describe the product, it is the first site, as there.
func (d *Deployment) first() geored.SiteName {
	if d.Topology.Applications == nil {
		return d.Topology.Sites[0].Name
	}
	return d.Topology.Applications.First
}

// waiting gives the tasks of a stage the time that the product's own operator has: what they wait for, it makes.
func (d *Deployment) waiting(s geored.Stage) geored.Stage {
	bind := s.Bind
	s.Bind = func(ctx context.Context) ([]geored.Task, error) {
		tasks, err := bind(ctx)
		for i := range tasks {
			tasks[i].Timeout = max(tasks[i].Timeout, d.Topology.Applications.Timeout)
		}
		return tasks, err
	}
	return s
}

func (d *Deployment) namespaceStep(stage string, site geored.SiteName) geored.Step {
	return geored.Step{ID: stepID(stage, site, "namespace"), Site: site, Target: "namespace " + productNamespace, Action: geored.Apply,
		Reason: "the release of the product stands there (ICE guide, 4.4.2: --create-namespace)", Permanent: "the product's release is in it"}
}

func (d *Deployment) namespaceTask(step geored.Step) (geored.Task, error) {
	objects, err := kube.Objects(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: productNamespace}})
	if err != nil {
		return geored.Task{}, err
	}
	task := d.Clusters[step.Site].ApplyTask(step, objects...)
	task.Undo, task.Gone = nil, nil
	return task, nil
}

// productStep is the installation of the product with one of a site's files of values.
func (d *Deployment) productStep(stage string, site geored.SiteName, file, reason string, values helm.Values) geored.Step {
	command := fmt.Sprintf("-n %s upgrade -i --create-namespace %s REPOSITORY/%s --version %s -f %s", productNamespace, productRelease, ProductChart, d.charts.version(ProductChart), file)
	return geored.Step{ID: stepID(stage, site, "install"), Site: site, Target: "release " + productNamespace + "/" + productRelease, Action: geored.Install,
		Reason: reason, Wanted: d.wantedChart(site, ProductChart, values), Manual: []string{d.Clusters[site].Helm(command)},
		Permanent: "it holds the users' data: uninstall it by hand"}
}

// product is the release with a site's values. Helm does not wait for its objects: they hang until later steps, and each
// step that waits for them says for what.
func (d *Deployment) product(ctx context.Context, site geored.SiteName, values helm.Values) (helm.Release, error) {
	values, err := d.withPassword(values)
	if err != nil {
		return helm.Release{}, err
	}
	if values, err = valuesOf(values); err != nil {
		return helm.Release{}, err
	}
	w, err := d.charts.release(ctx, site, ProductChart, productRelease, values)
	w.Namespace, w.NoWait = productNamespace, true
	return w, err
}

func (d *Deployment) productTask(ctx context.Context, step geored.Step, values helm.Values) (geored.Task, error) {
	w, err := d.product(ctx, step.Site, values)
	if err != nil {
		return geored.Task{}, err
	}
	task := d.releases(step.Site).Task(step, w)
	apply := task.Apply
	task.Apply = func(ctx context.Context) error {
		if err := d.stillNotOlder(ctx, step.Site); err != nil {
			return err
		}
		return apply(ctx)
	}
	task.Undo, task.Gone, task.Timeout = nil, nil, max(d.Topology.Applications.Timeout, time.Minute)
	return task, nil
}

// installFirst begins with the site where MultiCassKop runs (ICE guide, 4.4.2).
func (d *Deployment) installFirst() geored.Stage {
	const stage = "applications"
	site := d.first()
	space := d.namespaceStep(stage, site)
	install := d.productStep(stage, site, "ice/ice_"+string(site)+".json", "MultiCassKop of this site brings Cassandra up in all of them; it will hang until it has their credentials (ICE guide, 4.4.2)", d.productValues(site))
	install.Needs = []geored.StepID{space.ID}
	return geored.Stage{Name: stage, Outline: []geored.Step{space, install}, Bind: func(ctx context.Context) ([]geored.Task, error) {
		first, err := d.namespaceTask(space)
		if err != nil {
			return nil, err
		}
		second, err := d.productTask(ctx, install, d.productValues(site))
		return []geored.Task{first, second}, err
	}}
}

// seed makes in the other sites what MultiCassKop needs there (ICE guide, 4.4.3).
func (d *Deployment) seed() geored.Stage {
	const stage = "seed"
	var outline []geored.Step
	for _, site := range d.others(d.first()) {
		space := d.namespaceStep(stage, site)
		install := d.productStep(stage, site, "seed/seed_"+string(site)+".json", "the accounts and objects that the first site's installation waits for (ICE guide, 4.4.3)", d.seedValues(site))
		install.Needs = []geored.StepID{space.ID}
		outline = append(outline, space, install)
	}
	return geored.Stage{Name: stage, Outline: outline, Bind: func(ctx context.Context) ([]geored.Task, error) {
		var tasks []geored.Task
		for i := 0; i < len(outline); i += 2 {
			space, err := d.namespaceTask(outline[i])
			if err != nil {
				return nil, err
			}
			install, err := d.productTask(ctx, outline[i+1], d.seedValues(outline[i].Site))
			if err != nil {
				return nil, err
			}
			tasks = append(tasks, space, d.unlessComplete(install))
		}
		return tasks, nil
	}}
}

// unlessComplete leaves a site alone that is further than seeded: a run that goes on after an interruption must not take
// its applications away. A revision that failed, or was killed, is past it too: the stage complete repairs it.
func (d *Deployment) unlessComplete(task geored.Task) geored.Task {
	observe, site := task.Observe, task.Site
	task.Observe = func(ctx context.Context) (geored.State, error) {
		have, found, err := d.releases(site).Installed(ctx, productRelease, productNamespace)
		if err != nil {
			return geored.State{}, err
		}
		if enabled, given := lookup(have.Values, "charts", "instantConnectEnterprise", "enabled").(bool); found && given && enabled {
			return geored.State{Done: true, Detail: "release " + productRelease + " is past its seed already"}, nil
		}
		return observe(ctx)
	}
	return task
}

// completeOthers installs the applications in the other sites, one after the other: each has its own modelmanager, and two
// that change the schema at once split it (ICE guide, 4.4.7).
func (d *Deployment) completeOthers() geored.Stage {
	const stage = "complete"
	var outline []geored.Step
	for _, site := range d.others(d.first()) {
		install := d.productStep(stage, site, "ice/ice_"+string(site)+".json", "the applications of this site, on a ring that holds their schema already (ICE guide, 4.4.7)", d.productValues(site))
		if len(outline) > 0 {
			install.Needs = []geored.StepID{outline[len(outline)-1].ID}
		}
		outline = append(outline, install, d.modelManagerStep(stage, site, install.ID))
	}
	return geored.Stage{Name: stage, Outline: outline, Bind: func(ctx context.Context) ([]geored.Task, error) {
		var tasks []geored.Task
		for i := 0; i < len(outline); i += 2 {
			install, err := d.productTask(ctx, outline[i], d.productValues(outline[i].Site))
			if err != nil {
				return nil, err
			}
			tasks = append(tasks, install, d.modelManagerTask(outline[i+1]))
		}
		return tasks, nil
	}}
}

// ApplicationRules are what the runner does beyond [Rules] for the product. The charts of the product grant what is in here
// too, and more: helm needs what they grant.
func ApplicationRules() []rbacv1.PolicyRule {
	const all = "get list watch create update patch delete"
	return []rbacv1.PolicyRule{
		rule("", "pods/portforward", "get create"),
		rule("apps", "statefulsets", all),
		rule("apps", "statefulsets/scale", "get list watch patch update"),
		rule("batch", "jobs cronjobs", all),
		rule("kafka.strimzi.io", "kafkamirrormaker2s kafkamirrormaker2s/status", all),
	}
}
