package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/georedkit/georedkit/geored"
)

func dial(err error) error {
	return &url.Error{Op: "Get", URL: "https://x", Err: &net.OpError{Op: "dial", Net: "tcp", Err: err}}
}

var (
	configMaps = schema.GroupResource{Resource: "configmaps"}
	pods       = schema.GroupResource{Resource: "pods"}
)

func terminating() error {
	err := apierrors.NewForbidden(configMaps, "it", errors.New("because it is being terminated"))
	err.ErrStatus.Details.Causes = append(err.ErrStatus.Details.Causes, metav1.StatusCause{Type: corev1.NamespaceTerminatingCause})
	return err
}

func TestWhatIsRetriable(t *testing.T) {
	type verdict struct{ call, apply, exec bool }
	all, none := verdict{true, true, true}, verdict{}
	call := verdict{true, true, false}
	for name, c := range map[string]struct {
		err  error
		want verdict
	}{
		"conflict":          {apierrors.NewConflict(configMaps, "it", errors.New("x")), all},
		"server time-out":   {apierrors.NewServerTimeout(configMaps, "get", 1), all},
		"time-out":          {apierrors.NewTimeoutError("x", 1), all},
		"too many":          {apierrors.NewTooManyRequestsError("x"), all},
		"unavailable":       {apierrors.NewServiceUnavailable("x"), all},
		"internal":          {apierrors.NewInternalError(errors.New("failed calling webhook")), call},
		"kubelet away":      {apierrors.NewInternalError(errors.New("error dialing backend: dial tcp 10.0.0.1:10250")), all},
		"no such kind":      {&meta.NoKindMatchError{GroupKind: schema.GroupKind{Kind: "Kilo"}}, call},
		"refused":           {dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)), all},
		"unreachable":       {dial(os.NewSyscallError("connect", syscall.EHOSTUNREACH)), all},
		"name server away":  {dial(&net.DNSError{Err: "server misbehaving", IsTemporary: true}), all},
		"no such host":      {dial(&net.DNSError{Err: "no such host", IsNotFound: true}), none},
		"reset":             {&net.OpError{Op: "read", Err: syscall.ECONNRESET}, call},
		"cut short":         {&url.Error{Op: "Get", URL: "https://x", Err: io.EOF}, call},
		"forbidden":         {apierrors.NewForbidden(configMaps, "it", errors.New("no")), none},
		"unauthorized":      {apierrors.NewUnauthorized("x"), none},
		"invalid":           {apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, "it", nil), none},
		"bad request":       {apierrors.NewBadRequest("x"), none},
		"not found":         {apierrors.NewNotFound(configMaps, "it"), verdict{apply: true}},
		"terminating":       {terminating(), verdict{apply: true}},
		"account to come":   {apierrors.NewForbidden(pods, "it", errors.New(`error looking up service account app/default: serviceaccount "default" not found`)), verdict{apply: true}},
		"account denied":    {apierrors.NewForbidden(pods, "it", errors.New("error looking up service account app/default: no")), none},
		"certificate":       {errors.New("x509: certificate signed by unknown authority"), none},
		"the caller's own":  {context.Canceled, none},
		"what nobody knows": {errors.New("x"), none},
	} {
		wrapped := fmt.Errorf("somewhere: %w", c.err)
		got := verdict{geored.IsRetriable(retriable(wrapped)), geored.IsRetriable(applyError(wrapped)), geored.IsRetriable(retriableStart(wrapped))}
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
		if !errors.Is(retriable(wrapped), c.err) || !errors.Is(retriableStart(wrapped), c.err) {
			t.Errorf("%s: the cause is lost", name)
		}
	}
}

func TestRetrying(t *testing.T) {
	change := func(context.Context) error { return fmt.Errorf("write: %w", apierrors.NewServiceUnavailable("x")) }
	task := Retrying(geored.Task{Apply: change, Undo: change})
	if !geored.IsRetriable(task.Apply(t.Context())) || !geored.IsRetriable(task.Undo(t.Context())) {
		t.Error("an API server that starts anew ends the step")
	}
	refused := func(context.Context) error { return apierrors.NewForbidden(configMaps, "it", errors.New("no")) }
	if task := Retrying(geored.Task{Apply: refused}); geored.IsRetriable(task.Apply(t.Context())) || task.Undo != nil {
		t.Error("what is forbidden is tried again, or an Undo came from nowhere")
	}
}
