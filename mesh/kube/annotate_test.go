package kube

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Text that is no record of what was there is told, and nothing is written over it.
func TestABeforeThatCannotBeRead(t *testing.T) {
	for _, text := range []string{"null", "[]", "{"} {
		n := annotated{node: "n1", wanted: map[string]string{"kilo.squat.ai/location": "dc1"}}
		if _, err := n.before(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{AnnotatedBefore: text}}}); err == nil || !strings.Contains(err.Error(), "node n1: annotation "+AnnotatedBefore) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
