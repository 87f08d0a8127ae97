// Command weight prints what each public package costs its importers: the packages they compile beyond the standard
// library, and the modules with the versions they are held to.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

const module = "github.com/georedkit/georedkit"

func main() {
	weights, err := weigh()
	if err != nil {
		fmt.Fprintln(os.Stderr, "weight:", err)
		os.Exit(1)
	}
	for _, w := range weights {
		fmt.Println(w)
	}
}

// weight is what one package costs.
type weight struct {
	Package string
	Foreign int      // packages compiled that are neither ours nor the standard library's
	Modules []string // module@version
}

func (w weight) String() string {
	return strings.TrimSpace(fmt.Sprintf("%-28s %4d  %s", w.Package, w.Foreign, strings.Join(w.Modules, " ")))
}

type listed struct {
	ImportPath string
	Standard   bool
	Deps       []string
	Module     *struct{ Path, Version string }
}

// weigh asks go list, so it says what this very go.mod leads to.
func weigh() ([]weight, error) {
	output, err := exec.Command("go", "list", "-deps", "-json=ImportPath,Standard,Deps,Module", module+"/...").Output()
	if err != nil {
		return nil, err
	}
	known := map[string]listed{}
	for decoder := json.NewDecoder(strings.NewReader(string(output))); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		known[p.ImportPath] = p
	}
	var weights []weight
	for path, p := range known {
		if name, ours := strings.CutPrefix(path, module+"/"); ours && isPublic(name) {
			weights = append(weights, of(name, p, known))
		}
	}
	slices.SortFunc(weights, func(a, b weight) int { return strings.Compare(a.Package, b.Package) })
	return weights, nil
}

func isPublic(name string) bool {
	return !strings.HasPrefix(name, "internal/") && !strings.HasPrefix(name, "examples/")
}

func of(name string, p listed, known map[string]listed) weight {
	w := weight{Package: name}
	for _, dep := range p.Deps {
		d := known[dep]
		if d.Standard || d.Module == nil || d.Module.Path == module {
			continue
		}
		w.Foreign++
		w.Modules = append(w.Modules, d.Module.Path+"@"+d.Module.Version)
	}
	slices.Sort(w.Modules)
	w.Modules = slices.Compact(w.Modules)
	return w
}
