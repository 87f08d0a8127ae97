// Package probe asks questions from where the answer matters: inside a site. Handshakes, the path MTU, the clock and
// DNS look different from an operator's desk.
//
// A question is put to a probe: the program that `make image` packs, running in a pod (see geored/kube), or any other
// process that runs [Serve]. It travels as JSON over the probe's standard input and output, so that nothing of it
// stands in an argument list. [Client] is the asking side; the types named after a question, such as [TCP] and
// [PathMTU], hold what it needs, and [Questions] answers them on the spot.
//
// [Together] makes one call of what is asked at the same time.
//
// An answer that did not come is an error, never a zero value.
package probe
