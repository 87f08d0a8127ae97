// Package meshtest lets users of mesh test their tooling without a kernel: a [Network] of WireGuard devices in memory
// that keeps the documented rules, with faults by name. [Conformance] is the suite that holds it, and any other
// [Fabric], to the same behaviour as real devices.
//
// What it keeps: one table of allowed IPs per device, in which the last one to claim a prefix gets it without a word and
// the longest prefix wins; the check of every packet's source against that table; handshakes that both sides must take
// part in, renewed by traffic after 120 s and worthless after 180 s; keepalives; roaming to where a peer sent from;
// counters. The clock is injected, and hours pass in milliseconds.
//
// Known gaps: nothing is encrypted, and a key is only compared. Packets arrive at once and are neither lost nor
// reordered unless a fault says so. A handshake that fails is tried again at the next packet, without the pauses of the
// protocol. There are no preshared keys and no cookies under load. Routes are taken as set up by the one who configured
// the device. Addresses that nobody here has answer nothing. A packet and its answer take a millisecond on top of the clock.
package meshtest
