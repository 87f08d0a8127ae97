package ice

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/creds"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/geored/kube/helm"
	"github.com/georedkit/georedkit/kafka"
)

// IDs of the checks of the product.
const (
	CheckRelease      geored.CheckID = "ice/release"
	CheckMultiCassKop geored.CheckID = "ice/multi-casskop"
	CheckModelManager geored.CheckID = "ice/modelmanager"
	CheckPods         geored.CheckID = "ice/pods"
	CheckPassword     geored.CheckID = "ice/password"
	CheckRows         geored.CheckID = "ice/rows"
)

// checkObjects is the check of objectstore.Comparer.
const checkObjects geored.CheckID = "objectstore/equal"

// applicationChecks prove what chapter 4.4 brings about, and change nothing.
func (d *Deployment) applicationChecks() []geored.Check {
	if d.Topology.Applications == nil {
		return nil
	}
	checks := []geored.Check{
		{ID: CheckRelease, Title: "the product is installed with the values of its site", Run: d.releasesAsPlanned},
		{ID: CheckMultiCassKop, Title: "MultiCassKop runs in one site, and in the one that is planned", Run: d.oneOperator},
		{ID: CheckModelManager, Title: "modelmanager completed", Run: d.modelManagers},
		{ID: CheckPods, Title: "every pod of the product runs and is ready", Run: d.allPods},
		{ID: CheckPassword, Title: "the applications of all sites have one password", Run: d.onePassword},
	}
	r := &ringProof{Deployment: d}
	checks = append(checks, r.checks()...)
	checks = append(checks, d.mirrorChecks()...)
	return append(checks, d.objectMirrors().Check(), geored.Check{ID: checkObjects, Title: "the sites hold the same files", Run: d.sameObjects})
}

// wantedProduct is the release of a site once the installation is through.
func (d *Deployment) releasesAsPlanned(ctx context.Context) []geored.Finding {
	answers := geored.Ask(ctx, d.every("release"), func(ctx context.Context, t geored.Target) (productFound, error) {
		have, found, err := d.releases(t.Site).Installed(ctx, productRelease, productNamespace)
		return productFound{have, found}, err
	})
	return answers.Each(func(t geored.Target, p productFound) geored.Finding {
		return judgeRelease(p, d.charts.version(ProductChart), helm.Merge(d.productValues(t.Site), d.charts.Overlay.Of(t.Site, ProductChart)))
	})
}

type productFound struct {
	helm.Installed
	found bool
}

func judgeRelease(p productFound, version string, wanted helm.Values) geored.Finding {
	chart := ProductChart + "-" + version
	f := geored.Finding{Verdict: geored.Fail, Remedy: "run this program again: it upgrades the release to what the topology asks for"}
	switch {
	case !p.found:
		f.Message = "release " + productRelease + " is not installed"
	case !p.Deployed:
		f.Message = fmt.Sprintf("release %s is %s", productRelease, p.Status)
	case p.Chart != chart:
		f.Message = fmt.Sprintf("release %s is of chart %s, not of %s", productRelease, p.Chart, chart)
		f.Remedy = "upgrade with ice-upgrade, or name the version with -chart-version"
	default:
		if path := helmDifference(wanted, p.Values); path != "" {
			f.Message = fmt.Sprintf("release %s has another value of %s", productRelease, path)
			return f
		}
		return geored.Finding{Verdict: geored.Pass, Message: fmt.Sprintf("release %s is revision %d of %s, with the values that are planned", productRelease, p.Revision, p.Chart)}
	}
	return f
}

// mailPassword is what a release holds and the planned values do not.
const mailPassword = ".charts.iceMonitoring.values.grafana.grafana.ini.smtp.password"

// helmDifference is the path of the first value that differs; no value is shown.
func helmDifference(wanted, have helm.Values) string {
	plain, err := valuesOf(wanted)
	if err != nil {
		return "(unreadable)"
	}
	for _, path := range differing("", map[string]any(plain), map[string]any(have)) {
		if path != mailPassword {
			return strings.TrimPrefix(path, ".")
		}
	}
	return ""
}

// wantedPods is a workload's replicas: one where nobody says how many.
func wantedPods(replicas *int32) int32 {
	if replicas == nil {
		return 1
	}
	return *replicas
}

// oneOperator asks every site for its MultiCassKop: two undo each other's work.
func (d *Deployment) oneOperator(ctx context.Context) []geored.Finding {
	answers := geored.Ask(ctx, d.every("deployments"), func(ctx context.Context, t geored.Target) (int, error) {
		list, err := d.Clusters[t.Site].Client().AppsV1().Deployments(metav1.NamespaceAll).List(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + operatorDeployment})
		if err != nil {
			return 0, err
		}
		wanted := 0
		for _, deployment := range list.Items {
			if wantedPods(deployment.Spec.Replicas) > 0 {
				wanted++
			}
		}
		return wanted, nil
	})
	return []geored.Finding{judgeOperators(answers, d.first())}
}

func judgeOperators(answers geored.Answers[int], first geored.SiteName) geored.Finding {
	f := geored.Finding{Verdict: geored.Pass, Message: "MultiCassKop runs in " + string(first) + " and nowhere else"}
	for t, n := range answers.All() {
		if wanted := t.Site == first; wanted != (n == 1) || n > 1 {
			f.Verdict, f.Message = geored.Fail, fmt.Sprintf("MultiCassKop is in the wrong sites: %s has %d", t.Site, n)
			f.Remedy = "enable multiCassKop and multi-casskop in " + string(first) + " alone"
		}
		f.Evidence = append(f.Evidence, fmt.Sprintf("%s: %d", t.Site, n))
	}
	return answers.Conclude(f)
}

func (d *Deployment) modelManagers(ctx context.Context) []geored.Finding {
	answers := geored.Ask(ctx, d.every("jobs"), func(ctx context.Context, t geored.Target) (geored.State, error) {
		jobs, err := d.jobs(ctx, t.Site)
		return judgeModelManager(jobs), err
	})
	return answers.Each(func(_ geored.Target, s geored.State) geored.Finding {
		return judgeState(s, "look at the log of its pod in "+arcusNamespace)
	})
}

func judgeState(s geored.State, remedy string) geored.Finding {
	if s.Done {
		return geored.Finding{Verdict: geored.Pass, Message: s.Detail}
	}
	return geored.Finding{Verdict: geored.Fail, Message: s.Detail, Remedy: remedy}
}

var productNamespaces = []string{arcusNamespace, cassandraNamespace, kafkaNamespace, minioNamespace, rallypointNamespace}

// allPods judges readiness, which the guide's "Running" does not.
func (d *Deployment) allPods(ctx context.Context) []geored.Finding {
	answers := geored.Ask(ctx, d.every("pods"), func(ctx context.Context, t geored.Target) (running, error) {
		all := running{pods: map[string][]corev1.Pod{}}
		for _, namespace := range productNamespaces {
			list, err := d.Clusters[t.Site].Client().CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
			if err != nil {
				return all, err
			}
			all.pods[namespace] = list.Items
		}
		var err error
		all.workloads, err = d.workloads(ctx, t.Site)
		return all, err
	}, geored.AskBudget(time.Minute))
	return answers.Each(func(_ geored.Target, all running) geored.Finding { return judgeRunning(all) })
}

// running is what runs of the product at a site.
type running struct {
	pods      map[string][]corev1.Pod // by namespace
	workloads geored.State            // done: each has all its pods, and of the newest template
}

// workloads says whether each workload of the release has as many pods as the chart asks for, all of the newest template:
// pods that are not there are not seen among pods. MultiCassKop says how many nodes Cassandra has.
func (d *Deployment) workloads(ctx context.Context, site geored.SiteName) (geored.State, error) {
	have, found, err := d.releases(site).Installed(ctx, productRelease, productNamespace)
	if err != nil || !found {
		return geored.State{Detail: "release " + productRelease + " is not installed"}, err
	}
	objects, err := have.Objects()
	if err != nil {
		return geored.State{}, err
	}
	objects = slices.DeleteFunc(objects, func(o *kube.Object) bool { return o.GetKind() != "Deployment" && o.GetKind() != "StatefulSet" })
	placed, err := d.Clusters[site].Place(ctx, productNamespace, objects...)
	if err != nil {
		return geored.State{}, err
	}
	for _, o := range placed {
		live, there, err := d.Clusters[site].Live(ctx, o)
		if err != nil {
			return geored.State{}, err
		}
		if there && o.GetNamespace() != cassandraNamespace && replicas(live) < replicas(o) {
			return geored.State{Detail: fmt.Sprintf("%s %s/%s asks for %d pods, and its chart for %d", strings.ToLower(o.GetKind()), o.GetNamespace(), o.GetName(), replicas(live), replicas(o))}, nil
		}
	}
	state, err := d.Clusters[site].Ready(ctx, placed...)
	if state.Done {
		state.Detail = fmt.Sprintf("%d workloads have all their pods", len(placed))
	}
	return state, err
}

// replicas is how many pods a workload asks for: one when it does not say.
func replicas(o *kube.Object) int64 {
	if n, found, err := unstructured.NestedInt64(o.Object, "spec", "replicas"); found && err == nil {
		return n
	}
	return 1
}

func judgeRunning(all running) geored.Finding {
	f := geored.Finding{Verdict: geored.Pass, Message: "every pod of the product runs and is ready"}
	for _, namespace := range productNamespaces {
		state := judgePods(namespace, all.pods[namespace])
		f.Evidence = append(f.Evidence, state.Detail)
		if !state.Done && f.Verdict == geored.Pass {
			f.Verdict, f.Message, f.Remedy = geored.Fail, state.Detail, "look at its events and its log"
		}
	}
	f.Evidence = append(f.Evidence, all.workloads.Detail)
	if !all.workloads.Done && f.Verdict == geored.Pass {
		f.Verdict, f.Message, f.Remedy = geored.Fail, all.workloads.Detail, "look at its events, and who scaled it"
	}
	return f
}

func (d *Deployment) onePassword(ctx context.Context) []geored.Finding {
	answers := geored.Ask(ctx, d.every(passwordSecret), func(ctx context.Context, t geored.Target) (creds.Document, error) {
		text, _, err := d.readPassword(ctx, t.Site)
		return text, err
	})
	return []geored.Finding{judgePasswords(answers, d.first())}
}

func judgePasswords(answers geored.Answers[creds.Document], first geored.SiteName) geored.Finding {
	var ours creds.Document
	told := false
	for t, text := range answers.All() {
		if t.Site == first {
			ours, told = text, true
		}
	}
	f := geored.Finding{Verdict: geored.Pass, Message: "secret " + passwordSecret + " is the same in every site"}
	if !told { // nobody's is another, as far as is known
		f.Verdict, f.Message = geored.Unknown, fmt.Sprintf("secret %s of %s was not read: it is the one that all must have", passwordSecret, first)
		return answers.Conclude(f)
	}
	for t, text := range answers.All() {
		if text.IsZero() || !text.Equal(ours) {
			f.Verdict, f.Message = geored.Fail, fmt.Sprintf("secret %s of %s is not that of %s, or is empty", passwordSecret, t.Site, first)
			f.Remedy = "run this program again: it copies the first site's (ICE guide, 4.4.6)"
		}
	}
	return answers.Conclude(f)
}

// ringProof opens the ring when the first of its checks runs.
type ringProof struct {
	*Deployment
	once   sync.Once
	opened *cassandra.Cluster
	checksOf
}

type checksOf struct {
	all []geored.Check
	err error
}

func (p *ringProof) open(ctx context.Context) checksOf {
	p.once.Do(func() {
		if p.opened, p.err = p.ring(ctx); p.err == nil {
			p.all = p.opened.Checks()
			p.closeInstead(p.opened.Close)
		}
	})
	return p.checksOf
}

func (p *ringProof) checks() []geored.Check {
	var checks []geored.Check
	for i, c := range (&cassandra.Cluster{}).Checks() {
		c.Run = func(ctx context.Context) []geored.Finding {
			opened := p.open(ctx)
			if opened.err != nil {
				return []geored.Finding{{Verdict: geored.Unknown, Message: "the ring cannot be asked: " + opened.err.Error()}}
			}
			return opened.all[i].Run(ctx)
		}
		checks = append(checks, c)
	}
	nodes := []geored.CheckID{cassandra.CheckNodes}
	return append(checks, geored.Check{ID: CheckReplicas, Title: "a site goes on when one of its nodes is away", Needs: nodes, Run: p.replicas},
		geored.Check{ID: CheckRows, Title: "the sites hold the same rows", Needs: nodes, Run: p.rows})
}

// rows compares all tables once; a site whose reads failed has not answered.
func (p *ringProof) rows(ctx context.Context) []geored.Finding {
	opened := p.open(ctx)
	if opened.err != nil {
		return []geored.Finding{{Verdict: geored.Unknown, Message: opened.err.Error()}}
	}
	tables, err := p.opened.Tables(ctx, keyspace)
	if err != nil {
		return []geored.Finding{{Verdict: geored.Unknown, Message: err.Error()}}
	}
	found, err := p.opened.CompareAll(ctx, tables, p.comparing())
	answers := geored.Ask(ctx, p.every("cassandra"), func(_ context.Context, t geored.Target) (cassandra.Comparisons, error) {
		return found, errors.Join(err, unread(found, t.Site))
	})
	return []geored.Finding{judgeRows(answers)}
}

// unread is why a site was not read to its end.
func unread(found cassandra.Comparisons, site geored.SiteName) error {
	for _, comparison := range found {
		for _, r := range comparison.Ranges {
			for _, read := range r.Reads {
				if read.Site == site && read.Err != "" {
					return fmt.Errorf("%s: %s", comparison.Name, read.Err)
				}
			}
		}
	}
	return nil
}

func judgeRows(answers geored.Answers[cassandra.Comparisons]) geored.Finding {
	f := geored.Finding{Verdict: geored.Unknown, Message: "no table was compared"}
	for _, found := range answers.All() {
		f = geored.Finding{Verdict: found.Verdict(), Message: fmt.Sprintf("%d tables of %s: %s", len(found), keyspace, found.Verdict()), Evidence: strings.Split(found.String(), "\n")}
		if f.Verdict == geored.Fail {
			f.Message, f.Remedy = "tables of "+keyspace+" differ", "ice-recover says what to do about it, and does it"
		}
	}
	return answers.Conclude(f)
}

// mirrorChecks are those of every mirror of Kafka, under one ID each.
func (d *Deployment) mirrorChecks() []geored.Check {
	var checks []geored.Check
	for i, id := range []geored.CheckID{kafka.CheckStatus, kafka.CheckResource, kafka.CheckPosition, kafka.CheckGroups} {
		checks = append(checks, geored.Check{ID: id, Title: mirrorTitles[i], Run: func(ctx context.Context) []geored.Finding {
			var findings []geored.Finding
			for _, m := range kafka.MirrorsBothWays(d.sites()...) {
				findings = append(findings, d.mirrorFindings(ctx, m, id)...)
			}
			return findings
		}})
	}
	return checks
}

var mirrorTitles = []string{"connectors and tasks of every mirror run", "Strimzi and Connect tell the same of every mirror", "every mirror is at the end of what it copies", "groups can go on at the other site"}

func (d *Deployment) mirrorFindings(ctx context.Context, m kafka.Mirror, id geored.CheckID) []geored.Finding {
	r, end, err := d.replication(m)
	if err != nil {
		return []geored.Finding{{Site: m.From, To: m.To, Verdict: geored.Unknown, Message: err.Error()}}
	}
	defer end()
	for _, check := range r.Checks(nil) {
		if check.ID == id {
			return check.Run(ctx)
		}
	}
	return []geored.Finding{{Site: m.From, To: m.To, Verdict: geored.Unknown, Message: "there is no check " + string(id)}}
}

func (d *Deployment) sites() []geored.SiteName {
	var names []geored.SiteName
	for _, site := range d.Topology.Sites {
		names = append(names, site.Name)
	}
	return names
}

func (d *Deployment) sameObjects(ctx context.Context) []geored.Finding {
	comparer, err := d.objects(ctx)
	if err != nil {
		return []geored.Finding{{Verdict: geored.Unknown, Message: err.Error()}}
	}
	return comparer.Check().Run(ctx)
}
