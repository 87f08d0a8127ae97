package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
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
	namespace, token string
	client           *http.Client
}

func inCluster(namespace string) (*kubernetes, error) {
	const folder = "/var/run/secrets/kubernetes.io/serviceaccount/"
	token, err := os.ReadFile(folder + "token")
	if err != nil {
		return nil, err
	}
	authority, err := os.ReadFile(folder + "ca.crt")
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		return nil, errors.New("the API server's authority is not PEM")
	}
	return &kubernetes{namespace, string(token), &http.Client{Timeout: 10 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}}, nil
}

func (k *kubernetes) path(name, part string) string {
	return fmt.Sprintf("https://kubernetes.default.svc/apis/kafka.strimzi.io/v1/namespaces/%s/kafkamirrormaker2s%s%s", k.namespace, name, part)
}

func (k *kubernetes) list() ([]resource, error) {
	var list struct {
		Items []resource `json:"items"`
	}
	return list.Items, call(k.client, k.token, http.MethodGet, k.path("", ""), nil, &list)
}

// patch merges something into a resource, or into its status.
func (k *kubernetes) patch(name, part string, change any) error {
	return call(k.client, k.token, http.MethodPatch, k.path("/"+name, part), change, nil)
}

// call sends a body, when there is one, and decodes the answer, when one is wanted.
func call(client *http.Client, token, method, url string, body, answer any) error {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequest(method, url, content)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		request.Header.Set("Content-Type", "application/merge-patch+json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return err
	case response.StatusCode/100 != 2:
		return fmt.Errorf("%s %s: %s: %.300s", method, url, response.Status, text)
	case answer == nil:
		return nil
	}
	return json.Unmarshal(text, answer)
}
