//go:build lab

package coredns

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/dnsfed"
	"github.com/georedkit/georedkit/dnsfed/resolver"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/geored/probe"
	"github.com/georedkit/georedkit/internal/laboratory"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// site is a laboratory of one site with a probe pod in it.
func site(t *testing.T) (geored.Site, *kube.Cluster, kube.Probe) {
	driver, err := laboratory.Driver(t.Context())
	check(t, err)
	check(t, driver.Build(t.Context(), os.Stderr))
	image, err := driver.ProbeImage(t.Context())
	check(t, err)
	lab, err := driver.Up(t.Context(), laboratory.Spec{Name: fmt.Sprintf("turn-%d", os.Getpid()), Sites: 1, Images: []string{image}})
	check(t, err)
	t.Cleanup(func() { check(t, lab.Down(context.WithoutCancel(t.Context()))) })
	text, err := os.ReadFile(lab.Topology())
	check(t, err)
	var topology geored.TopologyFile // it says more than the core needs
	check(t, yaml.Unmarshal(text, &topology))
	s, faults := topology.Sites[0].Site()
	check(t, faults.Err())
	cluster, err := kube.Open(s.Name, s.Kube)
	check(t, err)
	spec := kube.ProbeSpec{Namespace: "default", Name: "probe", Site: string(s.Name), Image: laboratory.ProbeRef}
	objects, err := spec.Objects()
	check(t, err)
	task := cluster.ApplyTask(geored.Step{ID: "probe", Target: "probe", Action: geored.Apply}, objects...)
	if result, err := (geored.Runbook{Stages: []geored.Stage{geored.StageOf("probe", task)}}).Run(t.Context(), geored.RunConfig{}); err != nil {
		t.Fatalf("%v %+v", err, result)
	}
	return s, cluster, spec.Probe(cluster)
}

// asker asks the Service for the API server's name for as long as it runs.
type asker struct {
	mu     sync.Mutex
	asked  int
	wrong  []string
	cancel context.CancelFunc
	done   sync.WaitGroup
}

func keepAsking(ctx context.Context, p kube.Probe, server netip.AddrPort, want string) *asker {
	a := &asker{}
	ctx, a.cancel = context.WithCancel(ctx)
	ticks := time.NewTicker(100 * time.Millisecond)
	a.done.Add(1)
	go func() {
		defer a.done.Done()
		defer ticks.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticks.C:
				a.done.Add(1)
				go a.ask(context.WithoutCancel(ctx), p, server, want)
			}
		}
	}()
	return a
}

func (a *asker) ask(ctx context.Context, p kube.Probe, server netip.AddrPort, want string) {
	defer a.done.Done()
	answer, err := probe.Ask(ctx, p, probe.DNS{Server: server.String(), Name: "kubernetes.default.svc.cluster.local", Timeout: 3 * time.Second})
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked++
	if err != nil || strings.Join(answer.Records, " ") != want {
		a.wrong = append(a.wrong, fmt.Sprintf("%v %v", answer, err))
	}
}

// end gives how many questions there were, and what was wrong.
func (a *asker) end() (int, []string) {
	a.cancel()
	a.done.Wait()
	return a.asked, a.wrong
}

func TestChangeOver(t *testing.T) {
	s, cluster, p := site(t)
	f := dnsfed.Federation{Plugin: dnsfed.Kubernetai, CoreDNS: dnsfed.Version{Major: 1, Minor: 15},
		Sites: []dnsfed.Site{{Site: s, Kubeconfig: "/etc/coredns/own"}, {Site: geored.Site{Name: "never-asked"}, Kubeconfig: "/etc/coredns/other"}}}
	dns, err := Read(t.Context(), cluster)
	check(t, err)
	if len(dns.Deployments) != 1 || !dns.Deployments[0].Behind || len(dns.problems()) != 0 || len(dns.Servers(s.Name)) != 2 {
		t.Fatalf("got %+v", dns)
	}
	before := dns.Service
	service := dns.Servers(s.Name)[1].Address
	api := s.Services[0].Addr().Next().String()
	proof := func(ctx context.Context, servers []dnsfed.Server) geored.Finding {
		table, err := f.Expect(dnsfed.Records{}, servers)
		if err != nil {
			return geored.Finding{Verdict: geored.Unknown, Message: err.Error()}
		}
		table.Questions = table.Questions[: 2*len(servers) : 2*len(servers)]
		for i, server := range servers {
			for j, transport := range []string{"udp", "tcp"} {
				table.Questions[2*i+j] = dnsfed.Question{Server: server, Case: dnsfed.OwnAPI, Name: "kubernetes.default.svc.cluster.local.", Type: "A",
					Transport: transport, Turn: 1, From: s.Name, Want: dnsfed.Answer{Code: "NOERROR", Records: []string{api}}}
			}
		}
		return table.Ask(ctx, resolver.Probes{Clients: map[geored.SiteName]probe.Client{s.Name: p}})
	}
	change := ChangeOver{Cluster: cluster, Old: dns.Deployments[0].Name, New: "coredns-federated", Release: Release{"coredns-dc1", "default"}, Drain: 2 * time.Second,
		Corefile: strings.Replace(dns.Deployments[0].Corefile, "kubernetes cluster.local", "kubernetai cluster.local", 1)}

	asking := keepAsking(t.Context(), p, service, api)
	change.Prove = func(context.Context, []dnsfed.Server) geored.Finding {
		return geored.Finding{Verdict: geored.Unknown, Message: "nobody answered"}
	}
	stage := change.Stage("dns")
	unproven := func(ctx context.Context) ([]geored.Task, error) {
		tasks, err := stage.Bind(ctx)
		for i := range tasks {
			if tasks[i].Apply == nil {
				tasks[i].Timeout = 3 * time.Second
			}
		}
		return tasks, err
	}
	_, err = geored.Runbook{Name: "dns", Stages: []geored.Stage{{Name: "dns", Outline: stage.Outline, Bind: unproven}}}.Run(t.Context(), geored.RunConfig{})
	if err == nil || !strings.Contains(err.Error(), "nobody answered") {
		t.Errorf("an unproven change-over went on: %v", err)
	}
	live, err := change.service(t.Context())
	check(t, err)
	if fmt.Sprint(live.Spec.Selector) != fmt.Sprint(before.Spec.Selector) {
		t.Fatalf("the Service was switched to pods that were not proven: %v", live.Spec.Selector)
	}

	change.Prove = proof
	began := time.Now()
	result, err := geored.Runbook{Name: "dns", Stages: []geored.Stage{change.Stage("dns")}}.Run(t.Context(), geored.RunConfig{})
	if err != nil {
		t.Errorf("%v\n%+v", err, result.Outcomes)
	}
	took := time.Since(began)
	asked, wrong := asking.end()
	t.Logf("%d questions during the change-over, whose second run took %s", asked, took.Round(time.Millisecond))
	if asked < 10 || len(wrong) > 0 {
		t.Errorf("%d questions, and %d without the right answer: %q", asked, len(wrong), wrong)
	}
	after, err := Read(t.Context(), cluster)
	check(t, err)
	if after.Service.UID != before.UID || after.Service.Spec.ClusterIP != before.Spec.ClusterIP || after.Service.Labels[managedBy] != "Helm" ||
		after.Service.Annotations[releaseName] != "coredns-dc1" || len(after.Deployments) != 1 || after.Deployments[0].Name != change.New || len(after.problems()) != 0 {
		t.Errorf("got %+v", after)
	}
	if _, err := cluster.Client().AppsV1().Deployments(Namespace).Get(t.Context(), change.Old, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the old deployment: %v", err)
	}
	// Once more changes nothing.
	if _, err := (geored.Runbook{Name: "dns", Stages: []geored.Stage{change.Stage("dns")}}).Run(t.Context(), geored.RunConfig{}); err != nil {
		t.Error(err)
	}
	again, err := change.service(t.Context())
	check(t, err)
	if again.ResourceVersion != after.Service.ResourceVersion {
		t.Error("a change-over that was done changed the Service again")
	}
}
