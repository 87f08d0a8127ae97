package device

import (
	"context"

	"github.com/georedkit/georedkit/mesh/gateway"
)

// Support says whether this machine can have a WireGuard interface. Where there is none of that name it makes one under
// another name and removes it at once: that alone tells whether the kernel has WireGuard.
func Support(ctx context.Context, name string) (gateway.Support, error) { return support(ctx, name) }
