package mesh_test

import (
	"net/netip"
	"testing"

	"github.com/georedkit/georedkit/mesh"
)

func TestDeviceFaults(t *testing.T) {
	cases := map[string]struct {
		spoil func(*mesh.Device)
		words []string
	}{
		"prefix of two": {func(d *mesh.Device) { d.Peers[1].AllowedIPs = append(d.Peers[1].AllowedIPs, d.Peers[0].AllowedIPs[0]) },
			[]string{"site dc1: peers[dc3/dc3-1].allowedIPs 10.91.0.0/16: is also one of peer dc2/dc2-1"}},
		"prefix of two, written differently": {func(d *mesh.Device) {
			d.Peers[1].AllowedIPs = append(d.Peers[1].AllowedIPs, netip.MustParsePrefix("10.91.7.7/16"))
		}, []string{"allowedIPs 10.91.7.7/16: is also one of peer dc2/dc2-1"}},
		"doubled key": {func(d *mesh.Device) { d.Peers[1].PublicKey = d.Peers[0].PublicKey }, []string{"publicKey", "is that of peer dc2/dc2-1"}},
		"own key":     {func(d *mesh.Device) { d.Peers[1].PublicKey = d.PublicKey }, []string{"is that of the device itself"}},
		"no key":      {func(d *mesh.Device) { d.Peers[1].PublicKey = mesh.PublicKey{} }, []string{"publicKey: is missing"}},
		"no address":  {func(d *mesh.Device) { d.Address = netip.Prefix{} }, []string{"address: is missing"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d := testDevice(t)
			if err := d.Validate(); err != nil {
				t.Fatal(err)
			}
			c.spoil(&d)
			wantFault(t, d.Validate(), c.words...)
		})
	}
	nested := testDevice(t)
	nested.Peers[1].AllowedIPs = append(nested.Peers[1].AllowedIPs, netip.MustParsePrefix("10.91.7.0/24"))
	if err := nested.Validate(); err != nil {
		t.Errorf("a longer prefix inside another peer's: %v", err)
	}
}
