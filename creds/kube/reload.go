package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/georedkit/georedkit/creds"
	"github.com/georedkit/georedkit/geored"
)

// workload is what is read of a Deployment, DaemonSet or StatefulSet to see whether its pods are those of its template.
type workload struct {
	Metadata struct {
		Generation int64 `json:"generation"`
	} `json:"metadata"`
	Spec struct {
		Replicas *int32 `json:"replicas"`
		Template struct {
			Metadata struct {
				Annotations map[string]string `json:"annotations"`
			} `json:"metadata"`
		} `json:"template"`
	} `json:"spec"`
	Status struct {
		ObservedGeneration     int64 `json:"observedGeneration"`
		Replicas               int32 `json:"replicas"`
		UpdatedReplicas        int32 `json:"updatedReplicas"`
		ReadyReplicas          int32 `json:"readyReplicas"`
		DesiredNumberScheduled int32 `json:"desiredNumberScheduled"`
		UpdatedNumberScheduled int32 `json:"updatedNumberScheduled"`
		NumberReady            int32 `json:"numberReady"`
	} `json:"status"`
}

// waiting says what the pods still lack; nothing when all are new and ready.
func (w workload) waiting() string {
	s := w.Status
	wanted, updated, ready := int32(1), s.UpdatedReplicas, s.ReadyReplicas
	if w.Spec.Replicas != nil {
		wanted = *w.Spec.Replicas
	}
	if s.DesiredNumberScheduled > 0 {
		wanted, updated, ready = s.DesiredNumberScheduled, s.UpdatedNumberScheduled, s.NumberReady
	}
	switch {
	case s.ObservedGeneration < w.Metadata.Generation:
		return "was not seen by its controller yet"
	case updated < wanted:
		return fmt.Sprintf("has restarted %d of %d pods", updated, wanted)
	case s.Replicas > wanted:
		return fmt.Sprintf("has %d old pods left", s.Replicas-wanted)
	case ready < wanted:
		return fmt.Sprintf("has %d of %d pods ready", ready, wanted)
	}
	return ""
}

// annotation is the mark of a restart: the digest of the Secret that the pods read at their start.
func annotation(g creds.Grant) string { return "creds.georedkit.io/" + g.Secret }

// reloaded says whether a consumer's pods were all started after the Secret of that digest was there.
func (r Receiver) reloaded(ctx context.Context, g creds.Grant, digest string) (geored.State, error) {
	raw, err := r.Cluster.Client().AppsV1().RESTClient().Get().AbsPath(workloadPath(g)).DoRaw(ctx)
	if err != nil {
		return geored.State{}, err
	}
	var w workload
	if err := json.Unmarshal(raw, &w); err != nil {
		return geored.State{}, err
	}
	if w.Spec.Template.Metadata.Annotations[annotation(g)] != digest {
		return geored.State{Detail: g.Consumer.Workload + " runs with what it read before"}, nil
	}
	if why := w.waiting(); why != "" {
		return geored.State{Detail: g.Consumer.Workload + " " + why}, nil
	}
	return geored.State{Done: true, Detail: g.Consumer.Workload + " was started with secret " + digest}, nil
}

func (r Receiver) reload(ctx context.Context, g creds.Grant, digest string) error {
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{"annotations": map[string]string{annotation(g): digest}}}}})
	if err != nil {
		return err
	}
	return r.Cluster.Client().AppsV1().RESTClient().Patch(types.MergePatchType).AbsPath(workloadPath(g)).Param("fieldManager", fieldManager).Body(patch).Do(ctx).Error()
}

func workloadPath(g creds.Grant) string {
	kind, name, _ := strings.Cut(g.Consumer.Workload, "/")
	return fmt.Sprintf("/apis/apps/v1/namespaces/%s/%ss/%s", g.Consumer.Namespace, kind, name)
}
