package gateway_test

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/gateway"
)

func key(t testing.TB, seed string) mesh.PublicKey {
	t.Helper()
	private, err := mesh.NewPrivateKey(strings.NewReader(strings.Repeat(seed, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return private.Public()
}

func config(t testing.TB) gateway.Config {
	return gateway.Config{
		Node: "dc1-1", InternalIPs: []netip.Addr{netip.MustParseAddr("10.99.1.1")},
		Device: mesh.Device{Site: "dc1", Node: "dc1-1", Interface: "wg0", PublicKey: key(t, "1"), ListenPort: 51820, MTU: 1420,
			Address: netip.MustParsePrefix("10.80.0.1/32"),
			Peers:   []mesh.Peer{{Site: "dc2", Node: "dc2-1", PublicKey: key(t, "2"), AllowedIPs: []netip.Prefix{netip.MustParsePrefix("10.120.0.0/16")}}}},
	}
}

func file(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gateway.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAConfigIsReadAsItWasWritten(t *testing.T) {
	text, err := json.Marshal(config(t))
	if err != nil {
		t.Fatal(err)
	}
	read, err := gateway.ReadConfig(file(t, string(text)))
	if err != nil || !reflect.DeepEqual(read, config(t)) {
		t.Errorf("%+v, %v", read, err)
	}
}

func TestFilesThatAreNoConfig(t *testing.T) {
	good, err := json.Marshal(config(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ text, want string }{
		"empty":             {"", "EOF"},
		"half":              {string(good[:len(good)/2]), "unexpected EOF"},
		"two":               {string(good) + string(good), "something stands behind"},
		"of a later age":    {strings.Replace(string(good), `"node"`, `"cipher":"new","node"`, 1), `unknown field "cipher"`},
		"a key that is not": {strings.Replace(string(good), key(t, "2").String(), "short", 1), "is not base64"},
		"nothing":           {"{}", "node: is missing"},
	} {
		path := file(t, c.text)
		if _, err := gateway.ReadConfig(path); err == nil || !strings.HasPrefix(err.Error(), path) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := gateway.ReadConfig("/no/such"); err == nil {
		t.Error("a file that is not there was read")
	}
}

func TestFaultyConfigsTellAllAtOnce(t *testing.T) {
	c := config(t)
	c.Node, c.InternalIPs = "", []netip.Addr{{}}
	c.Device.Interface, c.Device.ListenPort, c.Device.MTU, c.Device.PublicKey = "", 0, 0, mesh.PublicKey{}
	c.Device.Peers = append(c.Device.Peers, c.Device.Peers[0])
	faults, ok := geored.AsFaults(c.Validate())
	if !ok {
		t.Fatal(c.Validate())
	}
	for _, field := range []string{"node", "internalIPs[0]", "device.interface", "device.listenPort", "device.mtu", "device.publicKey", "peers[dc2/dc2-1].publicKey"} {
		found := false
		for _, f := range faults {
			found = found || f.Field == field && f.Site == "dc1"
		}
		if !found {
			t.Errorf("%s is not among %v", field, faults)
		}
	}
	alone := config(t)
	alone.Device.PublicKey, alone.Device.Peers = mesh.PublicKey{}, nil
	if err := alone.Validate(); err != nil {
		t.Errorf("without peers, any key will do: %v", err)
	}
}

func FuzzReadConfig(f *testing.F) {
	text, err := json.Marshal(config(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Add(`{"node":"x","device":{"peers":[{}]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := gateway.ReadConfig(file(t, text))
		if err != nil {
			return
		}
		again, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if read, err := gateway.ReadConfig(file(t, string(again))); err != nil || !reflect.DeepEqual(read, c) {
			t.Errorf("%+v became %+v, %v", c, read, err)
		}
	})
}
