package joined

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/template"

	"go.yaml.in/yaml/v3"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

// Install applies one of the laboratory's charts in every site, with values of each, and waits until all is ready. The
// release and its namespace are called like the chart.
func (s *Sites) Install(chart string, values func(site geored.SiteName) map[string]any) {
	s.t.Helper()
	var tasks []geored.Task
	for _, name := range s.Names {
		objects := s.Render(chart, values(name))
		space, err := kube.ReadObjects(fmt.Appendf(nil, "{apiVersion: v1, kind: Namespace, metadata: {name: %s}}", chart))
		s.must(err)
		tasks = append(tasks, s.Clusters[name].ApplyTask(Step(chart, name), append(space, objects...)...))
	}
	s.Run(tasks...)
}

// Render gives what a chart makes of values. It knows as much of Helm's language as the charts use: values over their
// defaults, the release, quote, and custom resource definitions first.
func (s *Sites) Render(chart string, values map[string]any) []*kube.Object {
	s.t.Helper()
	_, file, _, _ := runtime.Caller(0)
	folder := filepath.Join(filepath.Dir(file), "..", "..", "lab", "charts", chart)
	defaults := map[string]any{}
	text, err := os.ReadFile(filepath.Join(folder, "values.yaml"))
	s.must(err)
	s.must(yaml.Unmarshal(text, &defaults))
	merge(defaults, values)
	data := map[string]any{"Values": defaults, "Release": map[string]any{"Name": chart, "Namespace": chart}}
	var all []*kube.Object
	for _, pattern := range []string{"crds/*.yaml", "templates/*.yaml"} {
		paths, err := filepath.Glob(filepath.Join(folder, pattern))
		s.must(err)
		for _, path := range slices.Sorted(slices.Values(paths)) {
			text, err := os.ReadFile(path)
			s.must(err)
			if !strings.HasPrefix(pattern, "crds") {
				text = s.execute(path, text, data)
			}
			objects, err := kube.ReadObjects(text)
			if err != nil {
				s.t.Fatalf("%s: %v\n%s", path, err, text)
			}
			all = append(all, inNamespace(objects, chart)...)
		}
	}
	return all
}

// merge lays values over others, table by table.
func merge(under, over map[string]any) {
	for key, value := range over {
		table, isTable := value.(map[string]any)
		below, wasTable := under[key].(map[string]any)
		if isTable && wasTable {
			merge(below, table)
		} else {
			under[key] = value
		}
	}
}

func (s *Sites) execute(path string, text []byte, data any) []byte {
	s.t.Helper()
	parsed, err := template.New(filepath.Base(path)).Option("missingkey=error").
		Funcs(template.FuncMap{"quote": func(v any) string { return fmt.Sprintf("%q", fmt.Sprint(v)) }}).Parse(string(text))
	s.must(err)
	var b bytes.Buffer
	s.must(parsed.Execute(&b, data))
	return b.Bytes()
}

// inNamespace puts objects where Helm does; of those that the charts make, only these know no namespace.
func inNamespace(objects []*kube.Object, namespace string) []*kube.Object {
	for _, o := range objects {
		switch o.GetKind() {
		case "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", "Namespace":
		default:
			if o.GetNamespace() == "" {
				o.SetNamespace(namespace)
			}
		}
	}
	return objects
}
