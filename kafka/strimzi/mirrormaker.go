package strimzi

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/georedkit/georedkit/kafka/connect"
)

// MirrorMaker is what is to be known of a KafkaMirrorMaker2 resource.
type MirrorMaker struct {
	Namespace, Name string
	Version         string // "v1" or "v1beta2"
	Generation      int64  // of what is wanted
	Observed        int64  // of what the operator has seen; 0: it has seen nothing yet
	Replicas        int32  // wanted workers
	Target          string // alias of the cluster that is mirrored into
	Sources         []string
	Conditions      []Condition
	Connectors      []connect.Connector // as Connect told the operator when it last asked
	URL             string              // of the REST API inside the cluster
	Paused          bool                // its reconciliation is paused: the status is as old as that
}

// Condition is one condition of the status.
type Condition struct {
	Type    string    `yaml:"type"`
	Status  string    `yaml:"status"`
	Reason  string    `yaml:"reason"`
	Message string    `yaml:"message"`
	Since   time.Time `yaml:"lastTransitionTime"`
}

type file struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Metadata   struct {
		Name        string            `yaml:"name"`
		Namespace   string            `yaml:"namespace"`
		Generation  int64             `yaml:"generation"`
		Annotations map[string]string `yaml:"annotations"`
	} `yaml:"metadata"`
	Spec struct {
		Replicas       *int32 `yaml:"replicas"`
		ConnectCluster string `yaml:"connectCluster"` // v1beta2
		Target         struct {
			Alias string `yaml:"alias"`
		} `yaml:"target"` // v1
		Mirrors []struct {
			SourceCluster string `yaml:"sourceCluster"` // v1beta2
			Source        struct {
				Alias string `yaml:"alias"`
			} `yaml:"source"` // v1
		} `yaml:"mirrors"`
	} `yaml:"spec"`
	Status struct {
		Observed   int64                `yaml:"observedGeneration"`
		URL        string               `yaml:"url"`
		Conditions []Condition          `yaml:"conditions"`
		Connectors []connect.StatusFile `yaml:"connectors"`
	} `yaml:"status"`
}

// Decode reads a KafkaMirrorMaker2 resource as the Kubernetes API gives it. Fields that it does not know are passed over.
func Decode(data []byte) (MirrorMaker, error) {
	var f file
	if err := yaml.Unmarshal(data, &f); err != nil {
		return MirrorMaker{}, fmt.Errorf("KafkaMirrorMaker2: %w", err)
	}
	group, version, _ := strings.Cut(f.APIVersion, "/")
	switch {
	case f.Kind != "KafkaMirrorMaker2" || group != "kafka.strimzi.io":
		return MirrorMaker{}, fmt.Errorf("resource %s %s: is not a KafkaMirrorMaker2 of kafka.strimzi.io", f.APIVersion, f.Kind)
	case version != "v1" && version != "v1beta2":
		return MirrorMaker{}, fmt.Errorf("KafkaMirrorMaker2 %s: version %s is neither v1 nor v1beta2", f.Metadata.Name, version)
	case f.Metadata.Name == "":
		return MirrorMaker{}, errors.New("KafkaMirrorMaker2: has no name")
	}
	m := MirrorMaker{
		Namespace: f.Metadata.Namespace, Name: f.Metadata.Name, Version: version,
		Generation: f.Metadata.Generation, Observed: f.Status.Observed,
		Replicas:   3, // Strimzi's default
		Target:     cmp.Or(f.Spec.Target.Alias, f.Spec.ConnectCluster),
		Conditions: f.Status.Conditions, URL: f.Status.URL,
		Paused: f.Metadata.Annotations["strimzi.io/pause-reconciliation"] == "true",
	}
	if f.Spec.Replicas != nil {
		m.Replicas = *f.Spec.Replicas
	}
	for _, mirror := range f.Spec.Mirrors {
		m.Sources = append(m.Sources, cmp.Or(mirror.Source.Alias, mirror.SourceCluster))
	}
	for _, c := range f.Status.Connectors {
		m.Connectors = append(m.Connectors, c.Status())
	}
	return m, nil
}

// Condition finds a condition by its type, if its status is "True".
func (m MirrorMaker) Condition(conditionType string) (Condition, bool) {
	for _, c := range m.Conditions {
		if c.Type == conditionType && c.Status == "True" {
			return c, true
		}
	}
	return Condition{}, false
}

// String is "kafkamirrormaker2 ice-kafka/mm-dc1".
func (m MirrorMaker) String() string {
	return "kafkamirrormaker2 " + m.Namespace + "/" + m.Name
}
