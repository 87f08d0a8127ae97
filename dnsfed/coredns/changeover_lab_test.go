//go:build lab

package coredns

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/dnsfed"
	"github.com/georedkit/georedkit/dnsfed/resolver"
	"github.com/georedkit/georedkit/geored"
)

func TestAnUnprovenChangeOverKeepsTheOldOnes(t *testing.T) {
	p := places(t)[0]
	before, _ := p.serving()
	change := p.change("coredns-unproven")
	change.Prove = func(context.Context, []dnsfed.Server) geored.Finding {
		return geored.Finding{Verdict: geored.Unknown, Message: "nobody answered"}
	}
	stage := change.Stage("dns")
	hasty := func(ctx context.Context) ([]geored.Task, error) {
		tasks, err := stage.Bind(ctx)
		for i := range tasks {
			if tasks[i].ID == change.id("prove") {
				tasks[i].Timeout = 10 * time.Second
			}
		}
		return tasks, err
	}
	asking := p.keepAsking()
	_, err := geored.Runbook{Name: "dns", Stages: []geored.Stage{{Name: "dns", Outline: stage.Outline, Bind: hasty}}}.Run(t.Context(), geored.RunConfig{})
	if err == nil || !strings.Contains(err.Error(), "nobody answered") {
		t.Errorf("it went on: %v", err)
	}
	p.lostNothing(asking)
	live, err := change.service(t.Context())
	check(t, err)
	if fmt.Sprint(live.Spec.Selector) != fmt.Sprint(before.Service.Spec.Selector) {
		t.Fatalf("the Service was switched to pods that were not proven: %v", live.Spec.Selector)
	}
	check(t, p.cluster.Delete(t.Context(), deploymentObject(change.New)))
}

// Both sites at once, and a question ten times a second in each: none goes without its answer.
func TestChangeOverOfTwoSitesAtOnce(t *testing.T) {
	all := places(t)
	var whole geored.Stage
	whole.Name = "dns"
	var changes []ChangeOver
	var askers []*resolver.Watch
	before := map[geored.SiteName]DNS{}
	for _, p := range all {
		before[p.Name], _ = p.serving()
		change := p.change("coredns-federated")
		changes, askers = append(changes, change), append(askers, p.keepAsking())
		whole.Outline = append(whole.Outline, change.Steps()...)
	}
	whole.Bind = func(ctx context.Context) ([]geored.Task, error) {
		var tasks []geored.Task
		for _, change := range changes {
			own, err := change.Stage("dns").Bind(ctx)
			if err != nil {
				return nil, err
			}
			tasks = append(tasks, own...)
		}
		return tasks, nil
	}
	began := time.Now()
	all[0].run(whole)
	t.Logf("two change-overs took %s", time.Since(began).Round(time.Millisecond))
	for i, p := range all {
		p.lostNothing(askers[i])
		after, now := p.serving()
		service := before[p.Name].Service
		if after.Service.UID != service.UID || after.Service.Spec.ClusterIP != service.Spec.ClusterIP || after.Service.Labels[managedBy] != "Helm" ||
			after.Service.Annotations[releaseName] != changes[i].Release.Name || len(after.Deployments) != 1 || now.Name != changes[i].New {
			t.Errorf("got %+v", after)
		}
		if _, err := p.cluster.Client().AppsV1().Deployments(Namespace).Get(t.Context(), changes[i].Old, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("the old deployment: %v", err)
		}
	}
	// Once more changes nothing.
	was, _ := all[0].serving()
	all[0].run(whole)
	if is, _ := all[0].serving(); is.Service.ResourceVersion != was.Service.ResourceVersion {
		t.Error("a change-over that was done changed the Service again")
	}
}

// The runner dies when the Service was switched and the old pods are still there. Another one goes on.
func TestAChangeOverThatIsKilledGoesOn(t *testing.T) {
	p := places(t)[0]
	change := p.change("coredns-resumed")
	asking := p.keepAsking()
	killed := errors.New("killed")
	ctx, kill := context.WithCancelCause(t.Context())
	_, err := geored.Runbook{Name: "dns", Stages: []geored.Stage{change.Stage("dns")}}.Run(ctx, geored.RunConfig{Observer: func(e geored.Event) {
		if e.Kind == geored.StepEnded && e.Status == geored.Changed && e.Step == change.id("switch") {
			kill(killed)
		}
	}})
	if !errors.Is(err, killed) {
		t.Fatalf("it was not killed: %v", err)
	}
	live, err := change.service(t.Context())
	check(t, err)
	_, old := p.cluster.Client().AppsV1().Deployments(Namespace).Get(t.Context(), change.Old, metav1.GetOptions{})
	if !change.selected(live).Done || old != nil {
		t.Fatalf("not killed between switch and removal: %v, %v", live.Spec.Selector, old)
	}
	p.run(change.Stage("dns"))
	p.lostNothing(asking)
	if dns, now := p.serving(); now.Name != change.New || len(dns.Deployments) != 1 {
		t.Errorf("%+v", dns.Deployments)
	}
}

// A second set of name servers behind the Service, which knows less than the first.
func TestASecondDeploymentBehindTheService(t *testing.T) {
	p := places(t)[1]
	dns, first := p.serving()
	second := first.live.DeepCopy()
	second.Name, second.ResourceVersion, second.UID = "coredns-second", "", ""
	second.Spec.Selector.MatchLabels["second"], second.Spec.Template.Labels["second"] = "yes", "yes"
	_, err := p.cluster.Client().AppsV1().Deployments(Namespace).Create(t.Context(), second, metav1.CreateOptions{})
	check(t, err)
	t.Cleanup(func() { check(t, p.cluster.Delete(context.WithoutCancel(t.Context()), deploymentObject(second.Name))) })
	answers := geored.Ask(t.Context(), []geored.Target{{Site: p.Name}}, func(ctx context.Context, _ geored.Target) (DNS, error) { return Read(ctx, p.cluster) })
	finding := Judge(answers)[0]
	if finding.Verdict != geored.Fail || !strings.Contains(finding.Message, "2 deployments stand behind the Service: "+first.Name+", coredns-second") {
		t.Errorf("%s: %s", finding.Verdict, finding.Message)
	}
	// The one does not take the pods of the other for its own.
	for _, d := range func() []Deployment { dns, err = Read(t.Context(), p.cluster); check(t, err); return dns.Deployments }() {
		for _, pod := range d.Pods {
			if !strings.HasPrefix(pod.Name, d.Name+"-") || d.Name == first.Name && strings.HasPrefix(pod.Name, second.Name) {
				t.Errorf("pod %s is said to be of deployment %s", pod.Name, d.Name)
			}
		}
	}
}
