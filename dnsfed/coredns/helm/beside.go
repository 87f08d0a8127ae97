package helm

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/georedkit/georedkit/dnsfed/coredns"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

// beside wants the release's name servers to stand beside those that serve, asked by nobody. The error is geored.Faults. A release
// that is installed has been through it.
func (a Adoption) beside(ctx context.Context, live *corev1.Service) error {
	own, err := a.own(ctx)
	if err != nil || len(own) > 0 {
		return err
	}
	others, err := a.others(ctx)
	if err != nil {
		return err
	}
	objects, err := a.Releases.Render(ctx, a.Wanted)
	if err != nil {
		return err
	}
	if err := a.crowding(objects, live, others).Err(); err != nil {
		return err
	}
	return a.asked(ctx, others)
}

// asked finds Services other than kube-dns that lead to name servers that are to go. The error is geored.Faults.
func (a Adoption) asked(ctx context.Context, others []coredns.Deployment) error {
	dns, err := coredns.Read(ctx, a.cluster())
	if err != nil {
		return err
	}
	return dns.BesideFaults(a.cluster().Site(), namesOf(others)...).Err()
}

// crowding finds what of the chart would take the place of name servers that serve, or their queries, before it is proven.
func (a Adoption) crowding(objects []*kube.Object, live *corev1.Service, others []coredns.Deployment) geored.Faults {
	var faults geored.Faults
	add := func(o *kube.Object, problem, remedy string) {
		faults = append(faults, geored.Fault{Site: a.cluster().Site(), Field: fmt.Sprintf("release %s: %s", a.Wanted.Name, o.GetKind()), Value: o.GetName(), Problem: problem, Remedy: remedy})
	}
	for _, o := range objects {
		namespace := o.GetNamespace()
		if namespace == "" {
			namespace = a.Wanted.Namespace
		}
		if namespace != coredns.Namespace {
			continue
		}
		same := slices.ContainsFunc(others, func(d coredns.Deployment) bool {
			return o.GetKind() == "Deployment" && o.GetName() == d.Name || o.GetKind() == "ConfigMap" && o.GetName() == d.ConfigMap
		})
		if same {
			add(o, "is that of the name servers that serve: it would be replaced unproven", "give the chart's another name")
		}
		pods, _, _ := unstructured.NestedStringMap(o.Object, "spec", "template", "metadata", "labels")
		if selector := live.Spec.Selector; len(selector) > 0 && labels.SelectorFromSet(selector).Matches(labels.Set(pods)) {
			add(o, fmt.Sprintf("has pods that Service %s leads to as it is now, %v: they would be asked unproven", coredns.ServiceName, selector), "give the chart's pods other labels")
		}
	}
	return faults
}
