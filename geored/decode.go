package geored

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Decode reads one YAML or JSON document into file, a pointer to a struct of strings, lists and structs with yaml tags
// such as [SiteFile]. It is strict: unknown keys, doubled keys, values of a wrong kind and a second document are faults,
// all of them reported at once. What could be read is in file also when there are faults.
func Decode(data []byte, file any) Faults {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	err := decoder.Decode(file)
	var mismatch *yaml.TypeError
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		return Faults{{Field: "file", Problem: "is empty"}}
	case errors.As(err, &mismatch):
		faults := make(Faults, len(mismatch.Errors))
		for i, message := range mismatch.Errors {
			faults[i] = decodeFault(message)
		}
		return faults
	default:
		return Faults{{Field: "file", Problem: strings.TrimPrefix(err.Error(), "yaml: "), Remedy: "write YAML or JSON"}}
	}
	var second yaml.Node
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return Faults{{Field: "file", Problem: "holds more than one document", Remedy: "keep one"}}
	}
	return nil
}

var (
	unknownKey = regexp.MustCompile(`^(line \d+): field (.+) not found in type .*$`)
	doubledKey = regexp.MustCompile(`^(line \d+): mapping key "(.+)" already defined at (line \d+)$`)
	wrongKind  = regexp.MustCompile("^(line \\d+): cannot unmarshal !!(\\w+) ?(?:`(.*)` )?into (.+)$")
)

// decodeFault says in the user's words what the decoder says in Go's.
func decodeFault(message string) Fault {
	if m := unknownKey.FindStringSubmatch(message); m != nil {
		return Fault{Field: m[1], Value: m[2], Problem: "unknown key", Remedy: "remove it or mend its spelling"}
	}
	if m := doubledKey.FindStringSubmatch(message); m != nil {
		return Fault{Field: m[1], Value: m[2], Problem: "stands twice, first at " + m[3], Remedy: "keep one"}
	}
	if m := wrongKind.FindStringSubmatch(message); m != nil {
		return Fault{Field: m[1], Value: m[3], Problem: "is a " + yamlKind(m[2]), Remedy: "write a " + wantedKind(m[4])}
	}
	return Fault{Field: "file", Problem: message}
}

func yamlKind(tag string) string {
	return map[string]string{"map": "mapping", "seq": "list", "str": "text", "int": "number", "bool": "boolean"}[tag]
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
