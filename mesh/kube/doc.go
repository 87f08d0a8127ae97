// Package kube runs WireGuard gateways in the clusters of a mesh and asks them how their tunnels stand.
//
// The type to know is [Gateways]: the agents of package mesh/gateway on every node of one site, as a DaemonSet.
package kube
