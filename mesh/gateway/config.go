// Package gateway carries a site's traffic to the other sites over WireGuard: an agent on every node of the site, which
// on one of them, the gateway, keeps the WireGuard interface, and on the others the routes to it. Package mesh/kube runs
// it as a DaemonSet.
//
// The private key is made on the gateway and never leaves it. Everything else stands in a [Config], which holds no
// secret.
package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/georedkit/georedkit/mesh"
)

// Config is what the agents of one site are to bring about.
type Config struct {
	Node        string       `json:"node"`        // the gateway
	InternalIPs []netip.Addr `json:"internalIPs"` // where the other nodes of the site reach it: one per address family, on their own network
	// Device is the wanted interface. Without a public key it is brought up with whatever key the node has.
	Device mesh.Device `json:"device"`
}

// ReadConfig reads and validates the file of a config.
func ReadConfig(path string) (Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Config{}, err
	}
	var c Config
	if err := json.Unmarshal(text, &c); err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	if err := c.Validate(); err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// Validate reports what the agents cannot work with.
func (c Config) Validate() error {
	var errs []error
	if c.Node == "" {
		errs = append(errs, errors.New("node: is missing"))
	}
	if c.Device.Interface == "" {
		errs = append(errs, errors.New("device.interface: is missing"))
	}
	return errors.Join(append(errs, c.Device.Validate())...)
}
