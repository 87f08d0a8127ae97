package rules

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// files parses what users compile of a package.
func files(t *testing.T, set *token.FileSet, p pkg) []*ast.File {
	t.Helper()
	var parsed []*ast.File
	for _, name := range p.GoFiles {
		file, err := parser.ParseFile(set, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, file)
	}
	return parsed
}

// forbidden are calls and values that take a decision away from the program that imports a library.
var forbidden = map[string]string{
	"fmt.Print": "prints", "fmt.Printf": "prints", "fmt.Println": "prints",
	"os.Stdout": "prints", "os.Stderr": "prints", "os.Stdin": "reads the terminal",
	"os.Exit": "ends the program", "log.Fatal": "ends the program", "log.Fatalf": "ends the program", "log.Fatalln": "ends the program",
	"log.Print": "logs globally", "log.Printf": "logs globally", "log.Println": "logs globally", "slog.Default": "logs globally",
	"slog.Info": "logs globally", "slog.Warn": "logs globally", "slog.Error": "logs globally", "slog.Debug": "logs globally",
	"context.Background": "loses the caller's context", "context.TODO": "loses the caller's context",
	"exec.Command": "executes a program here", "exec.CommandContext": "executes a program here",
}

func TestLibrariesLeaveDecisionsToTheirCallers(t *testing.T) {
	for _, p := range packages(t) {
		if !isLibrary(p) {
			continue
		}
		set := token.NewFileSet()
		for _, file := range files(t, set, p) {
			ast.Inspect(file, func(n ast.Node) bool {
				if text, ok := violation(n); ok {
					t.Errorf("%s: %s", set.Position(n.Pos()), text)
				}
				return true
			})
		}
	}
}

func violation(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.SelectorExpr:
		if base, ok := n.X.(*ast.Ident); ok {
			if why := forbidden[base.Name+"."+n.Sel.Name]; why != "" {
				return fmt.Sprintf("%s.%s %s", base.Name, n.Sel.Name, why), true
			}
		}
	case *ast.CallExpr:
		if name, ok := n.Fun.(*ast.Ident); ok && !abortsHandler(n) && (name.Name == "panic" || name.Name == "print" || name.Name == "println") {
			return name.Name, true
		}
	case *ast.FuncDecl:
		if n.Name.Name == "init" && n.Recv == nil {
			return "an init function acts on import", true
		}
	}
	return "", false
}

// abortsHandler is the one way net/http has to break a connection off; the panic ends in its server.
func abortsHandler(call *ast.CallExpr) bool {
	if len(call.Args) != 1 {
		return false
	}
	value, ok := call.Args[0].(*ast.SelectorExpr)
	return ok && value.Sel.Name == "ErrAbortHandler"
}

// A rule that finds nothing anywhere would pass as well; this shows that it finds something.
func TestViolationsAreFound(t *testing.T) {
	const bad = `package bad
import ("context"; "fmt"; "os")
var count int
func init() { fmt.Println(context.Background()); os.Exit(1); panic("x"); count++ }`
	file, err := parser.ParseFile(token.NewFileSet(), "bad.go", bad, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		if _, ok := violation(n); ok {
			found++
		}
		return true
	})
	if found != 5 {
		t.Errorf("%d violations were found, want 5", found)
	}
	if got := changed([]*ast.File{file}, packageVariables([]*ast.File{file})); !slices.Equal(got, []string{"count"}) {
		t.Errorf("changed variables: %v", got)
	}
}

// Package variables are tables and errors: nothing assigns to them.
func TestLibrariesKeepNoState(t *testing.T) {
	for _, p := range packages(t) {
		if !isLibrary(p) {
			continue
		}
		parsed := files(t, token.NewFileSet(), p)
		for _, name := range changed(parsed, packageVariables(parsed)) {
			t.Errorf("%s: package variable %s is changed", p.ImportPath, name)
		}
	}
}

func packageVariables(files []*ast.File) map[string]bool {
	names := map[string]bool{}
	for _, file := range files {
		for _, declaration := range file.Decls {
			general, ok := declaration.(*ast.GenDecl)
			if !ok || general.Tok != token.VAR {
				continue
			}
			for _, spec := range general.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					if name.Name != "_" {
						names[name.Name] = true
					}
				}
			}
		}
	}
	return names
}

// changed gives the names among variables that are assigned to, outside of declarations.
func changed(files []*ast.File, variables map[string]bool) []string {
	var names []string
	add := func(target ast.Expr) {
		for {
			switch inner := target.(type) {
			case *ast.IndexExpr:
				target = inner.X
			case *ast.SelectorExpr:
				target = inner.X
			case *ast.StarExpr:
				target = inner.X
			case *ast.Ident:
				if variables[inner.Name] {
					names = append(names, inner.Name)
				}
				return
			default:
				return
			}
		}
	}
	for _, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				if n.Tok != token.DEFINE {
					for _, target := range n.Lhs {
						add(target)
					}
				}
			case *ast.IncDecStmt:
				add(n.X)
			}
			return true
		})
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// programs are all that the SDK executes in a container, each with the reason why it is there to be executed.
var programs = map[string]string{
	"ProbeProgram": "the probe image is made for it and holds nothing else",
	"nodetool":     "what administers Cassandra; its images hold it, and the vendor's guide executes it there",
}

// Nothing is executed in a foreign container but what its image is documented to hold.
func TestExecutedProgramsAreKnown(t *testing.T) {
	found := map[string]bool{}
	for _, p := range packages(t) {
		if !isLibrary(p) {
			continue
		}
		set := token.NewFileSet()
		for _, file := range files(t, set, p) {
			ast.Inspect(file, func(n ast.Node) bool {
				pair, ok := n.(*ast.KeyValueExpr)
				if key, isName := pairKey(pair); !ok || !isName || key != "Argv" {
					return true
				}
				name := firstName(pair.Value)
				if programs[name] == "" {
					t.Errorf("%s: executes %q, which is not among the known programs", set.Position(n.Pos()), name)
				}
				found[name] = true
				return true
			})
		}
	}
	for name := range programs {
		if !found[name] {
			t.Errorf("%s is listed and never executed", name)
		}
	}
}

func pairKey(pair *ast.KeyValueExpr) (string, bool) {
	if pair == nil {
		return "", false
	}
	key, ok := pair.Key.(*ast.Ident)
	if !ok {
		return "", false
	}
	return key.Name, true
}

// firstName is the first element of a literal argument list, by its name or its text.
func firstName(value ast.Expr) string {
	name := ""
	ast.Inspect(value, func(n ast.Node) bool {
		if name != "" {
			return false
		}
		switch n := n.(type) {
		case *ast.CompositeLit:
			if len(n.Elts) > 0 {
				name = elementName(n.Elts[0])
			}
			return false
		}
		return true
	})
	return name
}

func elementName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.BasicLit:
		return strings.Trim(e.Value, `"`)
	}
	return "?"
}
