package kube_test

import (
	"strings"
	"testing"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

const planned = `
apiVersion: v1
kind: Namespace
metadata: {name: app}
---
apiVersion: v1
kind: Secret
metadata: {namespace: app, name: token}
stringData: {token: planted-secret-4711}
data: {other: cGxhbnRlZA==}
---
apiVersion: v1
kind: ConfigMap
metadata: {namespace: app, name: it's}
data: {colour: blue}
`

func plan(t *testing.T, c *kube.Cluster, manifest string) geored.Step {
	t.Helper()
	objects, err := kube.ReadObjects([]byte(manifest))
	if err != nil {
		t.Fatal(err)
	}
	step, err := c.Planned(geored.Step{ID: "a"}, objects...)
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := objects[1].MarshalJSON(); len(objects) > 1 && !strings.Contains(string(text), secret) {
		t.Error("the object itself was changed")
	}
	return step
}

func TestAPlannedStepHoldsItsCommandsAndNoSecret(t *testing.T) {
	c, err := kube.Open("dc1", geored.KubeRef{Kubeconfig: write(t, kubeconfig), Context: "main"})
	if err != nil {
		t.Fatal(err)
	}
	step := plan(t, c, planned)
	for i, want := range []string{
		`printf '%s' '{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"app"}}' | kubectl --kubeconfig dc1.kubeconfig --context main apply --server-side --force-conflicts --field-manager=georedkit -f -`,
		`kubectl --kubeconfig dc1.kubeconfig --context main apply --server-side --force-conflicts --field-manager=georedkit -f app-token.json   # write this file: what the Secret holds under other, token is not shown here`,
		`"name":"it'\''s"`,
	} {
		if !strings.Contains(step.Manual[i], want) {
			t.Errorf("%s\nwant %s", step.Manual[i], want)
		}
	}
	undo := strings.Join(step.ManualUndo, "\n")
	if want := "kubectl --kubeconfig dc1.kubeconfig --context main delete configmap it's --namespace app\n" +
		"kubectl --kubeconfig dc1.kubeconfig --context main delete secret token --namespace app\n" +
		"kubectl --kubeconfig dc1.kubeconfig --context main delete namespace app"; undo != want {
		t.Errorf("%s\nwant\n%s", undo, want)
	}
	if all := strings.Join(step.Manual, "") + undo + step.Wanted; strings.Contains(all, secret) || strings.Contains(all, "cGxhbnRlZA") {
		t.Error("a secret is told")
	}
	for name, c := range map[string]struct {
		old, new string
		same     bool
	}{
		"another colour":       {"blue", "red", false},
		"another key":          {"stringData: {token", "stringData: {password", false},
		"another secret value": {"token: planted-secret-4711", "token: planted-secret-4711-other", true},
	} {
		t.Run(name, func(t *testing.T) {
			other := plan(t, mustOpen(t), strings.Replace(planned, c.old, c.new, 1))
			if (other.Wanted == step.Wanted) != c.same {
				t.Errorf("%s and %s", other.Wanted, step.Wanted)
			}
		})
	}
}

func mustOpen(t *testing.T) *kube.Cluster {
	t.Helper()
	c, err := kube.Open("dc1", geored.KubeRef{Kubeconfig: write(t, kubeconfig)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
