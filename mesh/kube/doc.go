// Package kube joins the clusters of a mesh and proves that they are joined.
//
// The two types to know are [Mesh] and [KiloMesh]: sites joined by gateways of this project's own (see [Gateways]), and
// sites whose clusters Kilo joins, of which this package reads the nodes' annotations and the Peer objects and, through
// [Observers], the WireGuard interfaces themselves. Both are proven by the same checks, of a [Proof].
package kube
