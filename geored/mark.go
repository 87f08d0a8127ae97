package geored

import (
	"context"
	"fmt"
	"hash/fnv"
	"strings"
)

type (
	runKey  struct{}
	stepKey struct{}
)

// RunOf is the ID of the run that a task's functions were called by; "" outside of a run.
func RunOf(ctx context.Context) string {
	id, _ := ctx.Value(runKey{}).(string)
	return id
}

// MarkOf is what an effect that cannot be observed leaves behind: the same for one step of one run, however often it is
// resumed, and another one for each other. It is a DNS-1123 label, and so fits annotations, labels and names of jobs.
func MarkOf(run string, step StepID) string {
	hash := fnv.New64a()
	fmt.Fprintf(hash, "%s\x00%s", run, step)
	mark := fmt.Sprintf("%016x", hash.Sum64())
	if head := strings.ToLower(strings.NewReplacer(".", "-", ":", "-").Replace(run)); head != "" && SiteName(head+"-"+mark).IsValid() {
		return head + "-" + mark
	}
	return "run-" + mark
}

// Marked makes a task of an effect that cannot be observed, such as a restart or a repair. read gives the mark that the
// last one left ("" for none); apply brings the effect about and leaves the mark in one and the same call, as an
// annotation of a pod template, the name of a job, or a row: then an apply that was cut off is not repeated by the run
// that goes on. What can only be marked in a second call is done twice when it is cut off between them. A place
// that has room for one mark may carry one such step of a run: of two, a run that goes on would do the earlier one again.
func Marked(step Step, read func(ctx context.Context) (string, error), apply func(ctx context.Context, mark string) error) Task {
	return Task{
		Step: step,
		Observe: func(ctx context.Context) (State, error) {
			found, err := read(ctx)
			if err != nil {
				return State{}, err
			}
			if found != markOf(ctx, step) {
				return State{Detail: "not done by this run"}, nil
			}
			return State{Done: true, Detail: "done by this run: " + found}, nil
		},
		Apply: func(ctx context.Context) error { return apply(ctx, markOf(ctx, step)) },
	}
}

// markOf is the mark of a step under the name that it has in the run: [Prefix] may have given it another.
func markOf(ctx context.Context, step Step) string {
	id, ok := ctx.Value(stepKey{}).(StepID)
	if !ok {
		id = step.ID
	}
	return MarkOf(RunOf(ctx), id)
}
