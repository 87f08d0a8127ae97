package kube

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/georedkit/georedkit/geored/kube"
)

// noteKey is the annotation of a StatefulSet that tells of the latest replacement in it.
const noteKey = "georedkit.io/replacement"

// note is what stands there.
type note struct {
	Node        string                           `json:"node"` // host ID of who was lost
	Pod         string                           `json:"pod"`
	Ended       bool                             `json:"ended,omitempty"`
	Strategy    appsv1.StatefulSetUpdateStrategy `json:"strategy"`    // before
	Environment map[string]*corev1.EnvVar        `json:"environment"` // before, of the variables that were changed; nil: it was not set
}

func readNote(text string) (n note, err error) {
	if text != "" {
		err = json.Unmarshal([]byte(text), &n)
	}
	if err != nil {
		err = fmt.Errorf("annotation %s: %w", noteKey, err)
	}
	return n, err
}

// setSeen is a StatefulSet, and the name of the container that runs Cassandra.
type setSeen struct {
	*appsv1.StatefulSet
	container string
}

func (r Replacer) readSet(ctx context.Context, c *kube.Cluster, name string, ordinal int) (setSeen, error) {
	set, err := c.Client().AppsV1().StatefulSets(r.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return setSeen{}, err
	}
	first, replicas := 0, 1
	if set.Spec.Ordinals != nil {
		first = int(set.Spec.Ordinals.Start)
	}
	if set.Spec.Replicas != nil {
		replicas = int(*set.Spec.Replicas)
	}
	if ordinal < first || ordinal >= first+replicas {
		return setSeen{}, fmt.Errorf("StatefulSet %s with %d replicas has no such pod", name, replicas)
	}
	container := r.Container
	if containers := set.Spec.Template.Spec.Containers; container == "" && len(containers) == 1 {
		container = containers[0].Name
	}
	if _, ok := environment(set.Spec.Template.Spec, container); !ok {
		return setSeen{}, fmt.Errorf("StatefulSet %s has no container %q", name, container)
	}
	return setSeen{set, container}, nil
}

func environment(spec corev1.PodSpec, container string) ([]corev1.EnvVar, bool) {
	i := slices.IndexFunc(spec.Containers, func(c corev1.Container) bool { return c.Name == container })
	if i < 0 {
		return nil, false
	}
	return spec.Containers[i].Env, true
}

func variable(environment []corev1.EnvVar, name string) *corev1.EnvVar {
	i := slices.IndexFunc(environment, func(v corev1.EnvVar) bool { return v.Name == name })
	if i < 0 {
		return nil
	}
	return &environment[i]
}

func (r Replacer) variable() string { return cmp.Or(r.Variable, "JVM_EXTRA_OPTS") }

const replaceOption = "-Dcassandra.replace_address_first_boot="

// isReplacing says whether a pod is made to replace another node.
func (s seen) isReplacing(spec corev1.PodSpec) bool {
	all, _ := environment(spec, s.set.container)
	v := variable(all, s.variable())
	return v != nil && strings.Contains(v.Value, replaceOption)
}

// settings are the template's environment as the first start needs it, and what was there before of what that changes.
func (s seen) settings(option string) (after []corev1.EnvVar, before map[string]*corev1.EnvVar, err error) {
	all, _ := environment(s.set.Spec.Template.Spec, s.set.container)
	if _, twice := s.Environment[s.variable()]; twice {
		return nil, nil, fmt.Errorf("variable %s is for the options: it cannot be set too", s.variable())
	}
	options := option + " -Dcassandra.auto_bootstrap=true" // without it a server starts without rows
	if v := variable(all, s.variable()); v != nil && v.ValueFrom != nil {
		return nil, nil, fmt.Errorf("variable %s has its value from elsewhere: options cannot be added to it", s.variable())
	} else if v != nil {
		options = strings.TrimSpace(v.Value + " " + options)
	}
	after, before = slices.Clone(all), map[string]*corev1.EnvVar{}
	set := func(name, value string) {
		before[name] = variable(all, name)
		after = put(after, corev1.EnvVar{Name: name, Value: value})
	}
	for _, name := range slices.Sorted(maps.Keys(s.Environment)) {
		set(name, s.Environment[name])
	}
	set(s.variable(), options)
	return after, before, nil
}

// put sets a variable in its place, or at the end: those that refer to others stand after them.
func put(environment []corev1.EnvVar, v corev1.EnvVar) []corev1.EnvVar {
	if old := variable(environment, v.Name); old != nil {
		*old = v
		return environment
	}
	return append(environment, v)
}

// prepare changes the template for the next start of the pod.
func (s seen) prepare(ctx context.Context, hostID, option string) error {
	if s.note.Node == hostID && !s.note.Ended {
		return nil
	}
	if s.note.Node != "" && !s.note.Ended {
		return fmt.Errorf("StatefulSet %s is in the midst of replacing node %s in pod %s", s.set.Name, s.note.Node, s.note.Pod)
	}
	after, before, err := s.settings(option)
	if err != nil {
		return err
	}
	return s.patch(ctx, note{Node: hostID, Pod: s.Pod, Strategy: s.set.Spec.UpdateStrategy, Environment: before},
		appsv1.StatefulSetUpdateStrategy{Type: appsv1.OnDeleteStatefulSetStrategyType}, after)
}

// restore gives the template back what it was before.
func (s seen) restore(ctx context.Context) error {
	all, _ := environment(s.set.Spec.Template.Spec, s.set.container)
	all = slices.Clone(all)
	for name, before := range s.note.Environment {
		if before != nil {
			all = put(all, *before)
		} else {
			all = slices.DeleteFunc(all, func(v corev1.EnvVar) bool { return v.Name == name })
		}
	}
	return s.patch(ctx, note{Node: s.note.Node, Pod: s.note.Pod, Ended: true}, s.note.Strategy, all)
}

// patch changes a StatefulSet, all of it at once, unless somebody else did so since it was read. What this version of
// Kubernetes' types does not know stays as it is.
func (s seen) patch(ctx context.Context, n note, strategy appsv1.StatefulSetUpdateStrategy, environment []corev1.EnvVar) error {
	text, err := json.Marshal(n)
	if err != nil {
		return err
	}
	annotations := maps.Clone(s.set.Annotations)
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[noteKey] = string(text)
	number := slices.IndexFunc(s.set.Spec.Template.Spec.Containers, func(c corev1.Container) bool { return c.Name == s.set.container })
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}
	body, err := json.Marshal([]operation{
		{"replace", "/metadata/resourceVersion", s.set.ResourceVersion},
		{"add", "/metadata/annotations", annotations},
		{"add", "/spec/updateStrategy", strategy},
		{"add", fmt.Sprintf("/spec/template/spec/containers/%d/env", number), environment},
	})
	if err != nil {
		return err
	}
	_, err = s.cluster.Client().AppsV1().StatefulSets(s.Namespace).Patch(ctx, s.set.Name, types.JSONPatchType, body, metav1.PatchOptions{FieldManager: kube.FieldManager})
	return err
}

// isKnown says whether the controller knows the template as it is: until then it makes pods from the one before.
func (s setSeen) isKnown() error {
	if s.Status.ObservedGeneration < s.Generation {
		return errors.New("the controller has not seen the StatefulSet as it is")
	}
	return nil
}
