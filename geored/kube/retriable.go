package kube

import (
	"context"
	"errors"
	"net"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	utilnet "k8s.io/apimachinery/pkg/util/net"

	"github.com/georedkit/georedkit/geored"
)

// retriable marks what another try may heal.
func retriable(err error) error {
	switch {
	case apierrors.IsConflict(err), apierrors.IsServerTimeout(err), apierrors.IsTimeout(err), apierrors.IsTooManyRequests(err),
		apierrors.IsServiceUnavailable(err), apierrors.IsInternalError(err), meta.IsNoMatchError(err),
		isBrokenConnection(err), utilnet.IsTimeout(err), utilnet.IsHTTP2ConnectionLost(err), utilnet.IsProbableEOF(err):
		return geored.Retriable(err)
	}
	return err
}

// Retrying gives a task whose changes are tried again after an error of the API that another try may heal, such as a conflict or
// a server that starts anew, as those of [Cluster.ApplyTask] are. They must bear being begun twice.
func Retrying(task geored.Task) geored.Task {
	again := func(change func(context.Context) error) func(context.Context) error {
		if change == nil {
			return nil
		}
		return func(ctx context.Context) error { return retriable(change(ctx)) }
	}
	task.Apply, task.Undo = again(task.Apply), again(task.Undo)
	return task
}

// isBrokenConnection does not count a host name that does not exist: that is a mistake in the kubeconfig.
func isBrokenConnection(err error) bool {
	var name *net.DNSError
	if errors.As(err, &name) && name.IsNotFound {
		return false
	}
	var connection *net.OpError
	return errors.As(err, &connection)
}

// retriableStart marks what kept a program from being started. One that may have been started is not started again.
func retriableStart(err error) error {
	var connection *net.OpError
	var status apierrors.APIStatus
	switch {
	case errors.As(err, &connection) && connection.Op == "dial",
		strings.Contains(err.Error(), "error dialing backend"), // the API server found the kubelet away
		errors.As(err, &status) && !apierrors.IsInternalError(err):
		return retriable(err)
	}
	return err
}
