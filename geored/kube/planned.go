package kube

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"

	"github.com/georedkit/georedkit/geored"
)

// Planned gives the step of [Cluster.ApplyTask] as a plan needs it: with the digest of the objects, and with the kubectl
// commands that apply them and take them back. What a Secret holds is in none of them: the command for it takes a file that
// whoever follows it has to write.
func (c *Cluster) Planned(step geored.Step, objects ...*Object) (geored.Step, error) {
	open := make([]map[string]any, len(objects))
	for i, object := range objects {
		open[i] = withoutSecrets(object).Object
	}
	var err error
	if step.Wanted, err = geored.DigestOf(open); err != nil {
		return step, err
	}
	for i, object := range objects {
		text, err := json.Marshal(open[i])
		if err != nil {
			return step, err
		}
		apply := c.Kubectl("apply --server-side --force-conflicts --field-manager=" + FieldManager + " -f ")
		if keys := secretKeys(object); len(keys) > 0 {
			step.Manual = append(step.Manual, fmt.Sprintf("%s%s   # write this file: what the Secret holds under %s is not shown here",
				apply, quoted(object.GetNamespace()+"-"+object.GetName()+".json"), strings.Join(keys, ", ")))
		} else {
			step.Manual = append(step.Manual, fmt.Sprintf("printf '%%s' %s | %s-", quoted(string(text)), apply))
		}
		undo := "delete " + strings.ToLower(object.GetKind()) + " " + object.GetName()
		if object.GetNamespace() != "" {
			undo += " --namespace " + object.GetNamespace()
		}
		step.ManualUndo = append([]string{c.Kubectl(undo)}, step.ManualUndo...)
	}
	return step, nil
}

// Kubectl is a command for the cluster, as an operator would type it. A plan is the same wherever its kubeconfig lies, so
// its folder is left out.
func (c *Cluster) Kubectl(command string) string { return c.typed("kubectl", "--context", command) }

// Helm is a command for the cluster as [Cluster.Kubectl] is.
func (c *Cluster) Helm(command string) string { return c.typed("helm", "--kube-context", command) }

func (c *Cluster) typed(program, contextFlag, command string) string {
	text := program
	if c.ref.Kubeconfig != "" {
		text += " --kubeconfig " + quoted(filepath.Base(c.ref.Kubeconfig))
	}
	if c.ref.Context != "" {
		text += " " + contextFlag + " " + quoted(c.ref.Context)
	}
	return text + " " + command
}

// quoted makes a text one word of a shell.
func quoted(text string) string {
	if text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@=") == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// withoutSecrets keeps the keys of a Secret and drops what they hold.
func withoutSecrets(object *Object) *Object {
	if object.GetKind() != "Secret" {
		return object
	}
	object = object.DeepCopy()
	for _, field := range []string{"data", "stringData"} {
		held, found, err := unstructured.NestedMap(object.Object, field)
		if !found || err != nil {
			unstructured.RemoveNestedField(object.Object, field)
			continue
		}
		for key := range held {
			held[key] = geored.Redacted
		}
		object.Object[field] = held
	}
	return object
}

// secretKeys are the keys of what a Secret holds.
func secretKeys(object *Object) []string {
	var keys []string
	for _, field := range []string{"data", "stringData"} {
		held, _, _ := unstructured.NestedMap(withoutSecrets(object).Object, field)
		if object.GetKind() == "Secret" {
			keys = slices.AppendSeq(keys, maps.Keys(held))
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}
