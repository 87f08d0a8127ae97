package ice

import (
	"context"
	"errors"
	"fmt"
	"time"

	credskube "github.com/georedkit/georedkit/creds/kube"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/geored/probe"
	meshkube "github.com/georedkit/georedkit/mesh/kube"
)

// CheckAnswers is the check on which all depend that hold one site against what was read of the others.
const CheckAnswers geored.CheckID = "site/answers"

// Checks prove what [Deployment.Install] brings about, and change nothing.
func (d *Deployment) Checks() []geored.Check {
	checks := []geored.Check{{ID: CheckAnswers, Title: "every site's API server answers", Run: d.answers}}
	checks = append(append(checks, d.Preflight()...), geored.Check{ID: "site/clock", Title: "the sites' clocks agree", Run: d.clocks})
	checks = append(checks, meshkube.NewKiloProof(d.mesh).Checks()...)
	checks = append(checks, d.credentialChecks()...)
	checks = append(checks, d.dnsChecks()...)
	checks = append(checks, d.applicationChecks()...)
	checks = append(checks, d.driftChecks()...)
	checks = append(checks, d.documented()...)
	for i := range checks {
		if checks[i].ID == meshkube.CheckKiloNodes || checks[i].ID == CheckDriftPlan { // a plan without a site is another plan
			checks[i].Needs = append(checks[i].Needs, CheckAnswers)
		}
	}
	return checks
}

// answers asks every site's API server. One that was silent when the sites were read is not asked again: what it would have
// told then is missing still.
func (d *Deployment) answers(ctx context.Context) []geored.Finding {
	answers := geored.Ask(ctx, d.perSite(), func(ctx context.Context, t geored.Target) (string, error) {
		for _, s := range d.unread {
			if s.Target == t {
				return "", errors.New(s.Reason)
			}
		}
		return d.Clusters[t.Site].UID(ctx)
	})
	findings := answers.Each(judgeAnswer)
	for i, f := range findings {
		if len(f.Unanswered) > 0 {
			findings[i].Remedy = d.lookFirst(f.Site)
		}
	}
	return findings
}

func judgeAnswer(_ geored.Target, uid string) geored.Finding {
	return geored.Finding{Verdict: geored.Pass, Message: "it answers for the cluster " + uid}
}

// errUnread is why the nodes of a site cannot be asked.
var errUnread = errors.New("its nodes are not known: its API server was silent when they were read")

// observer is the one of a node. A target without a name stands for nodes that nobody read.
func (d *Deployment) observer(ctx context.Context, t geored.Target) (kube.Probe, error) {
	if t.Name == "" {
		return kube.Probe{}, errUnread
	}
	return d.mesh.Ends[t.Site].Observers.Probe(ctx, t.Name)
}

func (d *Deployment) credentialChecks() []geored.Check {
	grants, err := d.grants()
	if err != nil {
		return []geored.Check{{ID: credskube.CheckCopies, Title: "the credentials are planned", Run: func(context.Context) []geored.Finding {
			return []geored.Finding{{Verdict: geored.Unknown, Message: err.Error()}}
		}}}
	}
	operators, err := d.operatorGrants()
	if err != nil {
		operators = nil // what is wrong with them is told by the stage that makes them
	}
	proof := credskube.Proof{Grants: append(grants, operators...), Receivers: d.receivers()}
	for _, site := range d.Topology.Sites {
		proof.Sources = append(proof.Sources, d.source(site.Name), d.operatorSource(site.Name))
	}
	return proof.Checks()
}

func (d *Deployment) probe(site geored.SiteName) probe.Client {
	end := d.mesh.Ends[site]
	return end.Probe.Probe(end.Observers.Cluster)
}

// every are all sites, whichever is asked for: clocks are compared.
func (d *Deployment) every(name string) []geored.Target {
	targets := d.perSite()
	for i := range targets {
		targets[i].Name = name
	}
	return targets
}

// Limits of the difference between two sites' clocks. Beyond a minute Kilo takes nodes for dead (kilo
// pkg/mesh/backend.go, Node.Ready); long before that certificates and leases go wrong at their edges.
const (
	skewWarn = time.Second
	skewFail = 30 * time.Second
)

// clocks compares the clocks of all nodes and API servers of every site, each measured against the asker's.
func (d *Deployment) clocks(ctx context.Context) []geored.Finding {
	type clock struct {
		ask       func(context.Context) (probe.ClockAnswer, error)
		precision time.Duration // by how much the answer may be wrong besides the time that it took
	}
	clocks := map[geored.Target]clock{}
	var targets []geored.Target
	add := func(t geored.Target, c clock) { targets, clocks[t] = append(targets, t), c }
	for _, site := range d.mesh.Network.Sites {
		observers := d.mesh.Ends[site.Name].Observers
		if len(site.Nodes) == 0 {
			add(geored.Target{Site: site.Name}, clock{ask: func(context.Context) (probe.ClockAnswer, error) { return probe.ClockAnswer{}, errUnread }})
		}
		for _, node := range site.Nodes {
			add(geored.Target{Site: site.Name, Name: node.Name}, clock{ask: func(ctx context.Context) (probe.ClockAnswer, error) {
				client, err := observers.Probe(ctx, node.Name)
				if err != nil {
					return probe.ClockAnswer{}, err
				}
				return probe.Ask(ctx, client, probe.Clock{})
			}})
		}
		add(geored.Target{Site: site.Name, Name: "API server"}, clock{func(ctx context.Context) (probe.ClockAnswer, error) {
			now, err := observers.Cluster.ServerTime(ctx)
			return probe.ClockAnswer{Now: now}, err
		}, kube.ServerTimePrecision})
	}
	return []geored.Finding{judgeClocks(geored.Ask(ctx, targets, func(ctx context.Context, t geored.Target) (probe.Skew, error) {
		before := time.Now()
		answer, err := clocks[t].ask(ctx)
		skew := probe.SkewOf(answer, before, time.Now())
		skew.Error += clocks[t].precision
		return skew, err
	}))}
}

// judgeClocks passes only what is apart by less than the limits however the margins fall.
func judgeClocks(answers geored.Answers[probe.Skew]) geored.Finding {
	f := geored.Finding{Verdict: geored.Pass}
	var least, most probe.Skew
	first := true
	for t, skew := range answers.All() {
		f.Evidence = append(f.Evidence, fmt.Sprintf("%s is %s ahead of this machine, give or take %s", t, geored.RoundDuration(skew.Ahead), geored.RoundDuration(skew.Error)))
		if first || skew.Ahead < least.Ahead {
			least = skew
		}
		if first || skew.Ahead > most.Ahead {
			most = skew
		}
		first = false
	}
	apart, margin := most.Ahead-least.Ahead, most.Error+least.Error
	f.Message = fmt.Sprintf("the clocks are %s apart, give or take %s", geored.RoundDuration(apart), geored.RoundDuration(margin))
	switch {
	case apart-margin > skewFail:
		f.Verdict = geored.Fail
	case apart-margin > skewWarn:
		f.Verdict = geored.Warn
	case apart+margin > skewFail:
		f.Verdict = geored.Unknown // the answers took too long to tell
	}
	if f.Verdict != geored.Pass {
		f.Remedy = "let NTP set the clocks of all nodes (ICE guide, 3.3.3.1)"
	}
	return answers.Conclude(f)
}
