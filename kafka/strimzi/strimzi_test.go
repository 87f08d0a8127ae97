package strimzi_test

import (
	"strings"
	"testing"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka/connect"
	"github.com/georedkit/georedkit/kafka/strimzi"
)

// v1 is a resource of Strimzi 1.x that is Ready although a task has failed.
const v1 = `
apiVersion: kafka.strimzi.io/v1
kind: KafkaMirrorMaker2
metadata: {name: mm-dc2, namespace: ice-kafka, generation: 3}
spec:
  replicas: 1
  target: {alias: dc1, bootstrapServers: "kafka:9092", groupId: mm}
  mirrors: [{source: {alias: dc2, bootstrapServers: "kafka.dc2:9092"}}]
status:
  observedGeneration: 3
  url: http://mm-dc2-mirrormaker2-api.ice-kafka.svc:8083
  conditions:
    - {type: Ready, status: "True", lastTransitionTime: "2026-11-21T10:00:00.123Z"}
  connectors:
    - name: dc2->dc1.MirrorSourceConnector
      type: source
      connector: {state: RUNNING, worker_id: "10.0.0.1:8083"}
      tasks:
        - {id: 1, state: FAILED, worker_id: "10.0.0.1:8083", trace: "x\nCaused by: y"}
        - {id: 0, state: RUNNING, worker_id: "10.0.0.1:8083"}
`

const v1beta2 = `{"apiVersion":"kafka.strimzi.io/v1beta2","kind":"KafkaMirrorMaker2","metadata":{"name":"mm-dc2","generation":1},
"spec":{"connectCluster":"dc1","clusters":[{"alias":"dc2"},{"alias":"dc1"}],"mirrors":[{"sourceCluster":"dc2","targetCluster":"dc1"}]},
"status":{"observedGeneration":1,"conditions":[{"type":"NotReady","status":"True","reason":"TimeoutException","message":"Exceeded timeout"}]}}`

func decode(t *testing.T, text string) strimzi.MirrorMaker {
	t.Helper()
	m, err := strimzi.Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestDecode(t *testing.T) {
	m := decode(t, v1)
	if m.String() != "kafkamirrormaker2 ice-kafka/mm-dc2" || m.Target != "dc1" || len(m.Sources) != 1 || m.Sources[0] != "dc2" || m.Replicas != 1 ||
		len(m.Connectors) != 1 || len(m.Connectors[0].Tasks) != 2 || m.Connectors[0].Tasks[1].State != connect.Failed {
		t.Errorf("%+v", m)
	}
	old := decode(t, v1beta2)
	if old.Target != "dc1" || old.Sources[0] != "dc2" || old.Replicas != 3 || old.Version != "v1beta2" {
		t.Errorf("%+v", old)
	}
	for _, bad := range []string{"", "{", "kind: Pod\napiVersion: v1", "kind: KafkaMirrorMaker2\napiVersion: kafka.strimzi.io/v2\nmetadata: {name: x}",
		"kind: KafkaMirrorMaker2\napiVersion: kafka.strimzi.io/v1", "kind: KafkaMirrorMaker2\napiVersion: example.org/v1\nmetadata: {name: x}"} {
		if m, err := strimzi.Decode([]byte(bad)); err == nil {
			t.Errorf("%q: %+v", bad, m)
		}
	}
}

func TestReady(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       geored.Verdict
	}{
		{"ready", v1, geored.Pass},
		{"not ready is True as well", v1beta2, geored.Fail},
		{"stale", strings.Replace(v1, "generation: 3}", "generation: 4}", 1), geored.Unknown},
		{"no condition", strings.Replace(v1, "type: Ready", "type: Other", 1), geored.Unknown},
		{"Ready is False", strings.Replace(v1, `status: "True"`, `status: "False"`, 1), geored.Unknown},
		{"no workers", strings.Replace(v1, "replicas: 1", "replicas: 0", 1), geored.Fail},
		{"paused", strings.Replace(v1, "generation: 3}", `generation: 3, annotations: {strimzi.io/pause-reconciliation: "true"}}`, 1), geored.Unknown},
		{"warning", strings.Replace(v1, "  connectors:", "    - {type: Warning, status: \"True\", reason: RestartConnector, message: Invalid}\n  connectors:", 1), geored.Warn},
	} {
		if got, said := decode(t, c.text).Ready(); got != c.want {
			t.Errorf("%s: %s: %s", c.name, got, said)
		}
	}
}

func TestContradictions(t *testing.T) {
	m := decode(t, v1)
	if lines := m.Contradictions(nil); len(lines) != 1 || !strings.Contains(lines[0], "task 1 of dc2->dc1.MirrorSourceConnector FAILED") {
		t.Errorf("with itself: %q", lines)
	}
	healthy := decode(t, strings.Replace(v1, "FAILED", "RUNNING", 1))
	if lines := healthy.Contradictions(healthy.Connectors); len(lines) != 0 {
		t.Errorf("none: %q", lines)
	}
	lines := healthy.Contradictions([]connect.Connector{{Name: "new", State: connect.Running}, m.Connectors[0]})
	if len(lines) != 2 || !strings.Contains(lines[0], "not in the status") || !strings.Contains(lines[1], "Connect says RUNNING, 2 tasks, task 1 FAILED") {
		t.Errorf("with Connect: %q", lines)
	}
	if lines := healthy.Contradictions([]connect.Connector{}); len(lines) != 1 || !strings.Contains(lines[0], "not in Connect") {
		t.Errorf("gone: %q", lines)
	}
}

func TestRestartAnnotations(t *testing.T) {
	for want, o := range map[string]connect.RestartOptions{
		"a->b.X": {}, "a->b.X:includeTasks": {IncludeTasks: true}, "a->b.X:onlyFailed": {OnlyFailed: true},
		"a->b.X:includeTasks,onlyFailed": {IncludeTasks: true, OnlyFailed: true},
	} {
		if got := strimzi.RestartConnector("a->b.X", o); got.Value != want || got.Name != "strimzi.io/restart-connector" {
			t.Errorf("%+v", got)
		}
	}
	if got := strimzi.RestartTask("a->b.X", 3).Value; got != "a->b.X:3" {
		t.Error(got)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(v1))
	f.Add([]byte(v1beta2))
	f.Fuzz(func(t *testing.T, data []byte) {
		if m, err := strimzi.Decode(data); err == nil {
			if verdict, said := m.Ready(); said == "" || geored.Join(verdict) != verdict {
				t.Errorf("%s %q", verdict, said)
			}
			m.Contradictions(nil)
		}
	})
}
