//go:build lab

package coredns

import (
	"context"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/georedkit/georedkit/dnsfed"
	"github.com/georedkit/georedkit/dnsfed/resolver"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/geored/probe"
	"github.com/georedkit/georedkit/internal/laboratory/labtest"
)

var lab = labtest.Shared{Sites: 2}

func TestMain(m *testing.M) { lab.Main(m) }

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// place is one site of the laboratory with a probe pod in it.
type place struct {
	geored.Site
	t       *testing.T
	cluster *kube.Cluster
	probe   kube.Probe
}

func places(t *testing.T) []*place {
	t.Helper()
	l := lab.Up(t)
	text, err := os.ReadFile(l.Topology())
	check(t, err)
	var topology geored.TopologyFile // it says more than the core needs
	check(t, yaml.Unmarshal(text, &topology))
	var all []*place
	for _, written := range topology.Sites {
		s, faults := written.Site()
		check(t, faults.Err())
		cluster, err := kube.Open(s.Name, s.Kube)
		check(t, err)
		spec := kube.ProbeSpec{Namespace: "default", Name: "probe", Site: string(s.Name), Image: l.Probe}
		objects, err := spec.Objects()
		check(t, err)
		p := &place{s, t, cluster, spec.Probe(cluster)}
		p.run(geored.StageOf("probe", cluster.ApplyTask(geored.Step{ID: "probe", Target: "probe", Action: geored.Apply}, objects...)))
		all = append(all, p)
	}
	return all
}

func (p *place) run(stages ...geored.Stage) {
	p.t.Helper()
	if result, err := (geored.Runbook{Name: "dns", Stages: stages}).Run(p.t.Context(), geored.RunConfig{}); err != nil {
		p.t.Fatalf("%v\n%+v", err, result.Outcomes)
	}
}

// serving is the one Deployment behind the Service.
func (p *place) serving() (DNS, Deployment) {
	p.t.Helper()
	dns, err := Read(p.t.Context(), p.cluster)
	check(p.t, err)
	if problems := dns.problems(); len(problems) > 0 {
		p.t.Fatalf("%s: %q", p.Name, problems)
	}
	for _, d := range dns.Deployments {
		if d.Behind {
			return dns, d
		}
	}
	p.t.Fatalf("%s: nobody serves", p.Name)
	return dns, Deployment{}
}

func (p *place) api() string { return p.Services[0].Addr().Next().String() }

// proof holds servers to the one name that every site has.
func (p *place) proof(ctx context.Context, servers []dnsfed.Server) geored.Finding {
	f := dnsfed.Federation{Plugin: dnsfed.Kubernetai, CoreDNS: dnsfed.Version{Major: 1, Minor: 15},
		Sites: []dnsfed.Site{{Site: p.Site, Kubeconfig: "/etc/coredns/own"}, {Site: geored.Site{Name: "never-asked"}, Kubeconfig: "/etc/coredns/other"}}}
	table, err := f.Expect(dnsfed.Records{}, servers)
	if err != nil {
		return geored.Finding{Verdict: geored.Unknown, Message: err.Error()}
	}
	var questions []dnsfed.Question
	for _, q := range table.Questions {
		if q.Case == dnsfed.OwnAPI {
			questions = append(questions, q)
		}
	}
	table.Questions = questions
	return table.Ask(ctx, resolver.Probes{Clients: map[geored.SiteName]probe.Client{p.Name: p.probe}})
}

// change replaces what serves by pods of another name.
func (p *place) change(fresh string) ChangeOver {
	p.t.Helper()
	_, old := p.serving()
	return ChangeOver{Cluster: p.cluster, Old: old.Name, New: fresh, Release: Release{"coredns-" + string(p.Name), "default"}, Drain: 10 * time.Second, Prove: p.proof,
		Corefile: strings.Replace(old.Corefile, "kubernetes cluster.local", "kubernetai cluster.local", 1)}
}

// keepAsking asks the Service for the API server's name ten times a second.
func (p *place) keepAsking() *resolver.Watch {
	p.t.Helper()
	dns, _ := p.serving()
	return resolver.Begin(context.WithoutCancel(p.t.Context()), p.probe, resolver.Series{Want: []string{p.api()}, DNS: probe.DNS{
		Server: netip.AddrPortFrom(netip.MustParseAddr(dns.Service.Spec.ClusterIP), port).String(), Name: "kubernetes.default.svc.cluster.local", Timeout: 5 * time.Second}})
}

// lostNothing holds a watch to an answer for every question, at the second asking at the latest, as resolvers ask.
func (p *place) lostNothing(w *resolver.Watch) {
	p.t.Helper()
	seen := w.End()
	p.t.Logf("%s: %d questions, %d asked again", p.Name, seen.Asked, len(seen.Repeated))
	if f := seen.Judge(); f.Verdict != geored.Pass && f.Verdict != geored.Warn || seen.Asked < 10 {
		p.t.Errorf("%s: %s: %s %q", p.Name, f.Verdict, f.Message, f.Evidence)
	}
}

func deploymentObject(name string) *kube.Object {
	return &kube.Object{Object: map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"namespace": Namespace, "name": name}}}
}
