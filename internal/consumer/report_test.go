package georedundancy

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/report"
)

// joined runs the vendor's runbook and proves it, with a site that is down if there is one.
func joined(t *testing.T, down geored.SiteName) report.Document {
	t.Helper()
	d, ledgers := deployment(nil, "paris", "london")
	if down != "" {
		ledgers[down].down = errors.New("connection refused")
	}
	result, _ := run(t, d, nil) // a run that failed is reported too
	proof, err := geored.Prove(t.Context(), geored.CheckConfig{Title: "acme-join"}, d.Checks()...)
	if err != nil {
		t.Fatal(err)
	}
	return report.Document{Run: result, Report: proof, Operator: "ada", Inputs: []geored.Input{{Name: "sites.yaml", Digest: "sha256:0d7c"}},
		Versions:   []report.Version{{Name: "ledger", Version: "4.2"}},
		Departures: []report.Departure{{ID: "D1", Section: "3.1", Guide: "join by hand", Instead: "joined by program", Why: "hands slip"}}}
}

func asJSON(t *testing.T, d report.Document) map[string]any {
	t.Helper()
	var text bytes.Buffer
	if err := report.WriteJSON(&text, d); err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(&text)
	if err != nil {
		t.Fatal(err)
	}
	return value.(map[string]any)
}

func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	file, err := os.Open("../../docs/report.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	value, err := jsonschema.UnmarshalJSON(file)
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("report.json", value); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("report.json")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// What is written is what the published schema says, also of runs that failed and of nothing at all.
func TestReportsKeepToTheirSchema(t *testing.T) {
	s := schema(t)
	for name, d := range map[string]report.Document{"well": joined(t, ""), "one site down": joined(t, "london"), "nothing": {}, "problem": {Problem: "interrupted"}} {
		if err := s.Validate(asJSON(t, d)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// change gives a copy of a document with something at a path changed; nil takes it away.
func change(t *testing.T, document map[string]any, value any, path ...any) map[string]any {
	t.Helper()
	text, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	var changed map[string]any
	if err := json.Unmarshal(text, &changed); err != nil {
		t.Fatal(err)
	}
	var at any = changed
	for _, part := range path[:len(path)-1] {
		switch part := part.(type) {
		case string:
			at = at.(map[string]any)[part]
		case int:
			at = at.([]any)[part]
		}
	}
	key := path[len(path)-1].(string)
	if value == nil {
		delete(at.(map[string]any), key)
	} else {
		at.(map[string]any)[key] = value
	}
	return changed
}

// The schema is no empty promise: it refuses what is broken.
func TestTheSchemaRefusesBrokenReports(t *testing.T) {
	s, good := schema(t), asJSON(t, joined(t, ""))
	broken := map[string]map[string]any{
		"no verdict":                  change(t, good, nil, "verdict"),
		"a verdict that is none":      change(t, good, "ok", "verdict"),
		"findings that are no list":   change(t, good, "none", "findings"),
		"a finding without a check":   change(t, good, nil, "findings", 0, "check"),
		"a pass that nobody was for":  change(t, good, nil, "findings", 0, "asked"),
		"a pass with a silence":       change(t, good, []any{map[string]any{"target": map[string]any{"site": "paris"}, "reason": "timeout"}}, "findings", 0, "unanswered"),
		"a time that is none":         change(t, good, "yesterday", "started"),
		"a negative duration":         change(t, good, -1, "tookNs"),
		"a step with no status":       change(t, good, nil, "run", "steps", 0, "status"),
		"a failure without its error": change(t, good, "failed", "run", "steps", 0, "status"),
		"a count of another verdict":  change(t, good, 3, "count", "ok"),
		"a departure without why":     change(t, good, nil, "departures", 0, "why"),
		"an input without its digest": change(t, good, nil, "inputs", 0, "digest"),
	}
	if err := s.Validate(change(t, good, "a later version's", "new")); err != nil {
		t.Errorf("a new field: %v", err)
	}
	for name := range maps.Keys(broken) {
		if err := s.Validate(broken[name]); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestHTMLOfTheVendorsRun(t *testing.T) {
	var text strings.Builder
	if err := report.WriteHTML(&text, joined(t, "london")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"FAIL", "acme-join", "join/paris/london", "connection refused"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is missing", want)
		}
	}
}
