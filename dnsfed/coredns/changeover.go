package coredns

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/dnsfed"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

// partOf labels what a change-over made; the new pods carry it and the old ones do not.
const (
	partOf      = "app.kubernetes.io/part-of"
	partOfValue = "georedkit-dns"
	nameLabel   = "app.kubernetes.io/name"
	switchedAt  = "georedkit/dns-switched-at"
)

// ChangeOver replaces the name servers of one site.
type ChangeOver struct {
	Cluster  *kube.Cluster
	Old      string // Deployment that serves now
	New      string // name of the Deployment and ConfigMap to be made; must not be Old
	Image    string // zero: that of Old
	Corefile string
	Mounts   []Mount // credentials of the other sites
	Release  Release // zero: the Service gets no owner
	// Prove holds the new pods to what they must answer, each by its own address, before the Service leads to them.
	// Anything but pass keeps the old ones. Required.
	Prove Proof
	Drain time.Duration // how long the old pods go on after the switch. Zero: 30 s, as long as answers are cached
	Clock geored.Clock  // zero: geored.SystemClock
}

func (c ChangeOver) withDefaults() ChangeOver {
	if c.Clock == nil {
		c.Clock = geored.SystemClock()
	}
	if c.Drain == 0 {
		c.Drain = 30 * time.Second
	}
	return c
}

// Mount is a Secret in the new pods.
type Mount struct{ Secret, Path string }

// Release is the Helm release that is to own the Service.
type Release struct{ Name, Namespace string }

// Steps are the change-over as it is reviewed, in their order.
func (c ChangeOver) Steps() []geored.Step {
	step := func(name, target string, action geored.Action, reason string, manual string, needs ...string) geored.Step {
		s := geored.Step{ID: c.id(name), Site: c.Cluster.Site(), Target: target, Action: action, Reason: reason}
		if manual != "" {
			s.Manual = []string{manual}
		}
		for _, need := range needs {
			s.Needs = append(s.Needs, c.id(need))
		}
		return s
	}
	const kubectl = "kubectl -n " + Namespace + " "
	annotate := ""
	if c.Release != (Release{}) {
		annotate = fmt.Sprintf("%sannotate service %s %s=%s %s=%s && %slabel service %s %s=Helm", kubectl, ServiceName, releaseName, c.Release.Name,
			releaseNamespace, c.Release.Namespace, kubectl, ServiceName, managedBy)
	}
	service, old, fresh := "service "+Namespace+"/"+ServiceName, "deployment "+Namespace+"/"+c.Old, "deployment "+Namespace+"/"+c.New
	return []geored.Step{
		step("adopt", service, geored.Apply, "its cluster IP stands in every pod's resolv.conf: it is kept, and given to the release", annotate),
		step("start", fresh, geored.Apply, "the new name servers start beside the old ones, under a label of their own", kubectl+"apply -f "+c.New+".yaml", "adopt"),
		step("prove", fresh, geored.Await, "each new pod answers right by its own address", "", "start"),
		step("switch", service, geored.Apply, "one update leads all queries from the old pods to the new ones", kubectl+"set selector service "+ServiceName+" "+nameLabel+"="+c.New+","+partOf+"="+partOfValue, "prove"),
		step("drain", service, geored.Await, "what was cached or under way before the switch comes to its end", "", "switch"),
		step("remove", old, geored.Delete, "two sets of name servers in one cluster are one mistake away from alternating answers", kubectl+"delete deployment "+c.Old, "drain"),
	}
}

func (c ChangeOver) id(name string) geored.StepID {
	return geored.StepID("dns/" + string(c.Cluster.Site()) + "/" + name)
}

// Stage is the change-over as a stage of a runbook. Its tasks are made from what serves when it begins.
func (c ChangeOver) Stage(name string) geored.Stage {
	return geored.Stage{Name: name, Outline: c.Steps(), Bind: c.bind}
}

func (c ChangeOver) faults() geored.Faults {
	var faults geored.Faults
	add := func(field, value, problem, remedy string) {
		faults = append(faults, geored.Fault{Site: c.Cluster.Site(), Field: field, Value: value, Problem: problem, Remedy: remedy})
	}
	if c.New == "" || c.Old == "" || c.New == c.Old {
		add("deployment", c.New, "must have a name other than that of the one it replaces", "name both")
	}
	if c.Prove == nil {
		add("prove", "", "is not given", "name servers are not switched to unproven")
	}
	return faults
}

func (c ChangeOver) bind(ctx context.Context) ([]geored.Task, error) {
	c = c.withDefaults()
	faults := c.faults()
	if _, err := dnsfed.ParseCorefile(c.Corefile); err != nil || c.Corefile == "" {
		faults = append(faults, geored.Fault{Site: c.Cluster.Site(), Field: "Corefile", Problem: fmt.Sprintf("cannot be used: %v", err),
			Remedy: "merge the federation into the one that serves"})
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	dns, err := Read(ctx, c.Cluster)
	if err != nil {
		return nil, err
	}
	if dns.Service == nil {
		return nil, errNoService
	}
	if err := dns.BesideFaults(c.Cluster.Site(), c.Old).Err(); err != nil {
		return nil, err
	}
	objects, err := c.objects(ctx)
	if err != nil {
		return nil, err
	}
	steps := c.Steps()
	start := c.Cluster.ApplyTask(steps[1], objects...)
	start.Undo = c.unlessLed(start.Undo)
	tasks := []geored.Task{c.adopt(steps[0], dns.Service), start, c.prove(steps[2]), c.turn(steps[3]), c.drain(steps[4]), c.remove(steps[5])}
	for i, task := range tasks {
		tasks[i] = kube.Retrying(task)
	}
	return tasks, nil
}

// BesideFaults finds what would go on asking name servers that are to be replaced, and nobody when they are gone.
func (d DNS) BesideFaults(site geored.SiteName, old ...string) geored.Faults {
	var faults geored.Faults
	for _, b := range d.Beside {
		for _, name := range old {
			if b.Queries && slices.Contains(b.Leads, name) {
				faults = append(faults, geored.Fault{Site: site, Field: "service " + b.Name, Problem: "leads to " + name + " too: whoever asks it would be left without an answer",
					Remedy: "let what asks it, such as a node cache, ask Service " + ServiceName + ", or give it a selector that finds the new name servers"})
			}
		}
	}
	return faults
}

var errNoService = errors.New("service " + ServiceName + " is not there: make it with the cluster IP that the kubelets name")

// objects are the new Deployment, made of the old one's, and its ConfigMap. When the old one is gone, the change-over had
// come to its end before: then the new one is the pattern.
func (c ChangeOver) objects(ctx context.Context) ([]*kube.Object, error) {
	pattern, err := c.pattern(ctx, c.New, c.Old)
	if err != nil {
		return nil, err
	}
	if pattern == nil {
		return nil, fmt.Errorf("deployment %s: is not there", c.Old)
	}
	if len(pattern.Spec.Template.Spec.Containers) == 0 {
		return nil, fmt.Errorf("deployment %s: has no container", pattern.Name)
	}
	from, err := corefileOf(ctx, c.Cluster, pattern.Spec.Template.Spec)
	if err != nil {
		return nil, fmt.Errorf("deployment %s: %w", pattern.Name, err)
	}
	if from.Name == "" {
		return nil, fmt.Errorf("deployment %s: mounts no ConfigMap with a Corefile: it is not known where the new one goes", pattern.Name)
	}
	data := maps.Clone(from.Data) // others of its keys may be mounted beside the Corefile
	data[corefileKey] = c.Corefile
	return kube.Objects(
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: c.New, Labels: c.labels()}, Data: data, BinaryData: from.BinaryData},
		c.deployment(pattern, from.Name))
}

// pattern is the first of some Deployments that is there; nil: none is. They are asked for by name: once the Service leads
// elsewhere, nothing else may say that one is of DNS.
func (c ChangeOver) pattern(ctx context.Context, names ...string) (*appsv1.Deployment, error) {
	for _, name := range names {
		live, err := c.Cluster.Client().AppsV1().Deployments(Namespace).Get(ctx, name, metav1.GetOptions{})
		if err == nil {
			return live, nil
		}
		if !apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("deployment %s: %w", name, err)
		}
	}
	return nil, nil
}

// labels of the new pods: the old Service selector and the old Deployment must not find them.
func (c ChangeOver) labels() map[string]string {
	return map[string]string{nameLabel: c.New, partOf: partOfValue}
}
