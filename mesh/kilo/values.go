package kilo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
)

// Values are the values of the chart that installs Kilo, as the guide's section 4.2 writes them.
type Values struct {
	Config Config `json:"config" yaml:"config"`
}

// Config is the chart's part for the mesh.
type Config struct {
	Multidatacenter Multidatacenter `json:"multidatacenter" yaml:"multidatacenter"`
	EnablePeers     bool            `json:"enablePeers,omitempty" yaml:"enablePeers,omitempty"` // the guide sets it on the command line
	Peers           []ValuesPeer    `json:"peers" yaml:"peers"`
}

// Multidatacenter holds the range that Kilo gives its WireGuard addresses from.
type Multidatacenter struct {
	WGCIDR string `json:"wgCIDR" yaml:"wgCIDR"`
}

// ValuesPeer is a peer as the chart takes it. Its endpoint is an address: the chart knows no names.
type ValuesPeer struct {
	Name                string         `json:"name" yaml:"name"`
	AllowedIPs          []string       `json:"allowedIPs" yaml:"allowedIPs"`
	Endpoint            ValuesEndpoint `json:"endpoint" yaml:"endpoint"`
	PublicKey           string         `json:"publicKey" yaml:"publicKey"`
	PersistentKeepalive int            `json:"persistentKeepalive,omitempty" yaml:"persistentKeepalive,omitempty"`
}

// ValuesEndpoint is where a [ValuesPeer] is reached.
type ValuesEndpoint struct {
	IP   string `json:"ip" yaml:"ip"`
	Port int    `json:"port" yaml:"port"`
}

// peer is the object that the chart makes of the values.
func (v ValuesPeer) peer() Peer {
	return Peer{APIVersion, PeerKind, Metadata{Name: v.Name}, PeerSpec{AllowedIPs: v.AllowedIPs, PublicKey: v.PublicKey,
		Endpoint: &PeerEndpoint{DNSOrIP{IP: v.Endpoint.IP}, v.Endpoint.Port}, PersistentKeepalive: v.PersistentKeepalive}}
}

// FileName is the guide's name for a site's values: part 1 installs Kilo, part 2 adds the peers.
func FileName(site geored.SiteName, part int) string {
	return fmt.Sprintf("kilo_%s_part%d.json", site, part)
}

// Part1 are the values with which Kilo is installed at a site, before there is any key to know.
func Part1(site mesh.Site) Values {
	return Values{Config{Multidatacenter: Multidatacenter{site.WireGuardCIDR.String()}, Peers: []ValuesPeer{}}}
}

// Part2 are the values that add the peers of a device, which is the site's one or any of its nodes'. The error names
// peers whose endpoint is not an address: the chart cannot hold them.
func Part2(site mesh.Site, d mesh.Device) (Values, error) {
	v := Part1(site)
	var faults geored.Faults
	for _, p := range d.Peers {
		if !p.Endpoint.Addr().IsValid() {
			faults = append(faults, geored.Fault{Site: site.Name, Field: fmt.Sprintf("peers[%s].endpoint", p.Node), Value: p.Endpoint.String(),
				Problem: "is not an address, and the chart takes nothing else", Remedy: "annotate the node with its address"})
		}
		v.Config.Peers = append(v.Config.Peers, ValuesPeer{Name: p.Node, AllowedIPs: texts(p.AllowedIPs), PublicKey: p.PublicKey.String(),
			Endpoint: ValuesEndpoint{p.Endpoint.Host(), int(p.Endpoint.Port())}, PersistentKeepalive: int(p.PersistentKeepalive / time.Second)})
	}
	return v, faults.Err()
}

// JSON writes the values as the guide's files are written.
func (v Values) JSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return b.Bytes(), err
}

// Files are both parts of every site, by [FileName].
func Files(n mesh.Network, l mesh.Layout) (map[string][]byte, error) {
	files := map[string][]byte{}
	var faults geored.Faults
	for _, site := range n.Sites {
		d, ok := l.Device(site.Name, site.Gateway)
		if !ok {
			d, ok = l.Device(site.Name, "")
		}
		if !ok {
			faults = append(faults, geored.Fault{Site: site.Name, Field: "layout", Problem: "has no device of the site", Remedy: "plan it with all sites"})
			continue
		}
		second, err := Part2(site, d)
		more, _ := geored.AsFaults(err)
		faults = append(faults, more...)
		for part, values := range map[int]Values{1: Part1(site), 2: second} {
			data, err := values.JSON()
			if err != nil {
				return nil, fmt.Errorf("site %s: write %s: %w", site.Name, FileName(site.Name, part), err)
			}
			files[FileName(site.Name, part)] = data
		}
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return files, nil
}

// ParseValues reads a values file strictly, in JSON or YAML as Helm does: all that cannot be read is told at once.
func ParseValues(data []byte) (Values, geored.Faults) {
	var v Values
	faults := geored.Decode(data, &v)
	return v, faults
}
