package kube

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/geored"
)

// What is on its way out is waited for, and what stays is told first.
func TestWhatANamespaceStillHolds(t *testing.T) {
	going := metav1.ObjectMeta{Namespace: "x", Name: "going", DeletionTimestamp: &metav1.Time{}, Finalizers: []string{"service.kubernetes.io/load-balancer-cleanup"}}
	s := newServer("dc1")
	if err := s.emptied(t.Context(), "x"); err != nil {
		t.Errorf("nothing: %v", err)
	}
	core := s.client.CoreV1()
	if _, err := core.Services("x").Create(t.Context(), &corev1.Service{ObjectMeta: going}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := s.emptied(t.Context(), "x"); err == nil || !geored.IsRetriable(err) || err.Error() != "it still holds service going" {
		t.Errorf("a service that goes: %v", err)
	}
	stays := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "x", Name: "stays"}}
	if _, err := core.Services("x").Create(t.Context(), stays, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := s.emptied(t.Context(), "x"); err == nil || geored.IsRetriable(err) || err.Error() != "it still holds service stays" {
		t.Errorf("a service that stays: %v", err)
	}
}
