// Package geotest lets users of geored test their runbooks and checks without a site: a [World] of effects that can be
// observed, applied and taken back, with named faults; a [Clock] that jumps; a [Journal] that fails on demand.
// [KillAnywhere] kills a runbook at every point there is and holds what the next run makes of it against an undisturbed
// one. [Honest] takes answers away from a check and fails when its verdict still stands. [JournalConformance] and
// [LockConformance] are for journals and locks of your own.
//
// Everything is in memory, needs neither root nor a network, and cleans up with the test.
//
// Known gaps: a World's sites share one process, so a fault between two sites has no packets in it; effects appear at
// once or after a number of observations, not after a time of their own. KillAnywhere kills between calls: what a task
// does in several calls of its own is killed between those that go through [Inside].
package geotest
