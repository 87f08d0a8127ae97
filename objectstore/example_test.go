package objectstore_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/georedkit/georedkit/objectstore"
	"github.com/georedkit/georedkit/objectstore/objecttest"
)

// Two sites are compared, the difference is copied, and the comparison proves it. In a program of your own the sites'
// stores come from s3.New.
func Example() {
	t := &exampleT{}
	defer t.end()
	dc1, dc2 := objecttest.New(t, []string{"files"}), objecttest.New(t, []string{"files"})
	dc1.Put("files", "a.txt", "at both")
	dc2.Put("files", "a.txt", "at both")
	dc1.Put("files", "b.txt", "written while dc2 was away")

	ctx := context.Background()
	var found []objectstore.Difference
	comparer := objectstore.Comparer{
		Sites:   []objectstore.Site{dc1.Site(t, "dc1"), dc2.Site(t, "dc2")},
		Buckets: []string{"files"},
		Found:   func(d objectstore.Difference) { found = append(found, d) },
	}
	result, err := comparer.Compare(ctx)
	fmt.Println(result.Verdict(), err, found)

	plan, err := objectstore.PlanCatchUp(found, objectstore.CatchUpRules{From: "dc1", To: "dc2"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, t := range plan.Transfers {
		fmt.Println(t.Action, t.Key, t.Reason)
	}
	_, err = plan.Run(ctx, objectstore.TransferConfig{Source: dc1.Client(t, "dc1", nil), Target: dc2.Client(t, "dc2", nil)})
	fmt.Println(err)

	result, err = comparer.Compare(ctx)
	fmt.Println(result.Buckets[0], err)
	// Output:
	// fail <nil> [files/b.txt: dc1 -> dc2: missing (absence)]
	// copy b.txt missing at dc2
	// <nil>
	// bucket files: pass; dc1, dc2: 2 equal, 0 different, 0 unproven <nil>
}

// exampleT stands in for a test where there is none.
type exampleT struct {
	testing.TB
	cleanups []func()
}

func (e *exampleT) Helper()          {}
func (e *exampleT) Cleanup(f func()) { e.cleanups = append(e.cleanups, f) }
func (e *exampleT) end() {
	for _, f := range e.cleanups {
		f()
	}
}
