package mesh_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/geored"
)

func TestWriteWGQuick(t *testing.T) {
	d := testDevice(t)
	d.Peers = d.Peers[:2]
	d.Peers[1].Endpoint, d.Peers[1].PersistentKeepalive = geored.Endpoint{}, 0
	var b strings.Builder
	if err := d.WriteWGQuick(&b, "/etc/wireguard/it's wg0.key"); err != nil {
		t.Fatal(err)
	}
	want := `# dc1-1 of site dc1
[Interface]
Address = 10.170.0.1/32
ListenPort = 51820
MTU = 1420
PostUp = wg set %i private-key '/etc/wireguard/it'\''s wg0.key'

# dc2-1 of site dc2
[Peer]
PublicKey = ` + d.Peers[0].PublicKey.String() + `
Endpoint = 192.0.2.2:51820
AllowedIPs = 10.91.0.0/16, 10.131.0.0/16, 10.171.0.1/32
PersistentKeepalive = 10

# dc3-1 of site dc3
[Peer]
PublicKey = ` + d.Peers[1].PublicKey.String() + `
AllowedIPs = 10.92.0.0/16, 10.132.0.0/16, 10.172.0.1/32
`
	if b.String() != want {
		t.Errorf("%s\nwant\n%s", b.String(), want)
	}
	if err := d.WriteWGQuick(full{}, "k"); !errors.Is(err, errFull) {
		t.Errorf("on a full disk: %v", err)
	}
}

var errFull = errors.New("no space left on device")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }
