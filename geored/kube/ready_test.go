package kube

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	"sigs.k8s.io/yaml"
)

// live reads an object as a server would give it.
func live(t *testing.T, text string) *Object {
	t.Helper()
	var content map[string]any
	if err := yaml.Unmarshal([]byte(text), &content); err != nil {
		t.Fatal(err)
	}
	object := &Object{}
	// Through JSON, so that numbers are what they are in answers of a server.
	encoded, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := object.UnmarshalJSON(encoded); err != nil {
		t.Fatal(err)
	}
	object.SetNamespace("ns")
	object.SetName("it")
	return object
}

const labels = "selector: {matchLabels: {app: it}}"

func TestReadiness(t *testing.T) {
	for name, c := range map[string]struct{ object, want string }{
		"deployment": {`{apiVersion: apps/v1, kind: Deployment, metadata: {generation: 2}, spec: {replicas: 3, ` + labels + `},
			status: {observedGeneration: 2, replicas: 3, updatedReplicas: 3, availableReplicas: 3}}`, ""},
		"deployment, unseen": {`{apiVersion: apps/v1, kind: Deployment, metadata: {generation: 3}, spec: {replicas: 3, ` + labels + `},
			status: {observedGeneration: 2, replicas: 3, updatedReplicas: 3, availableReplicas: 3}}`, "was not seen by its controller yet"},
		"deployment, without a status": {`{apiVersion: apps/v1, kind: Deployment, metadata: {generation: 1}, spec: {` + labels + `}}`, "was not seen by its controller yet"},
		"deployment, default replicas": {`{apiVersion: apps/v1, kind: Deployment, metadata: {generation: 1}, spec: {` + labels + `}, status: {observedGeneration: 1}}`, "has 0 of 1 pods up to date"},
		"deployment, rolling": {`{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 3, ` + labels + `},
			status: {replicas: 4, updatedReplicas: 2, availableReplicas: 3}}`, "has 2 of 3 pods up to date"},
		"deployment, old pods": {`{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 3, ` + labels + `},
			status: {replicas: 4, updatedReplicas: 3, availableReplicas: 3}}`, "has 1 old pods left"},
		"deployment, unavailable": {`{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 3, ` + labels + `},
			status: {replicas: 3, updatedReplicas: 3, availableReplicas: 2}}`, "has 2 of 3 pods available"},
		"deployment, of none": {`{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 0, ` + labels + `}}`, ""},
		"deployment, refused": {`{apiVersion: apps/v1, kind: Deployment, spec: {` + labels + `}, status: {conditions: [{type: ReplicaFailure, status: "True", message: exceeded quota}]}}`,
			"has 0 of 1 pods up to date; exceeded quota"},
		"deployment of another group": {`{apiVersion: example.org/v1, kind: Deployment, metadata: {generation: 1}}`, ""},

		"statefulset":            {`{apiVersion: apps/v1, kind: StatefulSet, spec: {replicas: 2, ` + labels + `}, status: {replicas: 2, updatedReplicas: 2, availableReplicas: 2}}`, ""},
		"statefulset, rolling":   {`{apiVersion: apps/v1, kind: StatefulSet, spec: {replicas: 2, ` + labels + `}, status: {replicas: 2, updatedReplicas: 1, availableReplicas: 2}}`, "has 1 of 2 pods up to date"},
		"statefulset, on delete": {`{apiVersion: apps/v1, kind: StatefulSet, spec: {replicas: 2, updateStrategy: {type: OnDelete}, ` + labels + `}, status: {replicas: 2, updatedReplicas: 0, availableReplicas: 2}}`, ""},
		"statefulset, on delete, away": {`{apiVersion: apps/v1, kind: StatefulSet, spec: {replicas: 2, updateStrategy: {type: OnDelete}, ` + labels + `},
			status: {replicas: 2, updatedReplicas: 0, availableReplicas: 1}}`, "has 1 of 2 pods available"},
		"daemonset, on delete": {`{apiVersion: apps/v1, kind: DaemonSet, spec: {updateStrategy: {type: OnDelete}, ` + labels + `},
			status: {desiredNumberScheduled: 2, currentNumberScheduled: 2, updatedNumberScheduled: 0, numberAvailable: 2}}`, ""},
		"statefulset, partition": {`{apiVersion: apps/v1, kind: StatefulSet, spec: {replicas: 3, updateStrategy: {rollingUpdate: {partition: 2}}, ` + labels + `},
			status: {replicas: 3, updatedReplicas: 1, availableReplicas: 3}}`, ""},
		"statefulset, partition unfinished": {`{apiVersion: apps/v1, kind: StatefulSet, spec: {replicas: 3, updateStrategy: {rollingUpdate: {partition: 2}}, ` + labels + `},
			status: {replicas: 3, updatedReplicas: 0, availableReplicas: 3}}`, "has 2 of 3 pods up to date"},

		"daemonset":          {`{apiVersion: apps/v1, kind: DaemonSet, spec: {` + labels + `}, status: {desiredNumberScheduled: 2, currentNumberScheduled: 2, updatedNumberScheduled: 2, numberAvailable: 2}}`, ""},
		"daemonset, nowhere": {`{apiVersion: apps/v1, kind: DaemonSet, spec: {` + labels + `}}`, "has no node to run on"},
		"daemonset, unseen":  {`{apiVersion: apps/v1, kind: DaemonSet, metadata: {generation: 1}, spec: {` + labels + `}}`, "was not seen by its controller yet"},
		"daemonset, one left": {`{apiVersion: apps/v1, kind: DaemonSet, spec: {` + labels + `},
			status: {desiredNumberScheduled: 2, currentNumberScheduled: 2, updatedNumberScheduled: 2, numberAvailable: 1}}`, "has 1 of 2 pods available"},
		"daemonset, misplaced": {`{apiVersion: apps/v1, kind: DaemonSet, spec: {` + labels + `},
			status: {desiredNumberScheduled: 2, currentNumberScheduled: 2, numberMisscheduled: 1, updatedNumberScheduled: 2, numberAvailable: 2}}`, "has 1 old pods left"},

		"job":            {`{apiVersion: batch/v1, kind: Job, spec: {` + labels + `}, status: {conditions: [{type: Complete, status: "True"}]}}`, ""},
		"job, running":   {`{apiVersion: batch/v1, kind: Job, spec: {` + labels + `}, status: {active: 1}}`, "has not completed"},
		"job, failed":    {`{apiVersion: batch/v1, kind: Job, spec: {` + labels + `}, status: {conditions: [{type: Failed, status: "True", reason: DeadlineExceeded, message: too long}]}}`, "failed: DeadlineExceeded too long"},
		"job, suspended": {`{apiVersion: batch/v1, kind: Job, spec: {` + labels + `}, status: {conditions: [{type: Suspended, status: "True"}]}}`, "is suspended"},
		"job, not so":    {`{apiVersion: batch/v1, kind: Job, spec: {` + labels + `}, status: {conditions: [{type: Complete, status: "False"}]}}`, "has not completed"},

		"claim":                   {`{apiVersion: v1, kind: PersistentVolumeClaim, status: {phase: Bound}}`, ""},
		"claim, pending":          {`{apiVersion: v1, kind: PersistentVolumeClaim, status: {phase: Pending}}`, "is not bound"},
		"service":                 {`{apiVersion: v1, kind: Service, spec: {type: ClusterIP}}`, ""},
		"load balancer":           {`{apiVersion: v1, kind: Service, spec: {type: LoadBalancer}, status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}}`, ""},
		"load balancer, pending":  {`{apiVersion: v1, kind: Service, spec: {type: LoadBalancer}}`, "has no address from its load balancer yet"},
		"definition":              {`{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, status: {conditions: [{type: Established, status: "True"}]}}`, ""},
		"definition, new":         {`{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition}`, "is not established"},
		"definition, refused":     {`{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, status: {conditions: [{type: Established, status: "False", reason: NotAccepted, message: name taken}]}}`, "is not established: NotAccepted name taken"},
		"config map":              {`{apiVersion: v1, kind: ConfigMap}`, ""},
		"custom":                  {`{apiVersion: kafka.strimzi.io/v1, kind: Kafka, metadata: {generation: 4}, status: {observedGeneration: 4, conditions: [{type: Ready, status: "True"}]}}`, ""},
		"custom, unseen":          {`{apiVersion: kafka.strimzi.io/v1, kind: Kafka, metadata: {generation: 5}, status: {observedGeneration: 4, conditions: [{type: Ready, status: "True"}]}}`, "was not seen by its controller yet"},
		"custom, not ready":       {`{apiVersion: kafka.strimzi.io/v1, kind: Kafka, status: {conditions: [{type: Ready, status: "False", reason: Broken, message: no broker}]}}`, "is not ready: Broken no broker"},
		"custom, unknown":         {`{apiVersion: kafka.strimzi.io/v1, kind: Kafka, status: {conditions: [{type: Ready, status: Unknown}]}}`, "is not ready"},
		"custom, without a word":  {`{apiVersion: example.org/v1, kind: Thing}`, ""},
		"custom, strange numbers": {`{apiVersion: example.org/v1, kind: Thing, status: {observedGeneration: x, conditions: y}}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := (&Cluster{client: fake.NewClientset()}).notReady(t.Context(), live(t, c.object))
			if err != nil || got != c.want {
				t.Errorf("%q, %v, want %q", got, err, c.want)
			}
		})
	}
}

func TestReadinessOfPods(t *testing.T) {
	waiting := "status: {phase: Pending, containerStatuses: [{state: {waiting: "
	for name, c := range map[string]struct{ pod, want string }{
		"ready":             {`status: {phase: Running, conditions: [{type: Ready, status: "True"}]}`, ""},
		"succeeded":         {`status: {phase: Succeeded, containerStatuses: [{state: {terminated: {exitCode: 0}}}]}`, ""},
		"leaving":           {`metadata: {deletionTimestamp: "2026-01-02T03:04:05Z"}, status: {phase: Running, conditions: [{type: Ready, status: "True"}]}`, "is being deleted"},
		"new":               {`status: {}`, "is new and not ready"},
		"pending":           {`status: {phase: Pending}`, "is Pending and not ready"},
		"not ready":         {`status: {phase: Running, conditions: [{type: Ready, status: "False"}]}`, "is Running and not ready"},
		"unschedulable":     {`status: {phase: Pending, conditions: [{type: PodScheduled, status: "False", message: 0/2 nodes}]}`, "cannot be scheduled: 0/2 nodes"},
		"image":             {waiting + `{reason: ErrImagePull, message: no such host}}}]}`, "is waiting: ErrImagePull no such host"},
		"image, again":      {waiting + `{reason: ImagePullBackOff, message: Back-off pulling image}}}]}`, "is waiting: ImagePullBackOff Back-off pulling image"},
		"creating":          {waiting + `{reason: ContainerCreating}}}]}`, "is waiting: ContainerCreating"},
		"crash":             {waiting + `{reason: CrashLoopBackOff, message: back-off 10s}}, lastState: {terminated: {exitCode: 7, reason: Error}}}]}`, "is waiting: CrashLoopBackOff back-off 10s; it ended with exit code 7: Error"},
		"killed":            {`status: {phase: Failed, containerStatuses: [{state: {terminated: {exitCode: 137, reason: OOMKilled}}}]}`, "ended with exit code 137: OOMKilled"},
		"first of all init": {`status: {phase: Pending, initContainerStatuses: [{state: {terminated: {exitCode: 8, reason: Error}}}], containerStatuses: [{state: {waiting: {reason: PodInitializing}}}]}`, "ended with exit code 8: Error"},
		"evicted":           {`status: {phase: Failed, reason: Evicted, message: The node was low on resource}`, "is Failed: Evicted The node was low on resource"},
	} {
		t.Run(name, func(t *testing.T) {
			object := live(t, "{apiVersion: v1, kind: Pod, "+c.pod+"}")
			got, err := (&Cluster{client: fake.NewClientset()}).notReady(t.Context(), object)
			if err != nil || got != c.want {
				t.Errorf("%q, %v, want %q", got, err, c.want)
			}
		})
	}
}

func TestTheReasonIsThatOfTheNewestPodThatStays(t *testing.T) {
	object := live(t, `{apiVersion: apps/v1, kind: Deployment, spec: {`+labels+`}, status: {replicas: 2}}`)
	pod := func(name, created, more string) *corev1.Pod {
		p, err := typed[corev1.Pod](live(t, `{apiVersion: v1, kind: Pod, metadata: {creationTimestamp: "`+created+`", labels: {app: it}}, `+more+`}`))
		if err != nil {
			t.Fatal(err)
		}
		p.Name, p.UID = name, "1"
		return &p
	}
	old := pod("old", "2026-01-01T00:00:00Z", `status: {phase: Failed, reason: Evicted}`)
	newer := pod("newer", "2026-01-02T00:00:00Z", `status: {phase: Pending, containerStatuses: [{state: {waiting: {reason: ContainerCreating}}}]}`)
	leaving := pod("leaving", "2026-01-03T00:00:00Z", `status: {phase: Running}`)
	leaving.DeletionTimestamp, leaving.Finalizers = &metav1.Time{Time: leaving.CreationTimestamp.Time}, []string{"x/y"}
	event := func(name, reason string, second int) *corev1.Event {
		at := metav1.Date(2026, 1, 2, 0, 0, second, 0, leaving.CreationTimestamp.Location())
		return &corev1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}, Type: "Warning", Reason: reason, Message: "secret not found", LastTimestamp: at}
	}
	objects := []runtime.Object{old, newer, leaving, event("a", "FailedMount", 2), event("b", "Earlier", 1)}
	got, err := (&Cluster{client: fake.NewClientset(objects...)}).notReady(t.Context(), object)
	if want := "has 0 of 1 pods up to date; pod newer is waiting: ContainerCreating: FailedMount secret not found"; err != nil || got != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
}

func TestWhatIsNoObjectOfItsKindIsAnError(t *testing.T) {
	_, err := (&Cluster{client: fake.NewClientset()}).notReady(t.Context(), live(t, `{apiVersion: apps/v1, kind: Deployment, spec: {replicas: many}}`))
	if err == nil {
		t.Error("it was judged")
	}
}
