package dnstest

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/georedkit/georedkit/dnsfed"
	"github.com/georedkit/georedkit/geored"
)

// zone is what the API of one site holds: records by name, in lower case and with the last dot.
type zone map[string][]dnsmessage.ResourceBody

// zoneOf is the zone of one site.
func zoneOf(site geored.SiteName, domain string, ignoreEmpty bool, services []dnsfed.Service) (zone, error) {
	z := zone{}
	for _, s := range services {
		if s.Site != site {
			continue
		}
		name := s.Name + "." + s.Namespace + ".svc." + domain + "."
		var err error
		switch {
		case len(s.Addresses) == 0:
			err = z.headless(name, s)
		case ignoreEmpty && len(s.Endpoints) == 0:
		default:
			err = z.clusterIP(name, s)
		}
		if err != nil {
			return nil, fmt.Errorf("site %s: service %s: %w", site, name, err)
		}
	}
	return z, nil
}

func (z zone) clusterIP(name string, s dnsfed.Service) error {
	for _, a := range s.Addresses {
		if err := z.address(name, a, name); err != nil {
			return err
		}
	}
	return z.srv(name, name, s.Ports)
}

func (z zone) headless(name string, s dnsfed.Service) error {
	for _, e := range s.Endpoints {
		host := e.Hostname
		if host == "" {
			host = strings.NewReplacer(".", "-", ":", "-").Replace(e.Address.String())
		}
		host += "." + name
		z[name] = append(z[name], body(e.Address))
		if err := z.address(host, e.Address, host); err != nil {
			return err
		}
		ports := e.Ports
		if len(ports) == 0 {
			ports = s.Ports
		}
		if err := z.srv(name, host, ports); err != nil {
			return err
		}
	}
	return nil
}

// address adds a name's address and the way back.
func (z zone) address(name string, a netip.Addr, back string) error {
	pointer, err := dnsmessage.NewName(back)
	if err != nil {
		return err
	}
	z[name] = append(z[name], body(a))
	z[arpa(a)] = append(z[arpa(a)], &dnsmessage.PTRResource{PTR: pointer})
	return nil
}

func (z zone) srv(name, target string, ports []dnsfed.Port) error {
	to, err := dnsmessage.NewName(target)
	if err != nil {
		return err
	}
	for _, p := range ports {
		protocol := strings.ToLower(p.Protocol)
		if protocol == "" {
			protocol = "tcp"
		}
		key := "_" + p.Name + "._" + protocol + "." + name
		z[key] = append(z[key], &dnsmessage.SRVResource{Weight: 100, Port: p.Number, Target: to})
	}
	return nil
}

func body(a netip.Addr) dnsmessage.ResourceBody {
	if a.Is4() {
		return &dnsmessage.AResource{A: a.As4()}
	}
	return &dnsmessage.AAAAResource{AAAA: a.As16()}
}

func arpa(a netip.Addr) string {
	var b strings.Builder
	raw := a.AsSlice()
	for i := len(raw) - 1; i >= 0; i-- {
		if a.Is4() {
			b.WriteString(strconv.Itoa(int(raw[i])) + ".")
		} else {
			fmt.Fprintf(&b, "%x.%x.", raw[i]&15, raw[i]>>4)
		}
	}
	if a.Is4() {
		return b.String() + "in-addr.arpa."
	}
	return b.String() + "ip6.arpa."
}
