package main

import (
	"fmt"
	"net/http"
	"time"

	"github.com/georedkit/georedkit/internal/lab/standin/rest"
)

// Annotations that the operator obeys.
const (
	restartConnector = "strimzi.io/restart-connector"
	restartTask      = "strimzi.io/restart-connector-task"
	pause            = "strimzi.io/pause-reconciliation"
)

// resource is a KafkaMirrorMaker2, as far as it is looked at.
type resource struct {
	Metadata struct {
		Name        string            `json:"name"`
		Generation  int64             `json:"generation"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		Replicas int     `json:"replicas"`
		Target   cluster `json:"target"`
		Mirrors  []struct {
			Source              cluster   `json:"source"`
			TopicsPattern       string    `json:"topicsPattern"`
			TopicsExclude       string    `json:"topicsExcludePattern"`
			GroupsPattern       string    `json:"groupsPattern"`
			SourceConnector     connector `json:"sourceConnector"`
			CheckpointConnector connector `json:"checkpointConnector"`
		} `json:"mirrors"`
	} `json:"spec"`
	Status struct {
		Conditions []condition `json:"conditions"`
	} `json:"status"`
}

type cluster struct {
	Alias            string `json:"alias"`
	BootstrapServers string `json:"bootstrapServers"`
}

type connector struct {
	TasksMax int            `json:"tasksMax"`
	Config   map[string]any `json:"config"`
}

type condition struct {
	Type    string    `json:"type"`
	Status  string    `json:"status"`
	Reason  string    `json:"reason,omitempty"`
	Message string    `json:"message,omitempty"`
	Since   time.Time `json:"lastTransitionTime"`
}

// kubernetes is the API server as the pod's service account sees it.
type kubernetes struct {
	namespace string
	api       rest.API
}

func path(namespace, name, part string) string {
	return fmt.Sprintf("/apis/kafka.strimzi.io/v1/namespaces/%s/kafkamirrormaker2s%s%s", namespace, name, part)
}

func (k *kubernetes) list() ([]resource, error) {
	var list struct {
		Items []resource `json:"items"`
	}
	err := k.api.Call(http.MethodGet, path(k.namespace, "", ""), nil, &list)
	return list.Items, err
}

// patch merges something into a resource, or into its status.
func (k *kubernetes) patch(name, part string, change any) error {
	return k.api.Call(http.MethodPatch, path(k.namespace, "/"+name, part), change, nil)
}
