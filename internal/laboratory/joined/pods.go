package joined

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/geored"
)

// Replaced deletes a pod of a StatefulSet and waits until another one of its name is ready.
func (s *Sites) Replaced(site geored.SiteName, namespace, pod string) {
	s.t.Helper()
	pods := s.Clusters[site].Client().CoreV1().Pods(namespace)
	old, err := pods.Get(s.t.Context(), pod, metav1.GetOptions{})
	s.must(err)
	s.must(pods.Delete(s.t.Context(), pod, metav1.DeleteOptions{}))
	s.Await(pod+" is another, and ready", func() (string, bool) {
		p, err := pods.Get(s.t.Context(), pod, metav1.GetOptions{})
		if err != nil {
			return err.Error(), false
		}
		ready := len(p.Status.ContainerStatuses) > 0 && p.Status.ContainerStatuses[0].Ready
		return p.Status.String(), p.UID != old.UID && ready
	})
}
