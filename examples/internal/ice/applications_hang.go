package ice

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/geored"
)

// operatorDeployment is MultiCassKop: it mounts a Secret for every remote site, and cannot start without them.
const operatorDeployment = "multi-casskop"

// hang sees that the first installation hangs, and for the one reason that the next steps take away. Whatever else keeps
// it would keep it afterwards too.
func (d *Deployment) hang() geored.Stage {
	site := d.first()
	step := geored.Step{ID: stepID("hang", site, operatorDeployment), Site: site, Target: "deployment " + cassandraNamespace + "/" + operatorDeployment, Action: geored.Await,
		Reason: "it waits for the Secrets with the other sites' credentials, and for nothing else (ICE guide, 4.4.1: the first installation will hang)",
		Manual: []string{d.kubectl(site, "-n "+cassandraNamespace+" describe pod -l app="+operatorDeployment)}}
	return geored.StageOf("hang", geored.Task{Step: step, Observe: func(ctx context.Context) (geored.State, error) {
		lacking, err := d.lackingCredentials(ctx)
		if err != nil {
			return geored.State{}, err
		}
		if len(lacking) == 0 {
			return geored.State{Done: true, Detail: "it has the other sites' credentials already"}, nil
		}
		pods, why, err := d.operatorPods(ctx)
		if err != nil || why != "" {
			return geored.State{Detail: why}, err
		}
		return judgeHang(pods, lacking), nil
	}})
}

// lackingCredentials are the other sites whose Secret the first one lacks.
func (d *Deployment) lackingCredentials(ctx context.Context) ([]geored.SiteName, error) {
	var lacking []geored.SiteName
	for _, other := range d.others(d.first()) {
		_, err := d.Clusters[d.first()].Client().CoreV1().Secrets(cassandraNamespace).Get(ctx, string(other), metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			lacking = append(lacking, other)
		case err != nil:
			return nil, err
		}
	}
	return lacking, nil
}

// hanging is a pod, what the kubelet says of its volumes, and which Secrets and ConfigMaps it needs that are not there.
type hanging struct {
	corev1.Pod
	events []string
	absent []string
}

func (d *Deployment) operatorPods(ctx context.Context) (pods []hanging, why string, err error) {
	client := d.Clusters[d.first()].Client()
	deployment, err := client.AppsV1().Deployments(cassandraNamespace).Get(ctx, operatorDeployment, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, "deployment " + operatorDeployment + " is not there", nil
	}
	if err != nil {
		return nil, "", err
	}
	list, err := client.CoreV1().Pods(cassandraNamespace).List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(deployment.Spec.Selector)})
	if err != nil {
		return nil, "", err
	}
	for _, pod := range list.Items {
		events, err := client.CoreV1().Events(cassandraNamespace).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.uid=" + string(pod.UID)})
		if err != nil {
			return nil, "", err
		}
		h := hanging{Pod: pod}
		for _, e := range events.Items {
			if e.Type == corev1.EventTypeWarning {
				h.events = append(h.events, e.Message)
			}
		}
		if h.absent, err = d.absent(ctx, pod.Spec); err != nil {
			return nil, "", err
		}
		pods = append(pods, h)
	}
	return pods, "", nil
}

// need is what a pod does not start without: "secret" or "configmap", and its name.
type need struct{ kind, name string }

// absent are the needs of a pod that are not there: the kubelet tells of one at a time.
func (d *Deployment) absent(ctx context.Context, spec corev1.PodSpec) ([]string, error) {
	client := d.Clusters[d.first()].Client().CoreV1()
	var absent []string
	for _, n := range needs(spec) {
		var err error
		if n.kind == "secret" {
			_, err = client.Secrets(cassandraNamespace).Get(ctx, n.name, metav1.GetOptions{})
		} else {
			_, err = client.ConfigMaps(cassandraNamespace).Get(ctx, n.name, metav1.GetOptions{})
		}
		switch {
		case apierrors.IsNotFound(err):
			absent = append(absent, n.kind+" "+n.name)
		case err != nil:
			return nil, err
		}
	}
	return absent, nil
}

// needs are what a pod mounts or takes its environment from, optional things aside.
func needs(spec corev1.PodSpec) []need {
	var all []need
	add := func(kind, name string, optional *bool) {
		if optional == nil || !*optional {
			all = append(all, need{kind, name})
		}
	}
	for _, v := range spec.Volumes {
		if s := v.Secret; s != nil {
			add("secret", s.SecretName, s.Optional)
		}
		if m := v.ConfigMap; m != nil {
			add("configmap", m.Name, m.Optional)
		}
		if v.Projected == nil {
			continue
		}
		for _, from := range v.Projected.Sources {
			if s := from.Secret; s != nil {
				add("secret", s.Name, s.Optional)
			}
			if m := from.ConfigMap; m != nil {
				add("configmap", m.Name, m.Optional)
			}
		}
	}
	for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
		for _, from := range c.EnvFrom {
			if s := from.SecretRef; s != nil {
				add("secret", s.Name, s.Optional)
			}
			if m := from.ConfigMapRef; m != nil {
				add("configmap", m.Name, m.Optional)
			}
		}
		for _, variable := range c.Env {
			if variable.ValueFrom == nil {
				continue
			}
			if s := variable.ValueFrom.SecretKeyRef; s != nil {
				add("secret", s.Name, s.Optional)
			}
			if m := variable.ValueFrom.ConfigMapKeyRef; m != nil {
				add("configmap", m.Name, m.Optional)
			}
		}
	}
	return all
}

// judgeHang is done when a pod waits for a Secret that it lacks, and for nothing that no later step brings.
func judgeHang(pods []hanging, lacking []geored.SiteName) geored.State {
	last := "it has no pod yet"
	for _, pod := range pods {
		reason := "it is " + string(pod.Status.Phase)
		for _, c := range pod.Status.ContainerStatuses {
			if c.State.Waiting != nil {
				reason = c.State.Waiting.Reason
			}
		}
		last = fmt.Sprintf("pod %s: %s", pod.Name, reason)
		other := slices.DeleteFunc(slices.Clone(pod.absent), func(name string) bool {
			return slices.ContainsFunc(lacking, func(site geored.SiteName) bool { return name == "secret "+string(site) })
		})
		if len(other) > 0 {
			last = fmt.Sprintf("pod %s: %s, and %s would keep it waiting when the Secrets %v are there", pod.Name, reason, strings.Join(other, ", "), lacking)
			continue
		}
		for _, event := range pod.events {
			for _, site := range lacking {
				if reason == "ContainerCreating" && strings.Contains(event, fmt.Sprintf("secret %q not found", site)) {
					return geored.State{Done: true, Detail: fmt.Sprintf("%s: %s", last, event)}
				}
			}
			last = fmt.Sprintf("pod %s: %s, but for none of the Secrets %v: %s", pod.Name, reason, lacking, event)
		}
	}
	return geored.State{Detail: last}
}
