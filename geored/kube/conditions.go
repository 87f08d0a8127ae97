package kube

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// otherNotReady judges a kind that this package does not know.
func otherNotReady(live *Object) string {
	observed, found, _ := unstructured.NestedInt64(live.Object, "status", "observedGeneration")
	if found && observed < live.GetGeneration() {
		return "was not seen by its controller yet"
	}
	if _, found := condition(live, "Ready"); found {
		return conditionNotTrue(live, "Ready", "is not ready")
	}
	return ""
}

// conditionNotTrue says otherwise, and why, unless the condition is there and true.
func conditionNotTrue(live *Object, kind, otherwise string) string {
	found, _ := condition(live, kind)
	if found["status"] == "True" {
		return ""
	}
	reason, _ := found["reason"].(string)
	message, _ := found["message"].(string)
	return strings.TrimSuffix(otherwise+": "+sentence(reason, message), ": ")
}

func condition(live *Object, kind string) (map[string]any, bool) {
	conditions, _, _ := unstructured.NestedSlice(live.Object, "status", "conditions")
	for _, item := range conditions {
		if c, ok := item.(map[string]any); ok && c["type"] == kind {
			return c, true
		}
	}
	return nil, false
}

// sentence is a reason with its message, either of which may be missing.
func sentence(reason, message string) string {
	return strings.TrimSpace(reason + " " + strings.TrimSpace(message))
}
