package ice

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh/kilo"
)

// Lint names the faults of a folder tree such as that of the guide's section 4.1, with the Kubespray inventories of section
// 3.3.3 beside it: kilo/, coredns/, ice/, seed/ and inventory/. What is missing is passed over, as is what has other names.
// With a topology the files are held against it too. The error says what could not be read; a faulty topology is
// geored.Faults.
func Lint(tree fs.FS, topology []byte) (geored.Faults, error) {
	l := &linter{tree: tree}
	if len(topology) > 0 {
		t, err := ParseTopology(topology)
		if err != nil {
			return nil, err
		}
		l.topology = &t
	}
	for _, part := range []func() error{l.kilo, l.coredns, l.products, l.inventories} {
		if err := part(); err != nil {
			return l.faults, err
		}
	}
	return l.faults, nil
}

type linter struct {
	tree     fs.FS
	topology *Topology // nil: there is none to compare with
	faults   geored.Faults
}

func (l *linter) fault(site geored.SiteName, field, value, problem, remedy string) {
	l.faults = append(l.faults, geored.Fault{Site: site, Field: field, Value: value, Problem: problem, Remedy: remedy})
}

// files are those of one folder.
func (l *linter) files(folder string) (map[string][]byte, error) {
	entries, err := fs.ReadDir(l.tree, folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	files := map[string][]byte{}
	for _, entry := range entries {
		if entry.Type().IsRegular() && err == nil {
			files[entry.Name()], err = fs.ReadFile(l.tree, path.Join(folder, entry.Name()))
		}
	}
	return files, err
}

// site is what the topology says of a site, and whether it knows it.
func (l *linter) site(name geored.SiteName) (Site, bool) {
	if l.topology == nil {
		return Site{}, false
	}
	i := slices.IndexFunc(l.topology.Sites, func(s Site) bool { return s.Name == name })
	if i < 0 {
		return Site{}, false
	}
	return l.topology.Sites[i], true
}

// known faults a file of a site that the topology does not have.
func (l *linter) known(site geored.SiteName, file string) {
	if _, ok := l.site(site); !ok && l.topology != nil {
		l.fault(site, file, "", "is of a site that the topology does not have", "name it after one of them")
	}
}

func (l *linter) kilo() error {
	files, err := l.files("kilo")
	facts := kilo.Facts{}
	if l.topology != nil {
		facts.Network = l.topology.Network()
	}
	for _, f := range kilo.Lint(files, facts) {
		f.Field = "kilo/" + f.Field
		l.faults = append(l.faults, f)
	}
	return err
}

var siteFileName = regexp.MustCompile(`^[a-z]+_(.+)\.json$`)

// values reads the values files of a folder, each of one site, and tells placeholders.
func (l *linter) values(folder string) (map[geored.SiteName]map[string]any, error) {
	files, err := l.files(folder)
	read := map[geored.SiteName]map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		m := siteFileName.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		site, at := geored.SiteName(m[1]), folder+"/"+name
		l.known(site, at)
		var values map[string]any
		if problem := jsonProblem(files[name], &values); problem != "" {
			l.fault(site, at, "", problem, "correct it: helm would stop here, or install without it")
			continue
		}
		l.placeholders(site, at, values)
		l.secrets(site, at, "", values)
		read[site] = values
	}
	return read, err
}

// jsonProblem says where a text stops being JSON.
func jsonProblem(text []byte, into any) string {
	decoder := json.NewDecoder(bytes.NewReader(text))
	err := decoder.Decode(into)
	if err == nil && decoder.More() {
		err = fmt.Errorf("goes on after its end")
	}
	if err == nil {
		return ""
	}
	offset := decoder.InputOffset()
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		offset = syntax.Offset
	}
	line := 1 + bytes.Count(text[:min(int(offset), len(text))], []byte("\n"))
	return fmt.Sprintf("line %d: is not JSON: %v", line, err)
}

var placeholder = regexp.MustCompile(`_{2,}[A-Z0-9_]+_{2,}`)

func (l *linter) placeholders(site geored.SiteName, file string, values any) {
	for _, f := range placeholders("", values) {
		l.fault(site, file+": "+f.Field, f.Value, f.Problem, f.Remedy)
	}
}

// placeholders finds those that nobody filled in; the fields are paths of keys.
func placeholders(at string, value any) geored.Faults {
	var faults geored.Faults
	switch v := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			faults = append(faults, placeholders(strings.TrimPrefix(at+"."+key, "."), v[key])...)
		}
	case []any:
		for i, item := range v {
			faults = append(faults, placeholders(fmt.Sprintf("%s[%d]", at, i), item)...)
		}
	case string:
		if placeholder.MatchString(v) {
			faults = append(faults, geored.Fault{Field: at, Value: v, Problem: "is a placeholder", Remedy: "write what it stands for"})
		}
	}
	return faults
}

// lookup finds what stands at a path of keys; nil when nothing does.
func lookup(values map[string]any, keys ...string) any {
	var at any = values
	for _, key := range keys {
		table, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = table[key]
	}
	return at
}

func names(list any) []string {
	items, _ := list.([]any)
	var found []string
	for _, item := range items {
		switch v := item.(type) {
		case string:
			found = append(found, v)
		case map[string]any:
			name, _ := v["name"].(string)
			found = append(found, name)
		}
	}
	return found
}
