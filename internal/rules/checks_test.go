package rules

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Every check is held by geotest.Honest to the rule of every verdict: with any answer removed it is fail or unknown.
func TestEveryCheckIsHeldToItsRule(t *testing.T) {
	checks, named := checkIDs(t), namedInHonestTests(t)
	if len(checks) < 25 {
		t.Fatalf("only %d checks were found: %v", len(checks), checks)
	}
	for id, name := range checks {
		if !named[id] && !named[name] {
			t.Errorf("%s: no unit test calls geotest.Honest for it", id)
		}
	}
}

// checkIDs gives the IDs of all checks in the code, each with the name of its constant and its area. One that is computed
// stands under the call that computes it.
func checkIDs(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, p := range packages(t) {
		if !isLibrary(p) && area(p.ImportPath) != "examples" || filepath.Base(p.ImportPath) == "geotest" {
			continue
		}
		for _, file := range files(t, token.NewFileSet(), p) {
			inFile := map[string]string{}
			ast.Inspect(file, func(n ast.Node) bool {
				collectIDs(n, inFile)
				return true
			})
			for id, name := range inFile {
				name = within(area(p.ImportPath), name)
				if strings.HasSuffix(id, "()") { // each area may have its own
					id = name
				}
				found[id] = name
			}
		}
	}
	return found
}

// collectIDs knows constants of the type CheckID, and the field ID of a literal of a Check.
func collectIDs(n ast.Node, found map[string]string) {
	switch n := n.(type) {
	case *ast.ValueSpec:
		if typeName(n.Type) != "CheckID" {
			collectTable(n, found)
			return
		}
		for i, value := range n.Values {
			if id, ok := literal(value); ok {
				found[id] = n.Names[i].Name
			}
		}
	case *ast.CompositeLit:
		for _, element := range n.Elts {
			inner, isLiteral := element.(*ast.CompositeLit)
			if isLiteral && inner.Type == nil { // an element of a slice of checks
				if array, ok := n.Type.(*ast.ArrayType); ok && typeName(array.Elt) == "Check" {
					collectID(inner, found)
				}
			}
		}
		if typeName(n.Type) == "Check" {
			collectID(n, found)
		}
	}
}

// collectTable knows tables of checks of a type of its own, with a field id: they stand under the table's name.
func collectTable(table *ast.ValueSpec, found map[string]string) {
	for i, value := range table.Values {
		rows, ok := value.(*ast.CompositeLit)
		if !ok || i >= len(table.Names) {
			continue
		}
		for _, row := range rows.Elts {
			fields, ok := row.(*ast.CompositeLit)
			if !ok {
				continue
			}
			for _, field := range fields.Elts {
				pair, _ := field.(*ast.KeyValueExpr)
				if key, isName := pairKey(pair); isName && key == "id" {
					if id, ok := literal(pair.Value); ok {
						found[id] = table.Names[i].Name
					}
				}
			}
		}
	}
}

func collectID(check *ast.CompositeLit, found map[string]string) {
	for _, element := range check.Elts {
		pair, ok := element.(*ast.KeyValueExpr)
		if key, isName := pairKey(pair); !ok || !isName || key != "ID" {
			continue
		}
		if id, ok := literal(pair.Value); ok {
			found[id] = id
		}
		if call, ok := pair.Value.(*ast.CallExpr); ok {
			found[callName(call)] = callName(call)
		}
	}
}

func literal(e ast.Expr) (string, bool) {
	basic, ok := e.(*ast.BasicLit)
	if !ok || basic.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(basic.Value)
	return text, err == nil
}

// typeName is the last part of a name: CheckID of geored.CheckID.
func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// callName is CheckID() of c.CheckID().
func callName(call *ast.CallExpr) string { return typeName(call.Fun) + "()" }

// namedInHonestTests are the names, each with its area, and texts in those functions of unit tests that call geotest.Honest
// or HonestAnswers.
func namedInHonestTests(t *testing.T) map[string]bool {
	t.Helper()
	named := map[string]bool{}
	for _, p := range packages(t) {
		for _, name := range slices.Concat(p.TestFiles, p.XTestFiles) {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, declaration := range file.Decls {
				if function, ok := declaration.(*ast.FuncDecl); ok && callsHonest(function) {
					addNames(function, area(p.ImportPath), named)
				}
			}
		}
	}
	return named
}

// within is a name in an area: two of them may have a CheckPods.
func within(area, name string) string { return area + " " + name }

func callsHonest(function *ast.FuncDecl) bool {
	calls := false
	ast.Inspect(function, func(n ast.Node) bool {
		if selector, ok := n.(*ast.SelectorExpr); ok {
			calls = calls || typeName(selector.X) == "geotest" && (selector.Sel.Name == "Honest" || selector.Sel.Name == "HonestAnswers")
		}
		return true
	})
	return calls
}

func addNames(n ast.Node, area string, named map[string]bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			named[within(area, n.Name)] = true
		case *ast.CallExpr:
			if selector, ok := n.Fun.(*ast.SelectorExpr); !ok || typeName(selector.X) != "geored" { // that is the type, and no call
				named[within(area, callName(n))] = true
			}
		case *ast.BasicLit:
			if text, ok := literal(n); ok {
				named[text] = true
			}
		}
		return true
	})
}

// A finder of checks that finds nothing would let everything pass.
func TestChecksAreFound(t *testing.T) {
	const code = `package x
const CheckA geored.CheckID = "x/a"
var all = []geored.Check{{ID: CheckA}, {ID: "x/b"}}
var table = []documented{{id: "guide/1"}}
var one = geored.Check{ID: c.CheckID()}
func TestIt(t *testing.T) { geotest.Honest(t, x.CheckA, nil); geotest.HonestAnswers(t, "x/b", nil) }
func TestOther(t *testing.T) { other("x/c"); c.CheckID() }
func TestTypes(t *testing.T) { geotest.Honest(t, geored.CheckID("x/d"), []geored.CheckID{}) }`
	const computed = `package x
func TestIt(t *testing.T) { geotest.Honest(t, c.CheckID(), nil) }`
	found := map[string]string{}
	ast.Inspect(parsed(t, code), func(n ast.Node) bool { collectIDs(n, found); return true })
	if len(found) != 4 || found["x/a"] != "CheckA" || found["guide/1"] != "table" || found["CheckID()"] != "CheckID()" {
		t.Errorf("found %v", found)
	}
	named := map[string]bool{}
	for area, code := range map[string]string{"x": code, "y": computed} {
		for _, declaration := range parsed(t, code).Decls {
			if function, ok := declaration.(*ast.FuncDecl); ok && callsHonest(function) {
				addNames(function, area, named)
			}
		}
	}
	for name, want := range map[string]bool{
		"x CheckA": true, "x/b": true, "x/c": false, "y CheckID()": true,
		"x CheckID()": false, "CheckID()": false, "CheckID": false, "y CheckA": false, // others' names, and the type's
	} {
		if named[name] != want {
			t.Errorf("%s: named %t, want %t: %v", name, named[name], want, named)
		}
	}
}

func parsed(t *testing.T, code string) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "x.go", code, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return file
}
