// Package mesh joins the pod and service networks of several sites by WireGuard.
//
// The two types to know are [Network], what is wanted, and [Layout], what each machine must be configured to. [Plan]
// makes the one of the other and of the gateways that were observed; it is pure, finds every conflict before anything is
// changed and names both parties of each. [Device.Drift] says how a machine that was read differs from its layout, and
// [Crossing.Judge] whether a tunnel carries traffic: from two samples and a probe, never from the age of a handshake
// alone.
//
// Addresses are net/netip values, durations are [time.Duration], sizes are bytes. A [PrivateKey] is a type of its own
// and shows itself nowhere; a layout holds public keys only and may be shipped as it is.
//
// The package changes nothing. Devices are read and configured by mesh/device, Kilo's annotations and objects by
// mesh/kilo, and mesh/meshtest is a network of WireGuard devices in memory.
package mesh
