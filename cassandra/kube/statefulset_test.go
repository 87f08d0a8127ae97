package kube_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/georedkit/georedkit/geored/geotest"
	"github.com/georedkit/georedkit/geored/kube"
)

// statefulSet is an API server with one StatefulSet of one pod, and the controllers behind it: they make pods from the
// template, with their claims and not later, and start the pod's server when all its volumes are there.
type statefulSet struct {
	starts func(pod corev1.Pod, empty bool) // a server; empty: on a new volume

	mu      sync.Mutex
	set     appsv1.StatefulSet
	pod     *corev1.Pod
	claim   *corev1.PersistentVolumeClaim
	made    int
	empty   bool
	slow    int            // how many pods it makes from the template before the present one
	old     corev1.PodSpec // that template
	fails   string         // requests of this method and kind are refused
	effects map[string]int
}

const setYAML = `{"metadata": {"name": "ring", "namespace": "space", "resourceVersion": "1"}, "spec": {"replicas": 1,
"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
"volumeClaimTemplates": [{"metadata": {"name": "data"}}],
"template": {"spec": {"containers": [{"name": "cassandra", "env": [{"name": "SEEDS", "value": "ring-0.ring,other-0.other"}, {"name": "JVM_EXTRA_OPTS", "value": "-Da=b"}]}]}}}}`

func newStatefulSet(t testing.TB, starts func(corev1.Pod, bool)) *statefulSet {
	t.Helper()
	s := &statefulSet{starts: starts, effects: map[string]int{}}
	if err := json.Unmarshal([]byte(setYAML), &s.set); err != nil {
		t.Fatal(err)
	}
	s.set.Generation, s.set.Status.ObservedGeneration = 1, 1
	s.reconcile()
	return s
}

// cluster is the site as a process reaches it. A run can be killed around everything it changes.
func (s *statefulSet) cluster(t testing.TB) *kube.Cluster {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	c, err := kube.New("dc2", &rest.Config{Host: server.URL, QPS: -1, ContentConfig: rest.ContentConfig{ContentType: "application/json"},
		WrapTransport: func(next http.RoundTripper) http.RoundTripper { return killable{next} }})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

type killable struct{ http.RoundTripper }

func (k killable) RoundTrip(r *http.Request) (response *http.Response, err error) {
	if r.Method == http.MethodGet {
		return k.RoundTripper.RoundTrip(r)
	}
	err = geotest.Inside(r.Context(), r.Method+" "+path.Base(r.URL.Path), func() error {
		response, err = k.RoundTripper.RoundTrip(r.WithContext(context.WithoutCancel(r.Context())))
		return err
	})
	if err != nil {
		return nil, err
	}
	return response, nil
}

// loseVolume takes the volume away under the claim, and the pod with it; the next one waits.
func (s *statefulSet) loseVolume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.claim.Status.Phase = corev1.ClaimLost
	s.pod = nil
	s.reconcile()
}

func (s *statefulSet) do(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *statefulSet) uid() types.UID {
	s.made++
	return types.UID(fmt.Sprint(s.made))
}

// reconcile is what the controllers do, at once.
func (s *statefulSet) reconcile() {
	if rolling := s.set.Spec.UpdateStrategy.Type == appsv1.RollingUpdateStatefulSetStrategyType; s.pod != nil && rolling && fmt.Sprint(s.pod.Spec) != fmt.Sprint(s.set.Spec.Template.Spec) {
		s.pod = nil
	}
	if s.pod == nil {
		s.pod = &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "ring-0", Namespace: "space", UID: s.uid()}, Spec: *s.set.Spec.Template.Spec.DeepCopy()}
		if s.slow > 0 {
			s.slow--
			s.pod.Spec = s.old
		}
		s.pod.Status.Phase = corev1.PodPending
		if s.claim == nil {
			s.claim = &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "data-ring-0", UID: s.uid()}}
			s.claim.Spec.VolumeName = "volume-" + string(s.claim.UID)
			s.claim.Status.Phase, s.empty = corev1.ClaimBound, true
		}
	}
	if s.claim != nil && s.pod.Status.Phase == corev1.PodPending && s.claim.Status.Phase == corev1.ClaimBound {
		s.pod.Status.Phase = corev1.PodRunning
		s.starts(*s.pod, s.empty)
		s.empty = false
	}
}

func (s *statefulSet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	kind := path.Base(path.Dir(r.URL.Path))
	object := map[string]any{"statefulsets": &s.set, "pods": s.pod, "persistentvolumeclaims": s.claim}[kind]
	if r.Method+" "+kind == s.fails || s.fails == "all" {
		status(w, http.StatusForbidden, metav1.StatusReasonForbidden)
		return
	}
	if name := path.Base(r.URL.Path); name != "ring" && name != "ring-0" && name != "data-ring-0" {
		status(w, http.StatusNotFound, metav1.StatusReasonNotFound)
		return
	}
	if kind == "persistentvolumeclaims" && s.claim == nil {
		status(w, http.StatusNotFound, metav1.StatusReasonNotFound)
		return
	}
	switch r.Method {
	case http.MethodGet:
	case http.MethodPatch:
		if !s.patch(w, r) {
			return
		}
	case http.MethodDelete:
		if !s.delete(w, r, kind) {
			return
		}
	}
	if r.Method != http.MethodGet {
		s.effects[r.Method+" "+kind]++
	}
	_ = json.NewEncoder(w).Encode(object)
}

func status(w http.ResponseWriter, code int, reason metav1.StatusReason) {
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Code: int32(code), Reason: reason, Message: string(reason)})
}

// patch knows the operations of JSON patches that set one of these.
func (s *statefulSet) patch(w http.ResponseWriter, r *http.Request) bool {
	after := *s.set.DeepCopy()
	fields := map[string]any{"/metadata/resourceVersion": &after.ResourceVersion, "/metadata/annotations": &after.Annotations,
		"/spec/updateStrategy": &after.Spec.UpdateStrategy, "/spec/template/spec/containers/0/env": &after.Spec.Template.Spec.Containers[0].Env}
	after.Spec.UpdateStrategy, after.Spec.Template.Spec.Containers[0].Env = appsv1.StatefulSetUpdateStrategy{}, nil
	var operations []struct {
		Path  string
		Value json.RawMessage
	}
	err := json.NewDecoder(r.Body).Decode(&operations)
	for _, o := range operations {
		if fields[o.Path] == nil {
			err = fmt.Errorf("path %s is not known", o.Path)
		}
		if err == nil {
			err = json.Unmarshal(o.Value, fields[o.Path])
		}
	}
	if err != nil || len(operations) != len(fields) {
		status(w, http.StatusBadRequest, metav1.StatusReasonBadRequest)
		return false
	}
	if after.ResourceVersion != s.set.ResourceVersion {
		status(w, http.StatusConflict, metav1.StatusReasonConflict)
		return false
	}
	s.old, s.set = *s.set.Spec.Template.Spec.DeepCopy(), after
	s.made++
	s.set.ResourceVersion = fmt.Sprint(s.made)
	s.reconcile()
	return true
}

func (s *statefulSet) delete(w http.ResponseWriter, r *http.Request, kind string) bool {
	var options metav1.DeleteOptions
	if err := json.NewDecoder(r.Body).Decode(&options); err != nil {
		status(w, http.StatusBadRequest, metav1.StatusReasonBadRequest)
		return false
	}
	uid := s.pod.UID
	if kind != "pods" {
		uid = s.claim.UID
	}
	if options.Preconditions == nil || *options.Preconditions.UID != uid {
		status(w, http.StatusConflict, metav1.StatusReasonConflict)
		return false
	}
	if kind == "pods" {
		s.pod = nil
	} else {
		s.claim = nil
	}
	s.reconcile()
	return true
}

func (s *statefulSet) counts() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.effects)
}

// options are those that a pod's server is started with.
func options(pod corev1.Pod) (option, seeds string) {
	for _, v := range pod.Spec.Containers[0].Env {
		switch v.Name {
		case "JVM_EXTRA_OPTS":
			for _, o := range strings.Fields(v.Value) {
				if strings.Contains(o, "replace_address") {
					option = o
				}
			}
		case "SEEDS":
			seeds = v.Value
		}
	}
	return option, seeds
}
