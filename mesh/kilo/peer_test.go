package kilo_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh/kilo"
)

func TestPeers(t *testing.T) {
	_, layout := guide(t)
	d, _ := layout.Device("dc1", "")
	name, err := geored.ParseEndpoint("gw.example.org:51820")
	must(t, name, err)
	d.Peers = append(d.Peers, d.Peers[0])
	d.Peers[1].Endpoint, d.Peers[1].Node = name, "dc3-1"
	peers := kilo.Peers(d)
	data, err := json.Marshal(peers[0])
	must(t, data, err)
	want := `{"apiVersion":"kilo.squat.ai/v1alpha1","kind":"Peer","metadata":{"name":"dc2-1"},"spec":{"allowedIPs":["10.110.0.1/32","10.120.0.0/16","10.130.0.0/16"],` +
		`"endpoint":{"dnsOrIP":{"ip":"192.168.1.106"},"port":51820},"publicKey":"` + d.Peers[0].PublicKey.String() + `","persistentKeepalive":10}}`
	if string(data) != want {
		t.Errorf("%s\nwant\n%s", data, want)
	}
	if got := peers[1].Spec.Endpoint.DNSOrIP; got.DNS != "gw.example.org" || got.IP != "" {
		t.Errorf("a name as endpoint is %+v", got)
	}
	for _, p := range peers {
		if faults := p.Faults("dc1", "peers"); len(faults) > 0 {
			t.Error(faults)
		}
	}
	back, err := kilo.ParsePeer(data)
	if err != nil || !reflect.DeepEqual(back, peers[0]) {
		t.Errorf("read back as %+v, %v", back, err)
	}
}

func TestParsePeerRefusesOthers(t *testing.T) {
	for _, text := range []string{"", "{", `{"apiVersion":"v1","kind":"Pod"}`, `{"apiVersion":"kilo.squat.ai/v1alpha1","kind":"Peer","spec":{"publicKey":7}}`} {
		if _, err := kilo.ParsePeer([]byte(text)); err == nil {
			t.Errorf("%q is read as a peer", text)
		}
	}
}

func TestPeerFaults(t *testing.T) {
	cases := map[string]struct {
		spoil func(*kilo.Peer)
		words []string
	}{
		"guide l.140: dc2_1": {func(p *kilo.Peer) { p.Metadata.Name = "dc2_1" }, []string{"peers[dc2_1].name", "no name for a Kubernetes object"}},
		"no prefixes":        {func(p *kilo.Peer) { p.Spec.AllowedIPs = nil }, []string{"allowedIPs", "is empty"}},
		"bare address":       {func(p *kilo.Peer) { p.Spec.AllowedIPs[0] = "10.110.0.1" }, []string{"10.110.0.1: is not an address range"}},
		"host bits":          {func(p *kilo.Peer) { p.Spec.AllowedIPs[0] = "10.120.0.5/16" }, []string{"10.120.0.5/16: has host bits", "write 10.120.0.0/16"}},
		"default route":      {func(p *kilo.Peer) { p.Spec.AllowedIPs[0] = "0.0.0.0/0" }, []string{"every address there is"}},
		"endpoint inside":    {func(p *kilo.Peer) { p.Spec.AllowedIPs[0] = "192.168.1.106/32" }, []string{"endpoint 192.168.1.106:51820: lies inside its own allowedIPs"}},
		"no address":         {func(p *kilo.Peer) { p.Spec.Endpoint.DNSOrIP.IP = "dc2-1" }, []string{`"dc2-1" is not an IP address`}},
		"no port":            {func(p *kilo.Peer) { p.Spec.Endpoint.Port = 0 }, []string{"port 0"}},
		"bad name":           {func(p *kilo.Peer) { p.Spec.Endpoint.DNSOrIP = kilo.DNSOrIP{DNS: "dc2_1"} }, []string{"endpoint", "dc2_1"}},
		"both":               {func(p *kilo.Peer) { p.Spec.Endpoint.DNSOrIP.DNS = "gw.example.org" }, []string{"a name and an address"}},
		"guide l.403: placeholder": {func(p *kilo.Peer) { p.Spec.PublicKey = "___PUBLIC_KEY_OF_KILO0_INTERFACE_ON_DC2___" },
			[]string{"is a placeholder"}},
		"key":                    {func(p *kilo.Peer) { p.Spec.PublicKey = "AAAA" }, []string{"publicKey AAAA: has 3 bytes"}},
		"keepalive":              {func(p *kilo.Peer) { p.Spec.PersistentKeepalive = -1 }, []string{"0 to 65535"}},
		"keepalive in ns, kgctl": {func(p *kilo.Peer) { p.Spec.PersistentKeepalive = 10_000_000_000 }, []string{"persistentKeepalive 10000000000"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, layout := guide(t)
			d, _ := layout.Device("dc1", "")
			p := kilo.Peers(d)[0]
			c.spoil(&p)
			faults := p.Faults("dc1", "peers")
			wantFault(t, faults, append(c.words, "site dc1: peers[")...)
			if len(faults) != 1 {
				t.Errorf("%d faults: %v", len(faults), faults)
			}
		})
	}
}

// peer is one that claims prefixes, with a key of its own.
func peer(name string, prefixes ...string) kilo.Peer {
	return kilo.Peer{Metadata: kilo.Metadata{Name: name}, Spec: kilo.PeerSpec{PublicKey: "key of " + name, AllowedIPs: prefixes}}
}

func TestLosses(t *testing.T) {
	cases := map[string]struct {
		peers []kilo.Peer
		want  []string // loser prefix winner
	}{
		"none": {[]kilo.Peer{peer("dc2-1", "10.120.0.0/24", "10.130.0.0/16"), peer("dc2-2", "10.120.1.0/24")}, nil},
		"guide l.456: services on all": {[]kilo.Peer{peer("dc2-2", "10.130.0.0/16"), peer("dc2-10", "10.130.0.0/16"), peer("dc2-1", "10.130.0.0/16")},
			[]string{"dc2-10 10.130.0.0/16 dc2-1", "dc2-2 10.130.0.0/16 dc2-1"}},
		"written differently": {[]kilo.Peer{peer("a", "10.120.0.0/16"), peer("b", "10.120.0.5/16")}, []string{"a 10.120.0.0/16 b"}},
		"guide l.393: the whole range": {[]kilo.Peer{peer("dc2-1", "10.120.0.0/16"), peer("dc2-2", "10.120.1.0/24")},
			[]string{"dc2-1 10.120.0.0/16 dc2-2"}},
		"inside its own": {[]kilo.Peer{peer("a", "10.120.0.0/16", "10.120.1.0/24")}, nil},
		"one key": {[]kilo.Peer{{Metadata: kilo.Metadata{Name: "a"}, Spec: kilo.PeerSpec{PublicKey: "k"}}, {Metadata: kilo.Metadata{Name: "b"}, Spec: kilo.PeerSpec{PublicKey: "k"}}},
			[]string{"b  a"}},
		"unreadable": {[]kilo.Peer{peer("a", "x"), peer("b", "x")}, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, l := range kilo.Losses(c.peers) {
				got = append(got, strings.Join([]string{l.Peer, l.Prefix, l.To}, " "))
				if l.Why == "" {
					t.Error("does not say why")
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func FuzzParsePeer(f *testing.F) {
	f.Add([]byte(`{"apiVersion":"kilo.squat.ai/v1alpha1","kind":"Peer","metadata":{"name":"a"},"spec":{"allowedIPs":["10.0.0.0/8"],"publicKey":"x","endpoint":{"dnsOrIP":{"ip":"::1"},"port":1}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := kilo.ParsePeer(data)
		if err != nil {
			return
		}
		if len(p.Faults("dc1", "peers")) == 0 && len(kilo.Losses([]kilo.Peer{p, p})) == 0 {
			t.Error("one key twice, and nobody loses")
		}
	})
}
