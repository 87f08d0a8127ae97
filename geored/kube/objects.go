package kube

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/json"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

// Object is a Kubernetes object as it is sent to the API server.
type Object = unstructured.Unstructured

// Objects turns typed objects of client-go into objects to apply. What the API server fills in is left out.
func Objects(typed ...runtime.Object) ([]*Object, error) {
	objects := make([]*Object, len(typed))
	for i, t := range typed {
		kinds, _, err := scheme.Scheme.ObjectKinds(t)
		if err != nil {
			return nil, fmt.Errorf("object %d: %w", i, err)
		}
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(t)
		if err != nil {
			return nil, fmt.Errorf("object %d: %w", i, err)
		}
		object := &Object{Object: content}
		object.SetGroupVersionKind(kinds[0])
		unstructured.RemoveNestedField(object.Object, "status")
		dropNulls(object.Object)
		objects[i] = object
	}
	return objects, nil
}

// dropNulls takes out the creationTimestamp: null that typed objects carry everywhere; applied, it would be a wish.
func dropNulls(value any) {
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			if inner == nil {
				delete(v, key)
				continue
			}
			dropNulls(inner)
		}
	case []any:
		for _, inner := range v {
			dropNulls(inner)
		}
	}
}

// ReadObjects reads YAML or JSON documents, separated by "---"; empty ones are passed over. Every object needs an
// apiVersion, a kind and a name; a key that stands twice is an error.
func ReadObjects(manifests []byte) ([]*Object, error) {
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(manifests)))
	var objects []*Object
	for n := 1; ; n++ {
		text, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err == nil {
			text, err = yaml.YAMLToJSONStrict(text)
		}
		object := &Object{}
		if err == nil {
			err = json.Unmarshal(text, &object.Object) // which keeps whole numbers whole
		}
		switch {
		case err != nil:
			return nil, fmt.Errorf("document %d: %w", n, err)
		case len(object.Object) == 0:
			continue
		case object.GetAPIVersion() == "" || object.GetKind() == "" || object.GetName() == "":
			return nil, fmt.Errorf("document %d: an object needs apiVersion, kind and metadata.name", n)
		}
		objects = append(objects, object)
	}
}

// describe names an object as kubectl does: "daemonset georedkit/gateway".
func describe(o *Object) string {
	name := o.GetName()
	if namespace := o.GetNamespace(); namespace != "" {
		name = namespace + "/" + name
	}
	return strings.ToLower(o.GetKind()) + " " + name
}
