package rules

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/georedkit/georedkit"

// pkg is what `go list` says of a package.
type pkg struct {
	ImportPath string
	Dir        string
	Name       string
	GoFiles    []string
	TestFiles  []string `json:"TestGoFiles"`
	XTestFiles []string `json:"XTestGoFiles"`
	Imports    []string
	Deps       []string
	Standard   bool
}

var list = sync.OnceValues(func() ([]pkg, error) {
	command := exec.Command("go", "list", "-json=ImportPath,Dir,Name,GoFiles,TestGoFiles,XTestGoFiles,Imports,Deps,Standard", "./...")
	command.Dir = filepath.Join("..", "..")
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		return nil, err
	}
	var all []pkg
	decoder := json.NewDecoder(strings.NewReader(string(output)))
	for {
		var p pkg
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		p.ImportPath = strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		all = append(all, p)
	}
})

func packages(t *testing.T) []pkg {
	t.Helper()
	all, err := list()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 5 {
		t.Fatalf("only %d packages were found", len(all))
	}
	return all
}

// area is the first folder of a package: geored, mesh, …
func area(path string) string {
	first, _, _ := strings.Cut(path, "/")
	return first
}

// domains are the areas that users import.
var domains = []string{"geored", "mesh", "dnsfed", "creds", "cassandra", "kafka", "objectstore"}

func isLibrary(p pkg) bool { return slices.Contains(domains, area(p.ImportPath)) }

// isRim says whether a package may know Kubernetes and Helm: its last folder says that it is made for them.
func isRim(path string) bool {
	return slices.Contains([]string{"kube", "helm", "coredns"}, filepath.Base(path))
}

func TestDomainsDoNotImportEachOther(t *testing.T) {
	for _, p := range packages(t) {
		if !isLibrary(p) {
			continue
		}
		for _, path := range p.Imports {
			imported, own := strings.CutPrefix(path, module+"/")
			if !own {
				continue
			}
			other := area(imported)
			switch {
			case other == area(p.ImportPath):
				if isRim(imported) && !isRim(p.ImportPath) {
					t.Errorf("%s imports the rim %s", p.ImportPath, imported)
				}
			case other == "geored" && area(p.ImportPath) != "geored":
				if isRim(imported) && !isRim(p.ImportPath) {
					t.Errorf("%s imports the rim %s", p.ImportPath, imported)
				}
			default:
				t.Errorf("%s imports %s: geored imports no sibling, and domains only geored", p.ImportPath, imported)
			}
		}
	}
}

func TestKubernetesStaysAtTheRim(t *testing.T) {
	for _, p := range packages(t) {
		if !isLibrary(p) || isRim(p.ImportPath) {
			continue
		}
		for _, path := range p.Imports {
			for _, heavy := range []string{"k8s.io/", "sigs.k8s.io/", "helm.sh/"} {
				if strings.HasPrefix(path, heavy) {
					t.Errorf("%s imports %s", p.ImportPath, path)
				}
			}
		}
	}
}

// The planners compile the standard library and small value libraries, and nothing else.
func TestPlannersStayLight(t *testing.T) {
	allowed := map[string]string{
		"go.yaml.in/yaml/v3": "reads topologies; it needs nothing itself",
	}
	planners := []string{"geored", "mesh", "creds", "dnsfed"}
	seen := 0
	for _, p := range packages(t) {
		if !slices.Contains(planners, p.ImportPath) {
			continue
		}
		seen++
		for _, path := range p.Deps {
			foreign := strings.Contains(strings.SplitN(path, "/", 2)[0], ".")
			if foreign && !strings.HasPrefix(path, module+"/") && allowed[path] == "" {
				t.Errorf("%s compiles %s", p.ImportPath, path)
			}
		}
	}
	if seen != len(planners) {
		t.Errorf("%d of %d planners were found", seen, len(planners))
	}
}
