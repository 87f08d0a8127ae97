package labtest

import (
	"context"
	"fmt"
	"net"
	"runtime"

	"github.com/vishvananda/netns"
)

// Dial gives a way into the network of a node, for addresses that are reached there alone.
func (l *Lab) Dial(node string) func(ctx context.Context, network, address string) (net.Conn, error) {
	l.t.Helper()
	path := fmt.Sprintf("/proc/%d/ns/net", l.pid(node))
	return func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread() // for good: the thread is in another network, and ends with this goroutine
			var inside netns.NsHandle
			if inside, err = netns.GetFromPath(path); err != nil {
				return
			}
			defer inside.Close()
			if err = netns.Set(inside); err == nil {
				conn, err = new(net.Dialer).DialContext(ctx, network, address)
			}
		}()
		<-done
		return conn, err
	}
}
