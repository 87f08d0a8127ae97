package strimzi_test

import (
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// What Decode reads is in Strimzi's own definitions, under the same names; what the older version calls otherwise too.
func TestDecodeReadsWhatTheDefinitionHas(t *testing.T) {
	always := []string{"spec.replicas", "spec.mirrors", "status.observedGeneration", "status.url", "status.connectors",
		"status.conditions.type", "status.conditions.status", "status.conditions.reason", "status.conditions.message", "status.conditions.lastTransitionTime"}
	now, then := []string{"spec.target.alias", "spec.mirrors.source.alias"}, []string{"spec.connectCluster", "spec.mirrors.sourceCluster"}
	for _, c := range []struct {
		file, version string
		has, lacks    []string
	}{
		{"../../internal/lab/charts/ice-kafka/crds/kafkamirrormaker2.yaml", "v1", append(now, always...), then},
		{"testdata/kafkamirrormaker2-0.51.0.yaml", "v1", append(now, always...), then},
		{"testdata/kafkamirrormaker2-0.51.0.yaml", "v1beta2", append(then, always...), nil},
	} {
		schema := definition(t, c.file, c.version)
		for _, path := range c.has {
			if !has(schema, path) {
				t.Errorf("%s, %s: has no %s", c.file, c.version, path)
			}
		}
		for _, path := range c.lacks {
			if has(schema, path) {
				t.Errorf("%s, %s: has %s", c.file, c.version, path)
			}
		}
	}
}

type schema struct {
	Properties map[string]schema `yaml:"properties"`
	Items      *schema           `yaml:"items"`
}

func definition(t *testing.T, path, version string) schema {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var crd struct {
		Spec struct {
			Versions []struct {
				Name   string `yaml:"name"`
				Schema struct {
					Root schema `yaml:"openAPIV3Schema"`
				} `yaml:"schema"`
			} `yaml:"versions"`
		} `yaml:"spec"`
	}
	if err := yaml.Unmarshal(text, &crd); err != nil {
		t.Fatal(err)
	}
	for _, v := range crd.Spec.Versions {
		if v.Name == version {
			return v.Schema.Root
		}
	}
	t.Fatalf("%s: no version %s", path, version)
	return schema{}
}

func has(s schema, path string) bool {
	for name := range strings.SplitSeq(path, ".") {
		if s.Items != nil {
			s = *s.Items
		}
		next, ok := s.Properties[name]
		if !ok {
			return false
		}
		s = next
	}
	return true
}
