//go:build lab

package kube_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/geored/probe"
)

// Pods are reached by all their names and by address; a port that nobody listens at is told by the first read, an address
// that no pod has at once.
func TestDialIntoTheCluster(t *testing.T) {
	l, c, namespace := site(t)
	spec := kube.ProbeSpec{Namespace: namespace, Name: "probe", Site: "dc1", Image: l.Probe}
	objects, err := spec.Objects()
	if err != nil {
		t.Fatal(err)
	}
	apply(t, c, objects)
	await(t, state(t, c, objects), "done: true")
	service := "probe." + namespace + ".svc"
	// The endpoints come a moment after the pod is ready.
	await(t, func() string {
		found, err := c.Resolve(t.Context(), service)
		return fmt.Sprint(len(found), err)
	}, "1 <nil>")
	inPod := probeAt(t, c, namespace)
	client := http.Client{Transport: &http.Transport{DialContext: c.Dial}, Timeout: 20 * time.Second}
	for _, address := range []string{service + ":80", service + ".cluster.local:80", inPod} {
		answer, err := client.Get("http://" + address + "/")
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		_, err = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Errorf("%s: %s, %v", address, answer.Status, err)
		}
	}
	refused(t, c, strings.TrimSuffix(inPod, fmt.Sprint(probe.HTTPPort))+"1")
	if _, err := c.Dial(t.Context(), "tcp", "10.90.255.254:80"); !errors.Is(err, kube.ErrNoPod) {
		t.Errorf("an address that no pod has: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Dial(ended, "tcp", service+":80"); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: %v", err)
	}
}

// probeAt is the address of the probe's pod, at its HTTP port.
func probeAt(t *testing.T, c *kube.Cluster, namespace string) string {
	t.Helper()
	pod, err := c.Client().CoreV1().Pods(namespace).Get(t.Context(), "probe", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort(pod.Status.PodIP, fmt.Sprint(probe.HTTPPort))
}

func refused(t *testing.T, c *kube.Cluster, address string) {
	t.Helper()
	conn, err := c.Dial(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if conn.RemoteAddr().String() != address {
		t.Errorf("remote address %s", conn.RemoteAddr())
	}
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "port-forward:") || !strings.Contains(err.Error(), "refused") {
		t.Errorf("a port that nobody listens at: %v", err)
	}
}

// A deadline ends a read from a server that says nothing.
func TestADeadlineOfAForwardedConnection(t *testing.T) {
	l, c, namespace := site(t)
	spec := kube.ProbeSpec{Namespace: namespace, Name: "probe", Site: "dc1", Image: l.Probe}
	objects, err := spec.Objects()
	if err != nil {
		t.Fatal(err)
	}
	apply(t, c, objects)
	await(t, state(t, c, objects), "done: true")
	conn, err := c.Dial(t.Context(), "tcp", probeAt(t, c, namespace))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	var late net.Error
	if _, err := conn.Read(make([]byte, 1)); !errors.As(err, &late) || !late.Timeout() {
		t.Errorf("%v", err)
	}
}
