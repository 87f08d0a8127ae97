package kube

import (
	"context"
	"fmt"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

// CheckPods is the check of [Mirrors.Check].
const CheckPods geored.CheckID = "objectstore/mirror-pods"

// Check is whether every site's mirror runs, with one finding per site. It is no proof that anything is copied: a mirror
// runs on while the link is cut, and is deaf to what happened meanwhile. [objectstore.Canary] and
// [objectstore.Comparer] are.
func (m Mirrors) Check() geored.Check {
	return geored.Check{ID: CheckPods, Title: "a mirror runs at every site", Run: func(ctx context.Context) []geored.Finding {
		targets := make([]geored.Target, len(m.Clusters))
		for i, c := range m.Clusters {
			targets[i] = geored.Target{Site: c.Site(), Name: "deployment " + m.Namespace + "/" + m.Deployment}
		}
		return geored.Ask(ctx, targets, func(ctx context.Context, t geored.Target) (Mirror, error) {
			return m.Read(ctx, t.Site)
		}).Each(func(_ geored.Target, mirror Mirror) geored.Finding { return mirror.finding() })
	}}
}

func (m Mirror) finding() geored.Finding {
	if trouble := m.trouble(m.Mark); trouble != "" {
		return geored.Finding{Verdict: geored.Fail, Message: trouble, Remedy: "read its log; a mirror that cannot reach the other site ends at once"}
	}
	var lines []string
	restarts := 0
	for _, p := range m.Pods {
		lines = append(lines, fmt.Sprintf("pod %s, %d restarts", p.Name, p.Restarts))
		restarts += p.Restarts
	}
	f := geored.Finding{Verdict: geored.Pass, Message: "it runs; whether it copies is for a canary to say", Evidence: lines}
	if restarts > 0 {
		f.Verdict = geored.Warn
		f.Message = fmt.Sprintf("it runs, after %d restarts: %s", restarts, strings.TrimSpace(m.Pods[0].Trouble))
	}
	return f
}
