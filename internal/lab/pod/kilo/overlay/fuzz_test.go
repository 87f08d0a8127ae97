package overlay_test

import (
	"testing"

	"github.com/georedkit/georedkit/internal/lab/pod/kilo/overlay"
)

// Whatever stands in an annotation, a node can be read, and what it tells of itself is read again as it was.
func FuzzReadNode(f *testing.F) {
	f.Add("1.2.3.4:5", "10.0.0.1/8", `{"k":{"IP":"1.2.3.4","Port":5,"Zone":""}}`, "10.1.0.0/16,x")
	f.Add("[::1]:5", "::ffff:1.2.3.4/97", `{"k":null}`, ",")
	f.Fuzz(func(t *testing.T, endpoint, internal, discovered, allowed string) {
		n := overlay.ReadNode("n", nil, map[string]string{
			overlay.KeyEndpoint: endpoint, overlay.KeyInternalIP: internal, overlay.KeyDiscovered: discovered, overlay.KeyAllowed: allowed,
		}, "10.0.0.0/24")
		told, err := n.Annotations()
		if err != nil {
			t.Fatal(err)
		}
		again := overlay.ReadNode("n", nil, told, "10.0.0.0/24")
		if again.Internal != n.Internal || again.Endpoint.Ready() != n.Endpoint.Ready() || len(again.Discovered) != len(n.Discovered) {
			t.Errorf("%+v was told as %v and read as %+v", n, told, again)
		}
	})
}
