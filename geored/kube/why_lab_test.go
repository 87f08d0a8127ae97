//go:build lab

package kube_test

import "testing"

func TestTheStateSaysWhyAWorkloadIsNotReady(t *testing.T) {
	_, c, namespace := site(t)
	deployment := func(name, pod string) string {
		return "{apiVersion: apps/v1, kind: Deployment, metadata: {namespace: " + namespace + ", name: " + name + "}, spec: {selector: {matchLabels: {app: " + name +
			"}}, template: {metadata: {labels: {app: " + name + "}}, spec: {terminationGracePeriodSeconds: 0, " + pod + "}}}}"
	}
	for name, c2 := range map[string]struct {
		manifest string
		want     []string
	}{
		"image": {deployment("image", "containers: [{name: main, image: '127.0.0.1:1/it:1'}]"),
			[]string{"0 of 1 pods available", "ImagePull", "127.0.0.1:1/it:1"}},
		"secret": {deployment("secret", "containers: [{name: main, image: 'localhost/lab/base:1', envFrom: [{secretRef: {name: missing}}]}]"),
			[]string{"CreateContainerConfigError", `secret "missing" not found`}},
		"volume": {deployment("volume", "containers: [{name: main, image: 'localhost/lab/base:1', volumeMounts: [{name: v, mountPath: /v}]}], volumes: [{name: v, secret: {secretName: missing}}]"),
			[]string{"FailedMount", `secret "missing" not found`}},
		"crash": {deployment("crash", "containers: [{name: main, image: 'localhost/lab/base:1', args: [sh, -c, exit 7]}]"),
			[]string{"exit code 7"}},
		"init": {deployment("init", "initContainers: [{name: first, image: 'localhost/lab/base:1', args: [sh, -c, exit 8]}], containers: [{name: main, image: 'localhost/lab/base:1'}]"),
			[]string{"exit code 8"}},
		"node": {deployment("node", "nodeSelector: {no: such}, containers: [{name: main, image: 'localhost/lab/base:1'}]"),
			[]string{"cannot be scheduled", "didn't match Pod's node affinity/selector"}},
		"probe": {deployment("probe", "containers: [{name: main, image: 'localhost/lab/base:1', readinessProbe: {periodSeconds: 1, exec: {command: [sh, -c, echo not yet; exit 1]}}}]"),
			[]string{"not ready", "Unhealthy", "not yet"}},
		"account": {deployment("account", "serviceAccountName: missing, containers: [{name: main, image: 'localhost/lab/base:1'}]"),
			[]string{`serviceaccount "missing" not found`}},
		"daemonset account": {"{apiVersion: apps/v1, kind: DaemonSet, metadata: {namespace: " + namespace + ", name: ds}, spec: {selector: {matchLabels: {app: ds}}, template: {metadata: {labels: {app: ds}}, spec: {serviceAccountName: missing, containers: [{name: main, image: 'localhost/lab/base:1'}]}}}}",
			[]string{"daemonset " + namespace + "/ds", `serviceaccount "missing" not found`}},
		"job": {"{apiVersion: batch/v1, kind: Job, metadata: {namespace: " + namespace + ", name: job}, spec: {backoffLimit: 0, template: {spec: {restartPolicy: Never, containers: [{name: main, image: 'localhost/lab/base:1', args: [sh, -c, exit 5]}]}}}}",
			[]string{"failed: BackoffLimitExceeded", "exit code 5"}},
		"claim": {"{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {namespace: " + namespace + ", name: claim}, spec: {storageClassName: none, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}}",
			[]string{"is not bound"}},
		"load balancer": {"{apiVersion: v1, kind: Service, metadata: {namespace: " + namespace + ", name: lb}, spec: {type: LoadBalancer, ports: [{port: 80}]}}",
			[]string{"has no address from its load balancer"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			objects := read(t, "%s", c2.manifest)
			apply(t, c, objects)
			await(t, state(t, c, objects), append(c2.want, "done: false", "error: <nil>")...)
		})
	}
}

func TestWorkloadsGetReady(t *testing.T) {
	_, c, namespace := site(t)
	objects := read(t, `
apiVersion: apps/v1
kind: Deployment
metadata: {namespace: %[1]s, name: deployment}
spec:
  replicas: 2
  selector: {matchLabels: {app: deployment}}
  template: {metadata: {labels: {app: deployment}}, spec: {terminationGracePeriodSeconds: 0, containers: [{name: main, image: 'localhost/lab/base:1'}]}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {namespace: %[1]s, name: daemonset}
spec:
  selector: {matchLabels: {app: daemonset}}
  template: {metadata: {labels: {app: daemonset}}, spec: {terminationGracePeriodSeconds: 0, containers: [{name: main, image: 'localhost/lab/base:1'}]}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {namespace: %[1]s, name: statefulset}
spec:
  serviceName: statefulset
  selector: {matchLabels: {app: statefulset}}
  template: {metadata: {labels: {app: statefulset}}, spec: {terminationGracePeriodSeconds: 0, containers: [{name: main, image: 'localhost/lab/base:1'}]}}
---
apiVersion: batch/v1
kind: Job
metadata: {namespace: %[1]s, name: job}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: 'localhost/lab/base:1', args: ['true']}]}}}
---
apiVersion: v1
kind: Service
metadata: {namespace: %[1]s, name: service}
spec: {ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {namespace: %[1]s, name: nothing}
spec:
  replicas: 0
  selector: {matchLabels: {app: nothing}}
  template: {metadata: {labels: {app: nothing}}, spec: {containers: [{name: main, image: '127.0.0.1:1/it:1'}]}}
`, namespace)
	apply(t, c, objects)
	await(t, state(t, c, objects), "done: true, 6 objects")
	// A change is done when no old pod is left.
	if err := objects[0].UnmarshalJSON([]byte(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"namespace":"` + namespace + `","name":"deployment"},
		"spec":{"replicas":2,"selector":{"matchLabels":{"app":"deployment"}},"template":{"metadata":{"labels":{"app":"deployment"}},
		"spec":{"terminationGracePeriodSeconds":0,"containers":[{"name":"main","image":"127.0.0.1:1/it:2"}]}}}}`)); err != nil {
		t.Fatal(err)
	}
	apply(t, c, objects[:1])
	await(t, state(t, c, objects[:1]), "done: false", "ImagePull")
}
