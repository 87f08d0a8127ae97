package kilo_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/mesh/kilo"
)

func TestDrift(t *testing.T) {
	cases := map[string]struct {
		spoil func([]kilo.Peer) []kilo.Peer
		want  string // zero: none
	}{
		"as it should be": {func(p []kilo.Peer) []kilo.Peer { slices.Reverse(p[0].Spec.AllowedIPs); return p }, ""},
		"missing":         {func([]kilo.Peer) []kilo.Peer { return nil }, "peer dc2-1: object is missing: peers/dc2-1"},
		"another's":       {func(p []kilo.Peer) []kilo.Peer { return append(p, peer("laptop", "10.7.0.1/32")) }, "peer laptop: object is peers/laptop and should not be"},
		"key":             {func(p []kilo.Peer) []kilo.Peer { p[0].Spec.PublicKey = sampleKey; return p }, "peer dc2-1: publicKey is " + sampleKey + " instead of"},
		"endpoint":        {func(p []kilo.Peer) []kilo.Peer { p[0].Spec.Endpoint = nil; return p }, "endpoint is missing: 192.168.1.106:51820"},
		"prefixes": {func(p []kilo.Peer) []kilo.Peer { p[0].Spec.AllowedIPs = p[0].Spec.AllowedIPs[:1]; return p },
			"allowedIPs is 10.110.0.1/32 instead of 10.110.0.1/32,10.120.0.0/16,10.130.0.0/16"},
		"keepalive": {func(p []kilo.Peer) []kilo.Peer { p[0].Spec.PersistentKeepalive = 0; return p }, "persistentKeepalive is 0 instead of 10"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, layout := guide(t)
			d, _ := layout.Device("dc1", "")
			drift := kilo.Drift(d, c.spoil(kilo.Peers(d)))
			switch {
			case c.want == "" && len(drift) > 0:
				t.Errorf("drift %v", drift)
			case c.want != "" && (len(drift) != 1 || !strings.Contains(fmt.Sprint(drift[0]), c.want)):
				t.Errorf("drift %v, want one that says %q", drift, c.want)
			}
		})
	}
}
