package agent

import (
	"errors"
	"fmt"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/georedkit/georedkit/internal/lab/pod/kilo/overlay"
)

// hostGateway is how often flannel's host-gw looks for its routes (pkg/backend/route_network.go, routeCheckRetries).
const hostGateway = 10 * time.Second

// recoverRoutes puts back what leads to the pods of the site's other nodes where nothing does, as flannel's host-gw: with
// granularity full Kilo takes those routes over, and they go with its interface.
func (a *agent) recoverRoutes() error {
	if !a.Flannel || !a.internal.IsValid() {
		return nil
	}
	var errs []error
	for name, n := range a.nodes {
		if name == a.Host || !n.Internal.IsValid() || !n.Pods.IsValid() {
			continue
		}
		network := overlay.IPNet(n.Pods)
		route := netlink.Route{Dst: &network, Gw: n.Internal.Addr().AsSlice(), Src: a.internal.Addr().AsSlice()}
		if err := netlink.RouteAdd(&route); err != nil && !errors.Is(err, unix.EEXIST) {
			errs = append(errs, fmt.Errorf("recover route %s: %w", n.Pods, err))
		}
	}
	return errors.Join(errs...)
}
