package rules

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What CI takes turns with is named in the Makefile: a test that got another name would run in every commit, or never.
func TestTheMakefileNamesTests(t *testing.T) {
	makefile, tests := read(t, "Makefile"), labTests(t)
	named := slices.Compact(slices.Sorted(slices.Values(regexp.MustCompile(`\bTest[A-Z]\w*`).FindAllString(makefile, -1))))
	if len(named) < 20 || len(tests) < 50 {
		t.Fatalf("only %d of %d tests are named: %v", len(named), len(tests), named)
	}
	for _, name := range named {
		if !tests[name] {
			t.Errorf("the Makefile names %s, which is no test", name)
		}
	}
}

// The same for the parts of suites: samples of Kafka's, and the drills.
func TestTheMakefileNamesPartsOfSuites(t *testing.T) {
	makefile := strings.ReplaceAll(read(t, "Makefile"), "\\\n", " ")
	for variable, suite := range map[string]string{"KAFKA_SAMPLE": "kafka/kafkatest/conformance.go", "WHOLES": "examples/ice-recover/drillcases_lab_test.go"} {
		line := regexp.MustCompile(`(?m)^` + variable + ` *= *(.*)$`).FindStringSubmatch(makefile)
		if line == nil {
			t.Fatalf("there is no %s", variable)
		}
		parts := strings.FieldsFunc(line[1], func(r rune) bool { return r == ' ' || r == '|' || r == '\t' })
		if len(parts) < 5 {
			t.Errorf("%s names %q", variable, parts)
		}
		for _, part := range parts {
			if !strings.Contains(read(t, suite), `"`+part+`"`) && !strings.Contains(makefile, "\nTEST_"+part+" ") {
				t.Errorf("%s names %s, which is no part of %s", variable, part, suite)
			}
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// labTests are the names of all tests, those on real sites too.
func labTests(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, _ os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, "_test.go") {
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, d := range file.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
					found[f.Name.Name] = true
				}
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
