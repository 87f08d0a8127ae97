package device_test

import (
	"net/netip"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/device"
)

// Our keys against those of wgctrl.
func TestKeysAreThoseOfWGCtrl(t *testing.T) {
	for range 50 {
		theirs, err := wgtypes.GeneratePrivateKey()
		if err != nil {
			t.Fatal(err)
		}
		ours, err := mesh.ParsePrivateKey(theirs.String())
		if err != nil {
			t.Fatal(err)
		}
		if ours.Reveal() != theirs.String() || ours.Public().String() != theirs.PublicKey().String() {
			t.Errorf("public key %s, want %s", ours.Public(), theirs.PublicKey())
		}
	}
}

func TestConfig(t *testing.T) {
	key, err := wgtypes.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	endpoint, err := geored.ParseEndpoint("[2001:db8::1]:51820")
	if err != nil {
		t.Fatal(err)
	}
	name, err := geored.ParseEndpoint("gw.example.org:51820")
	if err != nil {
		t.Fatal(err)
	}
	peer := mesh.Peer{PublicKey: mesh.PublicKeyFrom(key), Endpoint: endpoint, PersistentKeepalive: 10 * time.Second,
		AllowedIPs: []netip.Prefix{netip.MustParsePrefix("10.120.0.9/16"), netip.MustParsePrefix("fd00:120::/48")}}
	named := peer
	named.Endpoint = name
	c := device.Config(mesh.Device{ListenPort: 51820, Peers: []mesh.Peer{peer, named}})
	if c.PrivateKey != nil || *c.ListenPort != 51820 || !c.ReplacePeers || len(c.Peers) != 2 {
		t.Fatalf("%+v", c)
	}
	p := c.Peers[0]
	if p.PublicKey != key || p.Endpoint.String() != "[2001:db8::1]:51820" || *p.PersistentKeepaliveInterval != 10*time.Second || !p.ReplaceAllowedIPs ||
		len(p.AllowedIPs) != 2 || p.AllowedIPs[0].String() != "10.120.0.0/16" || p.AllowedIPs[1].String() != "fd00:120::/48" {
		t.Errorf("%+v", p)
	}
	if c.Peers[1].Endpoint != nil {
		t.Errorf("a name became %s", c.Peers[1].Endpoint)
	}
}
