package kube_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/geored/kube"
)

func TestAProbePodAsksForNothingItDoesNotNeed(t *testing.T) {
	objects, err := kube.ProbeSpec{Namespace: "ns", Name: "probe", Site: "dc1", Image: "example.org/probe:1", PullSecret: "pull", Node: "dc1-2"}.Objects()
	if err != nil {
		t.Fatal(err)
	}
	if len(objects) != 2 || objects[0].GetKind() != "Pod" || objects[1].GetKind() != "Service" {
		t.Fatalf("%v", objects)
	}
	text, err := json.Marshal(objects)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"imagePullSecrets":[{"name":"pull"}]`, `"nodeName":"dc1-2"`, `"runAsNonRoot":true`, `"drop":["ALL"]`, `"readOnlyRootFilesystem":true`,
		`"automountServiceAccountToken":false`, `"allowPrivilegeEscalation":false`, `"type":"RuntimeDefault"`, `"listen","-site","dc1"`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("without %s: %s", want, text)
		}
	}
	for _, never := range []string{"hostNetwork", "hostPath", "privileged", "Secret\""} {
		if strings.Contains(string(text), never) {
			t.Errorf("with %s: %s", never, text)
		}
	}
}

func TestAProbeWithoutAnImageIsAnError(t *testing.T) {
	if _, err := (kube.ProbeSpec{Namespace: "ns", Name: "probe", Site: "dc1"}).Objects(); err == nil || !strings.Contains(err.Error(), "-probe-image") {
		t.Errorf("%v", err)
	}
}
