package mesh

import (
	"strconv"
	"strings"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// SiteFile is the written form of a [Site]: that of the core and two keys more. Programs with more to say of a site
// write a struct of their own with it inline.
type SiteFile struct {
	geored.SiteFile `yaml:",inline"`
	WireGuardCIDR   string `yaml:"wireguardCIDR,omitempty" json:"wireguardCIDR,omitempty"`
	Gateway         string `yaml:"gateway,omitempty" json:"gateway,omitempty"`
}

// Site reads the values of the file. What cannot be read stays zero in the site and is a fault; whether the values fit
// together is for [Network.Validate] to say.
func (f SiteFile) Site() (Site, geored.Faults) {
	core, faults := f.SiteFile.Site()
	read := geored.Reader{Site: core.Name}
	site := Site{Site: core, Gateway: f.Gateway, WireGuardCIDR: read.Prefix("wireguardCIDR", f.WireGuardCIDR)}
	return site, append(faults, read.Faults...)
}

// NetworkFile is the written form of a [Network].
type NetworkFile struct {
	Sites               []SiteFile `yaml:"sites" json:"sites"`
	Interface           string     `yaml:"interface,omitempty" json:"interface,omitempty"`
	ListenPort          string     `yaml:"listenPort,omitempty" json:"listenPort,omitempty"`
	MTU                 string     `yaml:"mtu,omitempty" json:"mtu,omitempty"`
	PersistentKeepalive string     `yaml:"persistentKeepalive,omitempty" json:"persistentKeepalive,omitempty"` // as Go writes durations: "25s"
}

// ParseNetwork reads and validates a network in strict YAML or JSON. The error is [geored.Faults]: all of them at once.
func ParseNetwork(data []byte) (Network, error) {
	var file NetworkFile
	faults := geored.Decode(data, &file)
	network, more := file.Network()
	if faults = append(faults, more...); len(network.Sites) > 0 || len(faults) == 0 {
		faults = append(faults, unread(network.Faults(), more)...)
	}
	if err := faults.Err(); err != nil {
		return Network{}, err
	}
	return network, nil
}

// Network reads the values of the file, as [SiteFile.Site] does.
func (f NetworkFile) Network() (Network, geored.Faults) {
	var faults geored.Faults
	n := Network{Interface: f.Interface}
	for _, file := range f.Sites {
		site, more := file.Site()
		n.Sites, faults = append(n.Sites, site), append(faults, more...)
	}
	number := func(field, value string, bits int) int {
		if value == "" {
			return 0
		}
		i, err := strconv.ParseUint(value, 10, bits)
		if err != nil || i == 0 {
			faults = append(faults, geored.Fault{Field: field, Value: value, Problem: "is not a number in 1 to " + strconv.Itoa(1<<bits-1)})
		}
		return int(i)
	}
	n.ListenPort = uint16(number("listenPort", f.ListenPort, 16))
	n.MTU = number("mtu", f.MTU, 16)
	if f.PersistentKeepalive != "" {
		d, err := time.ParseDuration(f.PersistentKeepalive)
		if err != nil {
			faults = append(faults, geored.Fault{Field: "persistentKeepalive", Value: f.PersistentKeepalive, Problem: "is not a duration", Remedy: "write it with its unit, such as 10s"})
		} else if d == 0 {
			faults = append(faults, geored.Fault{Field: "persistentKeepalive", Value: f.PersistentKeepalive, Problem: "cannot be off: behind a NAT the tunnel would fall silent", Remedy: "leave it out for 10s, or name one of 1s to 65535s"})
		}
		n.PersistentKeepalive = d
	}
	return n, faults
}

// unread drops "is missing" of what was there and could not be read: that was told already.
func unread(faults, told geored.Faults) geored.Faults {
	known := map[string]bool{}
	for _, f := range told {
		known[string(f.Site)+" "+f.Field] = true
	}
	var rest geored.Faults
	for _, f := range faults {
		if !strings.HasPrefix(f.Problem, "is missing") || !known[string(f.Site)+" "+f.Field] {
			rest = append(rest, f)
		}
	}
	return rest
}
