// Package kube reads KafkaMirrorMaker2 resources of a cluster, and restarts what belongs to them: connectors by the
// annotations that Strimzi's operator obeys, workers by deleting their pods. The type to know is [Resource].
package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/connect"
	"github.com/georedkit/georedkit/kafka/strimzi"
)

// Cluster is a site's Kubernetes API. *kube.Cluster is one.
type Cluster interface {
	Site() geored.SiteName
	Client() kubernetes.Interface
}

// Resource is a KafkaMirrorMaker2 resource.
type Resource struct {
	Cluster   Cluster
	Namespace string
	Name      string
	Clock     geored.Clock // zero: the machine's
}

var _ kafka.ResourceReader = Resource{}

const (
	group = "kafka.strimzi.io"
	// Annotations of Strimzi (documentation of Strimzi 1.0, "Performing a restart of a MirrorMaker 2 connector").
	restartConnector = "strimzi.io/restart-connector"
	restartTask      = "strimzi.io/restart-connector-task"
)

func (r Resource) clock() geored.Clock {
	if r.Clock == nil {
		return geored.SystemClock()
	}
	return r.Clock
}

func (r Resource) failed(verb string, cause error) error {
	if apierrors.IsServerTimeout(cause) || apierrors.IsTooManyRequests(cause) || apierrors.IsServiceUnavailable(cause) || apierrors.IsConflict(cause) {
		cause = geored.Retriable(cause)
	}
	return fmt.Errorf("site %s: %s kafkamirrormaker2 %s/%s: %w", r.Cluster.Site(), verb, r.Namespace, r.Name, cause)
}

// client is one for the resources of Strimzi, which no typed client knows.
func (r Resource) client() rest.Interface { return r.Cluster.Client().Discovery().RESTClient() }

// version is the newest one that the cluster serves and package strimzi reads.
func (r Resource) version(ctx context.Context) (string, error) {
	text, err := r.client().Get().AbsPath("/apis", group).DoRaw(ctx)
	if apierrors.IsNotFound(err) {
		return "", errors.New("the cluster knows nothing of " + group + ": is Strimzi installed?")
	}
	if err != nil {
		return "", err
	}
	var served metav1.APIGroup
	if err := json.Unmarshal(text, &served); err != nil {
		return "", err
	}
	for _, version := range []string{"v1", "v1beta2"} {
		if slices.ContainsFunc(served.Versions, func(v metav1.GroupVersionForDiscovery) bool { return v.Version == version }) {
			return version, nil
		}
	}
	return "", fmt.Errorf("the cluster serves neither v1 nor v1beta2 of %s", group)
}

func (r Resource) path(version string) []string {
	return []string{"/apis", group, version, "namespaces", r.Namespace, "kafkamirrormaker2s", r.Name}
}

// read also gives the annotations.
func (r Resource) read(ctx context.Context) (strimzi.MirrorMaker, map[string]string, error) {
	version, err := r.version(ctx)
	if err != nil {
		return strimzi.MirrorMaker{}, nil, err
	}
	text, err := r.client().Get().AbsPath(r.path(version)...).DoRaw(ctx)
	if err != nil {
		return strimzi.MirrorMaker{}, nil, err
	}
	var meta struct{ Metadata metav1.ObjectMeta }
	if err := json.Unmarshal(text, &meta); err != nil {
		return strimzi.MirrorMaker{}, nil, err
	}
	m, err := strimzi.Decode(text)
	return m, meta.Metadata.Annotations, err
}

// MirrorMaker reads the resource as it is now; its status is as old as the operator's last look.
func (r Resource) MirrorMaker(ctx context.Context) (strimzi.MirrorMaker, error) {
	m, _, err := r.read(ctx)
	if err != nil {
		return m, r.failed("read", err)
	}
	return m, nil
}

// annotate sets an annotation, or takes it away with nil.
func (r Resource) annotate(ctx context.Context, key string, value any) error {
	version, err := r.version(ctx)
	if err != nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]any{key: value}}})
	if err != nil {
		return err
	}
	return r.client().Patch(types.MergePatchType).AbsPath(r.path(version)...).Body(patch).Do(ctx).Error()
}

// Restart has the operator restart a connector, and returns when it has: it takes the annotation away then. That can last
// until its next reconciliation, two minutes unless set otherwise. An annotation of somebody else is waited for. When the
// context ends, ours is taken back. What the operator refuses is an error.
func (r Resource) Restart(ctx context.Context, connector string, o connect.RestartOptions) error {
	value := connector
	switch {
	case o.IncludeTasks && o.OnlyFailed:
		value += ":includeTasks,onlyFailed"
	case o.IncludeTasks:
		value += ":includeTasks"
	case o.OnlyFailed:
		value += ":onlyFailed"
	}
	return r.order(ctx, restartConnector, value)
}

// RestartTask is [Resource.Restart] for one task.
func (r Resource) RestartTask(ctx context.Context, connector string, task int) error {
	return r.order(ctx, restartTask, fmt.Sprintf("%s:%d", connector, task))
}

const poll = 500 * time.Millisecond

func (r Resource) order(ctx context.Context, key, value string) error {
	set := false
	var before strimzi.Condition // a warning about an order that is not ours
	for {
		m, annotations, err := r.read(ctx)
		if err != nil {
			return r.failed("restart by", err)
		}
		now, is := annotations[key]
		switch warning, warned := m.Condition("Warning"); {
		case !is && set:
			return nil
		case m.Paused:
			return r.failed("restart by", errors.New("its reconciliation is paused: the operator obeys nothing"))
		case !is:
			if err := r.annotate(ctx, key, value); err != nil {
				return r.failed("annotate", err)
			}
			set, before = true, warning
		case now == value && warned && warning != before && (warning.Reason == "RestartConnector" || warning.Reason == "RestartConnectorTask"):
			return errors.Join(r.failed("restart by", fmt.Errorf("the operator refuses: %s", warning.Message)), r.takeBack(ctx, key, true))
		case now == value:
			set = true // of an earlier call that did not see its end
		}
		if err := r.clock().Sleep(ctx, poll); err != nil {
			return errors.Join(r.failed("restart by", fmt.Errorf("the operator has not obeyed annotation %s: %w", key, context.Cause(ctx))), r.takeBack(ctx, key, set))
		}
	}
}

// takeBack keeps an order that nobody waits for from being obeyed later.
func (r Resource) takeBack(ctx context.Context, key string, ours bool) error {
	if !ours {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := r.annotate(ctx, key, nil); err != nil {
		return r.failed("take the annotation back from", err)
	}
	return nil
}

// Control restarts connectors by annotation and does everything else by REST: a [kafka.Control] for sites whose operator
// is to know of restarts.
type Control struct {
	kafka.Control
	Resource Resource
}

// Restart is [Resource.Restart].
func (c Control) Restart(ctx context.Context, connector string, o connect.RestartOptions) error {
	return c.Resource.Restart(ctx, connector, o)
}
