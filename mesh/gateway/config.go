// Package gateway carries a site's traffic to the other sites over WireGuard: an agent on every node of the site, which
// on one of them, the gateway, keeps the WireGuard interface, and on the others the routes to it. Package mesh/kube runs
// it as a DaemonSet.
//
// The private key is made on the gateway and never leaves it. Everything else stands in a [Config], which holds no
// secret.
package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
)

// Config is what the agents of one site are to bring about.
type Config struct {
	Node        string       `json:"node"`        // the gateway
	InternalIPs []netip.Addr `json:"internalIPs"` // where the other nodes of the site reach it: one per address family, on their own network
	// Device is the wanted interface. Without a public key, which only one without peers may lack, it is brought up with
	// whatever key the node has.
	Device mesh.Device `json:"device"`
}

// ReadConfig reads and validates the file of a config.
func ReadConfig(path string) (Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Config{}, err
	}
	c, err := ParseConfig(text)
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// ParseConfig reads and validates the text of a config.
func ParseConfig(text []byte) (Config, error) {
	c, err := decode(text)
	if err != nil {
		return Config{}, err
	}
	return c, c.Validate()
}

// decode is strict: an agent that is older than who wrote the config must not leave out half of it.
func decode(text []byte) (Config, error) {
	var c Config
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		return Config{}, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Config{}, errors.New("something stands behind the config")
	}
	return c, nil
}

// Validate reports what the agents cannot work with, as geored.Faults.
func (c Config) Validate() error {
	var faults geored.Faults
	missing := func(field string, is bool) {
		if is {
			faults = append(faults, geored.Fault{Site: c.Device.Site, Field: field, Problem: "is missing"})
		}
	}
	missing("node", c.Node == "")
	missing("device.interface", c.Device.Interface == "")
	missing("device.listenPort", c.Device.ListenPort == 0)
	missing("device.mtu", c.Device.MTU <= 0)
	missing("device.publicKey", c.Device.PublicKey.IsZero() && len(c.Device.Peers) > 0)
	for i, ip := range c.InternalIPs {
		missing(fmt.Sprintf("internalIPs[%d]", i), !ip.IsValid())
	}
	more, _ := geored.AsFaults(c.Device.Validate())
	return append(faults, more...).Err()
}
