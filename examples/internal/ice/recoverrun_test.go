package ice

import (
	"slices"
	"testing"

	"github.com/georedkit/georedkit/geored"
)

// An index waits for the rows that it is filled from, and not for roles; the end waits for both.
func TestAnIndexDoesNotWaitForRoles(t *testing.T) {
	tasks := func(targets ...string) func([]Decision) ([]geored.Task, error) {
		return func([]Decision) (tasks []geored.Task, _ error) {
			for _, target := range targets {
				tasks = append(tasks, geored.Task{Step: geored.Step{ID: geored.StepID(target), Target: target}})
			}
			return tasks, nil
		}
	}
	r := &Recovery{Stores: []Store{
		{Name: storeCassandra, Beside: ofServer, Tasks: tasks("ring", "keyspace dev", "keyspace system_auth", "keyspace system_traces")},
		{Name: storeSearch, After: []string{storeCassandra}, Tasks: tasks("index")}}}
	book, err := r.Runbook()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct{ steps, after []string }{
		storeCassandra:             {[]string{"ring", "keyspace dev"}, []string{"measure"}},
		storeCassandra + "-beside": {[]string{"keyspace system_auth", "keyspace system_traces"}, []string{"measure", storeCassandra}},
		storeSearch:                {[]string{"index"}, []string{"measure", storeCassandra}},
		"end":                      {[]string{"end/note"}, []string{"measure", storeCassandra, storeCassandra + "-beside", storeSearch}},
	} {
		i := slices.IndexFunc(book.Stages, func(s geored.Stage) bool { return s.Name == name })
		if i < 0 {
			t.Fatalf("there is no stage %s", name)
		}
		var steps []string
		for _, step := range book.Stages[i].Outline {
			steps = append(steps, string(step.ID))
		}
		if !slices.Equal(steps, want.steps) || !slices.Equal(book.Stages[i].After, want.after) {
			t.Errorf("stage %s: %q after %q, want %q after %q", name, steps, book.Stages[i].After, want.steps, want.after)
		}
	}
}
