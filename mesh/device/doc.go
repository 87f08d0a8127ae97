// Package device reads and sets up the WireGuard interface of the machine it runs on.
//
// [Up] is the one to know: it creates the interface, in the kernel or, where the kernel has no WireGuard, inside this
// process, and brings it to the wanted [mesh.Device] with its addresses and routes. It is idempotent and changes only
// what differs, so that sessions survive. [Read] gives the [mesh.DeviceState] to hold against [mesh.Device.Drift].
// [Route] is for the machines that reach the other sites through their site's gateway.
//
// Everything happens in the network namespace of the calling thread and needs CAP_NET_ADMIN. On systems other than Linux
// everything answers [ErrUnsupported].
//
// Out of scope: forwarding and masquerading on the gateway, which belong to the cluster's network, and keeping keys.
package device
