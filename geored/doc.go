// Package geored is the core of the SDK: what a site is, how a change over several sites is planned, run and resumed,
// and how it is proven.
//
// The two types to know are [Runbook] and [Report]. A runbook is an ordered list of stages; [Runbook.Run] carries it
// out: every task is observed first, its effect is applied only when it is missing, and the task ends when the effect
// is seen, not when a call returned. A report is a list of findings made by checks; a finding knows who was asked and
// who did not answer, and one with a silence in it is never a pass.
//
// Runbooks are made of others by [Sequence], [Parallel] and [Prefix]. What one will do is a [Plan]: a file with a digest,
// made by [Runbook.Plan] before anything runs, to be reviewed and compared with the same plan made again. Values that
// only an earlier stage can produce stand in it as [Constraint]s, and reach the later one by an [Output]. [Runbook.Undo]
// takes back what the [Journal] says was applied. A [Lock] keeps a second runner away.
//
// A [Result] and a [Report] are complete also when an error comes with them: one outcome per planned step, one finding
// per thing that was to be checked, in a fixed order.
//
// The package knows no Kubernetes, no Helm and none of its siblings; it prints nothing, keeps no state of its own and
// reads the time only from the [Clock] that it is given. Out of scope: how an effect is reached. That is what mesh and
// the other domain packages are for.
package geored
