// Package kilo speaks with Kilo (kilo.squat.ai): the annotations by which its nodes tell of themselves, its Peer objects,
// and the values files of the chart that installs it.
//
// The two types to know are [Node], what Kilo makes of a node's annotations, and [Peer]. [Peers] and [Values] render a
// layout of package mesh; [Lint] reads the values files that an operator already has. Kilo drops what it cannot read or
// what two peers claim without a word; here each such thing is a [geored.Fault], and [Losses] says which peer silently
// loses which prefix.
//
// What is said of Kilo's behaviour was read in its source at commit 944dff5 (after 0.7.0); where 0.6 differs, it is said.
// Objects are plain structs without client-go: encode them as JSON and apply them by any client.
//
// Out of scope: applying anything, preshared keys, and the mesh inside one cluster, which Kilo manages by itself.
package kilo
