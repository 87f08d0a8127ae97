// Package watch repeats checks until it is told to stop, and keeps what they say.
//
// The two types to know are [Watch], which runs round after round, and [State], which is what is known now of every check at
// every place, and how old that is. An [Event] tells of each change of a verdict. What was not told in a round, because a
// check did not end or nobody answered, is unknown; nothing stays as it was for want of an answer. geored/metrics shows a
// state to Prometheus.
package watch
