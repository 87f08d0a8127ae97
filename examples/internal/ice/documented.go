package ice

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/strimzi"
	meshkube "github.com/georedkit/georedkit/mesh/kube"
	objectkube "github.com/georedkit/georedkit/objectstore/kube"
)

// documentedCheck is one of the guide's own checks, with those of this program that answer the same question. Its finding
// says what the guide would have one believe; [Deployment.Review] holds it against ours.
type documentedCheck struct {
	id      geored.CheckID
	title   string // what passes it, in the guide's words
	ours    []geored.CheckID
	ask     func(ctx context.Context, d *Deployment, site geored.SiteName) (said, error)
	product bool // of chapter 4.4 or later
	once    bool // one answer is for all sites
}

// said is what a documented check shows.
type said struct {
	passes bool
	shown  string
}

var documentedChecks = []documentedCheck{
	{id: "guide/4.2.5-wg", title: "wg shows a latest handshake for every peer", ours: []geored.CheckID{meshkube.CheckHandshake, meshkube.CheckPathMTU}, ask: guideHandshakes},
	{id: "guide/4.4.5-arcus", title: "modelmanager is Completed and all other pods are Running", ours: []geored.CheckID{CheckPods, CheckModelManager}, product: true, ask: guideArcus},
	{id: "guide/4.4.5-rallypoint", title: "all pods in ice-rallypoint are Running", ours: []geored.CheckID{CheckPods}, product: true,
		ask: func(ctx context.Context, d *Deployment, site geored.SiteName) (said, error) {
			return d.guidePhases(ctx, site, rallypointNamespace, "")
		}},
	{id: "guide/4.4.5-status", title: "nodetool status shows UN", ours: []geored.CheckID{cassandra.CheckNodes, cassandra.CheckView, cassandra.CheckGossip}, product: true, ask: guideStatus},
	{id: "guide/4.4.5-schema", title: "nodetool describecluster lists one schema version", ours: []geored.CheckID{cassandra.CheckSchema}, product: true, ask: guideSchema},
	{id: "guide/4.4.5-count", title: "all clusters count the same rows of dev.changeset", ours: []geored.CheckID{CheckRows}, product: true, once: true, ask: guideCount},
	{id: "guide/5.1.1-mirror", title: "a condition is True and the connectors are RUNNING", ours: []geored.CheckID{kafka.CheckStatus, kafka.CheckResource, kafka.CheckPosition, CheckRecords}, product: true, ask: guideMirror},
	{id: "guide/5.4-minio", title: "the minio-mirror pod is Running", ours: []geored.CheckID{objectkube.CheckPods, checkObjects, CheckObjects}, product: true,
		ask: func(ctx context.Context, d *Deployment, site geored.SiteName) (said, error) {
			return d.guidePhases(ctx, site, minioNamespace, "app="+mirrorDeploy)
		}},
}

// documented are the guide's own checks, to be held against ours.
func (d *Deployment) documented() []geored.Check {
	var checks []geored.Check
	turn := make(chan struct{}, 1) // each nodetool is a Java machine of its own: one at a time
	for _, c := range documentedChecks {
		if c.product && d.Topology.Applications == nil {
			continue
		}
		checks = append(checks, geored.Check{ID: c.id, Title: c.title, Run: func(ctx context.Context) []geored.Finding {
			targets := d.every("the guide's check")
			if c.once {
				targets = []geored.Target{{Name: "the guide's check"}}
			}
			answers := geored.Ask(ctx, targets, func(ctx context.Context, t geored.Target) (said, error) {
				select {
				case turn <- struct{}{}:
					defer func() { <-turn }()
					return c.ask(ctx, d, t.Site)
				case <-ctx.Done():
					return said{}, context.Cause(ctx)
				}
			}, geored.AskBudget(55*time.Second))
			return answers.Each(func(_ geored.Target, s said) geored.Finding { return judgeSaid(s) })
		}})
	}
	return checks
}

// RecoveryDocumented are the checks of the guide's chapter 5; for the search index, and for Cassandra but for chapter 4's, it has
// none.
func (d *Deployment) RecoveryDocumented() []geored.Check {
	return slices.DeleteFunc(d.documented(), func(c geored.Check) bool { return !strings.HasPrefix(string(c.ID), "guide/5") })
}

func judgeSaid(s said) geored.Finding {
	if s.passes {
		return geored.Finding{Verdict: geored.Pass, Message: "the guide's check passes: " + s.shown}
	}
	return geored.Finding{Verdict: geored.Fail, Message: "the guide's check fails: " + s.shown}
}

// Review holds the guide's checks against ours of the same question, and says where they disagree. The overall verdict
// stays with ours: a documented check alone makes nothing pass, and where it fails and ours pass, that is a warning.
func (d *Deployment) Review(r geored.Report) geored.Report {
	r.Findings = slices.Clone(r.Findings)
	for i := range r.Findings {
		for _, c := range documentedChecks {
			if r.Findings[i].Check == c.id {
				r.Findings[i] = compareSaid(r.Findings[i], oursOf(r, c, r.Findings[i].Site))
			}
		}
	}
	return r
}

// oursOf are the findings of this program about the same thing at a site, those over all sites among them.
func oursOf(r geored.Report, c documentedCheck, site geored.SiteName) geored.Report {
	var same geored.Report
	for _, f := range r.Findings {
		if slices.Contains(c.ours, f.Check) && (f.Site == "" || f.Site == site || f.To == site) {
			same.Findings = append(same.Findings, f)
		}
	}
	return same
}

func compareSaid(guide geored.Finding, same geored.Report) geored.Finding {
	ours := same.Verdict()
	f := guide
	switch {
	case guide.Verdict == geored.Unknown || ours == guide.Verdict:
		return f
	case ours == geored.Unknown:
		f.Verdict = geored.Unknown
	default: // one of them is wrong, and ours show why they say so
		f.Verdict = geored.Warn
	}
	f.Message = fmt.Sprintf("disagreement: this program's checks say %s; %s", ours, guide.Message)
	for _, other := range same.Findings {
		if other.Verdict != geored.Pass {
			f.Evidence = append(f.Evidence, fmt.Sprintf("%s %s: %s", other.Check, other.Verdict, other.Message))
		}
	}
	return f
}

// guideHandshakes reads what wg would show: a time of a handshake, however old, is a line.
func guideHandshakes(ctx context.Context, d *Deployment, site geored.SiteName) (said, error) {
	s := said{passes: true}
	own, _ := d.mesh.Network.Site(site)
	if len(own.Nodes) == 0 {
		return said{}, errUnread
	}
	for _, node := range own.Nodes {
		state, err := d.mesh.Ends[site].Observers.Device(ctx, node.Name, "kilo0")
		if err != nil {
			return said{}, err
		}
		lines := 0
		for _, peer := range state.Peers {
			if !peer.LastHandshake.IsZero() {
				lines++
			}
		}
		s.passes = s.passes && lines > 0 && lines == len(state.Peers)
		s.shown += fmt.Sprintf("%s: %d peers, %d with a latest handshake; ", node.Name, len(state.Peers), lines)
	}
	s.shown = strings.TrimSuffix(s.shown, "; ")
	return s, nil
}

// guidePhases looks at the column STATUS of kubectl get pods as far as the guide does.
func (d *Deployment) guidePhases(ctx context.Context, site geored.SiteName, namespace, selector string) (said, error) {
	list, err := d.Clusters[site].Client().CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return said{}, err
	}
	s := said{passes: len(list.Items) > 0}
	var shown []string
	for _, pod := range list.Items {
		s.passes = s.passes && (pod.Status.Phase == corev1.PodRunning || pod.Status.Phase == corev1.PodSucceeded)
		shown = append(shown, pod.Name+" "+string(pod.Status.Phase))
	}
	s.shown = strings.Join(shown, ", ")
	return s, nil
}

func guideArcus(ctx context.Context, d *Deployment, site geored.SiteName) (said, error) {
	all, err := d.guidePhases(ctx, site, arcusNamespace, "")
	if err != nil {
		return said{}, err
	}
	manager, err := d.guidePhases(ctx, site, arcusNamespace, "run=modelmanager")
	all.passes = all.passes && manager.passes && strings.Contains(manager.shown, string(corev1.PodSucceeded))
	return all, err
}

// nodetoolOf asks the first node of a site, as the guide does.
func (d *Deployment) nodetoolOf(ctx context.Context, site geored.SiteName, arguments ...string) (string, error) {
	out, err := d.Clusters[site].Exec(ctx, kube.Command{Namespace: cassandraNamespace, Pod: ringName(site) + "-0", Container: "cassandra", Argv: append([]string{"nodetool"}, arguments...)})
	return string(out.Stdout), err
}

var statusLine = regexp.MustCompile(`(?m)^([UD?][NLJM])\s+(\S+)`)

func guideStatus(ctx context.Context, d *Deployment, site geored.SiteName) (said, error) {
	text, err := d.nodetoolOf(ctx, site, "status")
	return judgeStatus(text), err
}

// judgeStatus reads nodetool status: the sample of the guide has a single data center, and so does a ring that fell apart.
func judgeStatus(text string) said {
	found := statusLine.FindAllStringSubmatch(text, -1)
	s := said{passes: len(found) > 0}
	var shown []string
	for _, m := range found {
		s.passes = s.passes && m[1] == "UN"
		shown = append(shown, m[1]+" "+m[2])
	}
	s.shown = strings.Join(shown, ", ")
	return s
}

var schemaLine = regexp.MustCompile(`(?m)^\s*([0-9a-f]{8}-[0-9a-f-]{27}|UNREACHABLE): \[`)

func guideSchema(ctx context.Context, d *Deployment, site geored.SiteName) (said, error) {
	text, err := d.nodetoolOf(ctx, site, "describecluster")
	return judgeSchemaText(text), err
}

func judgeSchemaText(text string) said {
	var versions []string
	for _, m := range schemaLine.FindAllStringSubmatch(text, -1) {
		versions = append(versions, m[1])
	}
	return said{len(versions) == 1 && versions[0] != "UNREACHABLE", fmt.Sprintf("%d schema versions: %s", len(versions), strings.Join(versions, ", "))}
}

// guideCount counts as the guide does, but each site through itself: cqlsh's own level may be answered by the other site.
func guideCount(ctx context.Context, d *Deployment, _ geored.SiteName) (said, error) {
	c, err := d.ring(ctx)
	if err != nil {
		return said{}, err
	}
	defer c.Close()
	count, err := c.Count(ctx, cassandra.Reading{Table: cassandra.Table{Keyspace: keyspace, Name: "changeset"}})
	if err != nil {
		return said{}, err
	}
	return judgeCount(count.Sites)
}

func judgeCount(sites []cassandra.SiteCount) (said, error) {
	s := said{passes: len(sites) > 0}
	var shown []string
	for _, site := range sites {
		if len(site.Failed) > 0 {
			return said{}, fmt.Errorf("site %s was not counted to its end: %s", site.Site, site.Failed[0].Err)
		}
		s.passes = s.passes && site.Rows == sites[0].Rows && site.Rows > 0
		shown = append(shown, fmt.Sprintf("%s counts %d", site.Site, site.Rows))
	}
	s.shown = strings.Join(shown, ", ")
	return s, nil
}

// guideMirror takes any condition that is True, as the guide does: NotReady is one too.
func guideMirror(ctx context.Context, d *Deployment, site geored.SiteName) (said, error) {
	s := said{passes: true}
	for _, other := range d.others(site) {
		m, err := d.mirrorMaker(kafka.Mirror{From: other, To: site}).MirrorMaker(ctx)
		if err != nil {
			return said{}, err
		}
		isTrue := slices.ContainsFunc(m.Conditions, func(c strimzi.Condition) bool { return c.Status == "True" })
		running := len(m.Connectors) > 0
		for _, c := range m.Connectors {
			running = running && c.State == "RUNNING"
		}
		s.passes = s.passes && isTrue && running
		s.shown += m.String() + "; "
	}
	if s.shown == "" {
		return said{}, errors.New("there is no other site")
	}
	s.shown = strings.TrimSuffix(s.shown, "; ")
	return s, nil
}
