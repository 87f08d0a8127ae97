package geored

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// WriteJSON writes the plan as [ParsePlan] reads it.
func (p Plan) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(p)
}

// ParsePlan reads a plan file. It is strict: unknown keys, another version, faulty steps and a digest that is not that
// of what the file holds (somebody edited it) are [Faults], as many at once as can be told.
func ParsePlan(data []byte) (Plan, error) {
	var p Plan
	faults := keysOf(data, &p)
	if len(faults) > 0 && p.Version == 0 {
		return p, faults
	}
	if p.Version != PlanVersion {
		return p, append(faults, Fault{Field: "version", Value: fmt.Sprint(p.Version), Problem: fmt.Sprintf("is not %d, which this program reads", PlanVersion),
			Remedy: "make the plan again with this program"})
	}
	if err := p.book().Validate(); err != nil {
		more, _ := AsFaults(err)
		faults = append(faults, more...)
	}
	digest, err := p.digest()
	if err != nil || digest != p.Digest {
		faults = append(faults, Fault{Field: "digest", Value: p.Digest, Problem: "is not that of the plan in the file: it was edited, or cut off", Remedy: "make the plan again"})
	}
	return p, faults.Err()
}

// book is the runbook of the plan's outlines; it cannot run.
func (p Plan) book() Runbook {
	book := Runbook{Name: p.Runbook}
	for _, stage := range p.Stages {
		after := slices.Clone(stage.After)
		if after == nil {
			after = []string{}
		}
		outline := make([]Step, len(stage.Steps))
		for i, step := range stage.Steps {
			outline[i] = step.Step
		}
		book.Stages = append(book.Stages, Stage{Name: stage.Name, After: after, Outline: outline})
	}
	return book
}

// keysOf decodes one JSON document. What is unknown is told by its name; the rest is read all the same.
func keysOf(data []byte, p *Plan) Faults {
	var faults Faults
	file := func(problem string) { faults = append(faults, Fault{Field: "file", Problem: problem}) }
	if len(bytes.TrimSpace(data)) == 0 {
		file("is empty")
		return faults
	}
	var tree any
	if err := json.Unmarshal(data, &tree); err != nil {
		file("is no JSON document: " + err.Error())
		return faults
	}
	if err := json.Unmarshal(data, p); err != nil {
		file(strings.TrimPrefix(err.Error(), "json: "))
	}
	var again any
	text, err := json.Marshal(p)
	if err = errors.Join(err, json.Unmarshal(text, &again)); err != nil {
		file(err.Error())
		return faults
	}
	for _, key := range unknownKeys("", tree, again) {
		faults = append(faults, Fault{Field: key, Problem: "is no part of a plan", Remedy: "make the plan again"})
	}
	return faults
}

// unknownKeys are the places of read that again, which holds all that was understood, does not have. What is empty may
// be missing there.
func unknownKeys(at string, read, again any) []string {
	var unknown []string
	switch v := read.(type) {
	case map[string]any:
		known, _ := again.(map[string]any)
		for key, inner := range v {
			place := strings.TrimPrefix(at+"."+key, ".")
			if got, ok := known[key]; ok {
				unknown = append(unknown, unknownKeys(place, inner, got)...)
			} else {
				unknown = append(unknown, place)
			}
		}
	case []any:
		known, _ := again.([]any)
		for i := range min(len(v), len(known)) {
			unknown = append(unknown, unknownKeys(fmt.Sprintf("%s[%d]", at, i), v[i], known[i])...)
		}
	}
	slices.Sort(unknown)
	return unknown
}
