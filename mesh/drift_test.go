package mesh_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
)

var sampled = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// stateOf is a device that is exactly as it should be, with a fresh session on each peer.
func stateOf(d mesh.Device) mesh.DeviceState {
	s := mesh.DeviceState{Interface: d.Interface, PublicKey: d.PublicKey, ListenPort: d.ListenPort, MTU: d.MTU, Up: true,
		Addresses: []netip.Prefix{d.Address}, Routes: d.Routes(), SampledAt: sampled}
	for _, p := range d.Peers {
		s.Peers = append(s.Peers, mesh.PeerState{PublicKey: p.PublicKey, Endpoint: p.Endpoint, AllowedIPs: p.AllowedIPs,
			PersistentKeepalive: p.PersistentKeepalive, LastHandshake: sampled.Add(-time.Minute)})
	}
	return s
}

func testDevice(t testing.TB) mesh.Device {
	t.Helper()
	network, gateways := testNetwork(t, 3)
	layout, err := mesh.Plan(network, gateways)
	if err != nil {
		t.Fatal(err)
	}
	d, _ := layout.Device("dc1", "dc1-1")
	return d
}

func TestDrift(t *testing.T) {
	elsewhere, err := geored.ParseEndpoint("198.51.100.9:4242")
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		spoil func(*mesh.DeviceState)
		want  string // zero: no drift
	}{
		"as it should be": {func(*mesh.DeviceState) {}, ""},
		"other key":       {func(s *mesh.DeviceState) { s.PublicKey = testKey(t, 9).Public() }, "publicKey is " + testKey(t, 9).Public().String() + " instead of"},
		"no key":          {func(s *mesh.DeviceState) { s.PublicKey = mesh.PublicKey{} }, "publicKey is missing"},
		"port":            {func(s *mesh.DeviceState) { s.ListenPort = 1 }, "listenPort is 1 instead of 51820"},
		"mtu":             {func(s *mesh.DeviceState) { s.MTU = 1500 }, "mtu is 1500 instead of 1420"},
		"down":            {func(s *mesh.DeviceState) { s.Up = false }, "link is down instead of up"},
		"no address":      {func(s *mesh.DeviceState) { s.Addresses = nil }, "addresses is missing: 10.170.0.1/32"},
		"no route":        {func(s *mesh.DeviceState) { s.Routes = s.Routes[1:] }, "routes is"},
		"prefix lost": {func(s *mesh.DeviceState) { s.Peers[0].AllowedIPs = s.Peers[0].AllowedIPs[:1] },
			"peer dc2/dc2-1: allowedIPs is 10.91.0.0/16 instead of 10.131.0.0/16,10.171.0.1/32,10.91.0.0/16"},
		"all prefixes lost": {func(s *mesh.DeviceState) { s.Peers[0].AllowedIPs = nil }, "peer dc2/dc2-1: allowedIPs is missing"},
		"no keepalive":      {func(s *mesh.DeviceState) { s.Peers[1].PersistentKeepalive = 0 }, "peer dc3/dc3-1: persistentKeepalive is 0s instead of 10s"},
		"peer missing":      {func(s *mesh.DeviceState) { s.Peers = s.Peers[1:] }, "peer dc2/dc2-1: publicKey is missing"},
		"peer too many": {func(s *mesh.DeviceState) {
			s.Peers = append(s.Peers, mesh.PeerState{PublicKey: testKey(t, 9).Public()})
		}, "and should not be"},
		"no endpoint": {func(s *mesh.DeviceState) { s.Peers[0].Endpoint = geored.Endpoint{} }, "peer dc2/dc2-1: endpoint is missing"},
		"roamed":      {func(s *mesh.DeviceState) { s.Peers[0].Endpoint = elsewhere }, ""},
		"wrong endpoint, stale": {func(s *mesh.DeviceState) {
			s.Peers[0].Endpoint, s.Peers[0].LastHandshake = elsewhere, sampled.Add(-time.Hour)
		}, "endpoint is 198.51.100.9:4242 instead of 192.0.2.2:51820"},
		"wrong endpoint, never": {func(s *mesh.DeviceState) { s.Peers[0].Endpoint, s.Peers[0].LastHandshake = elsewhere, time.Time{} }, "endpoint is 198.51.100.9:4242"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d := testDevice(t)
			state := stateOf(d)
			c.spoil(&state)
			drift := d.Drift(state)
			switch {
			case c.want == "" && len(drift) > 0:
				t.Errorf("drift %v", drift)
			case c.want != "" && (len(drift) != 1 || !strings.Contains(fmt.Sprint(drift[0]), c.want)):
				t.Errorf("drift %v, want one that says %q", drift, c.want)
			}
		})
	}
}

func TestDriftFindings(t *testing.T) {
	network, gateways := testNetwork(t, 3)
	layout, err := mesh.Plan(network, gateways)
	if err != nil {
		t.Fatal(err)
	}
	targets := []geored.Target{{Site: "dc1", Name: "dc1-1"}, {Site: "dc2", Name: "dc2-1"}, {Site: "dc3", Name: "dc3-1"}, {Site: "dc4", Name: "dc4-1"}}
	answers := geored.Ask(t.Context(), targets, func(_ context.Context, target geored.Target) (mesh.DeviceState, error) {
		d, _ := layout.Device(target.Site, target.Name)
		s := stateOf(d)
		switch target.Site {
		case "dc2":
			s.MTU, s.Up = 1500, false
		case "dc3":
			return s, errors.New("permission denied")
		}
		return s, nil
	})
	findings := mesh.DriftFindings(layout, answers)
	for i, want := range []geored.Verdict{geored.Pass, geored.Fail, geored.Unknown, geored.Unknown} {
		if findings[i].Verdict != want {
			t.Errorf("%s is %s: %s", targets[i], findings[i].Verdict, findings[i].Message)
		}
	}
	if f := findings[1]; len(f.Evidence) != 2 || !strings.Contains(f.Message, "mtu is 1500 instead of 1420") {
		t.Errorf("%+v", f)
	}
}

// What WireGuard would mask and merge is no drift.
func TestDriftComparesWhatIsMeant(t *testing.T) {
	d := testDevice(t)
	state := stateOf(d)
	first := d.Peers[0].AllowedIPs[0]
	d.Peers[0].AllowedIPs = append([]netip.Prefix{netip.PrefixFrom(first.Addr().Next(), first.Bits()), first}, d.Peers[0].AllowedIPs...)
	if drift := d.Drift(state); len(drift) > 0 {
		t.Errorf("drift %v", drift)
	}
}
