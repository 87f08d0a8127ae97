package geored

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Decode reads one YAML or JSON document into file, a pointer to a struct of strings, lists and structs with yaml tags
// such as [SiteFile]. It is strict: unknown keys, doubled keys, values of a wrong kind and a second document are faults,
// all of them reported at once. What could be read is in file also when there are faults.
func Decode(data []byte, file any) Faults {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, second yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return Faults{{Field: "file", Problem: "is empty"}}
	case err != nil:
		return Faults{{Field: "file", Problem: strings.TrimPrefix(err.Error(), "yaml: "), Remedy: "write YAML or JSON"}}
	}
	faults := keyFaults(&document, reflect.TypeOf(file))
	var mismatch *yaml.TypeError
	if err := document.Decode(file); errors.As(err, &mismatch) {
		for _, message := range mismatch.Errors {
			faults = append(faults, kindFault(message))
		}
	} else if err != nil {
		faults = append(faults, Fault{Field: "file", Problem: err.Error()})
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		faults = append(faults, Fault{Field: "file", Problem: "holds more than one document", Remedy: "keep one"})
	}
	return faults
}

// keyFaults finds keys that t does not have and keys that stand twice. The later ones are taken out of the node: the
// decoder would leave out everything around them.
func keyFaults(node *yaml.Node, t reflect.Type) Faults {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	var faults Faults
	switch {
	case node.Kind == yaml.DocumentNode:
		return keyFaults(node.Content[0], t)
	case node.Kind == yaml.AliasNode:
		return Faults{{Field: fmt.Sprintf("line %d", node.Line), Value: "*" + node.Value, Problem: "is an alias", Remedy: "write the value out"}}
	case node.Kind == yaml.SequenceNode && t.Kind() == reflect.Slice:
		for _, item := range node.Content {
			faults = append(faults, keyFaults(item, t.Elem())...)
		}
	case node.Kind == yaml.MappingNode && t.Kind() == reflect.Struct:
		fields, first := yamlFields(t), map[string]int{}
		var kept []*yaml.Node
		for i := 0; i+1 < len(node.Content); i += 2 {
			key, value := node.Content[i], node.Content[i+1]
			line := fmt.Sprintf("line %d", key.Line)
			fieldType, known := fields[key.Value]
			if at, twice := first[key.Value]; twice {
				faults = append(faults, Fault{Field: line, Value: key.Value, Problem: fmt.Sprintf("stands twice, first at line %d", at), Remedy: "keep one"})
				continue
			}
			first[key.Value] = key.Line
			if !known {
				faults = append(faults, Fault{Field: line, Value: key.Value, Problem: "unknown key", Remedy: "remove it or mend its spelling"})
				continue
			}
			faults = append(faults, keyFaults(value, fieldType)...)
			kept = append(kept, key, value)
		}
		node.Content = kept
	}
	return faults
}

// yamlFields gives the keys of a struct, those of its inline structs among them.
func yamlFields(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for i := range t.NumField() {
		field := t.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if options == "inline" {
			for name, inner := range yamlFields(field.Type) {
				fields[name] = inner
			}
			continue
		}
		if name == "" {
			name = strings.ToLower(field.Name)
		}
		fields[name] = field.Type
	}
	return fields
}

var wrongKind = regexp.MustCompile("^(line \\d+): cannot unmarshal !!(\\w+) ?(?:`(.*)` )?into (.+)$")

// kindFault says in the user's words what the decoder says in Go's.
func kindFault(message string) Fault {
	m := wrongKind.FindStringSubmatch(message)
	if m == nil {
		return Fault{Field: "file", Problem: message}
	}
	return Fault{Field: m[1], Value: m[3], Problem: "is a " + yamlKind(m[2]), Remedy: "write a " + wantedKind(m[4])}
}

func yamlKind(tag string) string {
	kinds := map[string]string{"map": "mapping", "seq": "list", "str": "text", "int": "number", "float": "number", "bool": "boolean"}
	if kind, ok := kinds[tag]; ok {
		return kind
	}
	return tag
}

func wantedKind(goType string) string {
	switch {
	case strings.HasPrefix(goType, "[]"):
		return "list"
	case goType == "string":
		return "text"
	case goType == "int":
		return "number"
	}
	return "mapping"
}
