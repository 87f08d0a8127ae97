// Package geotest lets users of geored test their runbooks and checks without a site: a [World] of effects that can be
// observed and applied, with named faults; a [Clock] that jumps; a [Journal] that fails on demand.
//
// Everything is in memory, needs neither root nor a network, and cleans up with the test.
//
// Known gaps: a World's sites share one process, so a fault between two sites has no packets in it; effects appear at
// once or after a number of observations, not after a time of their own.
package geotest
