package ice

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/georedkit/georedkit/geored"
)

// inventories reads Kubespray's files, one folder per site (ICE guide, 3.3.3).
func (l *linter) inventories() error {
	entries, err := fs.ReadDir(l.tree, "inventory")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var ranges []geored.Range
	addresses := map[string]string{}
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		site := geored.SiteName(entry.Name())
		folder := "inventory/" + entry.Name()
		l.known(site, folder)
		if err := l.inventory(site, folder, addresses); err != nil {
			return err
		}
		found, err := l.groupVars(site, folder)
		if err != nil {
			return err
		}
		ranges = append(ranges, found...)
	}
	for _, o := range geored.Overlaps(ranges) {
		l.fault(o.B.Site, o.B.Field, o.B.Prefix.String(), fmt.Sprintf("shares addresses with %s %s of site %s", o.A.Field, o.A.Prefix, o.A.Site), "give each its own addresses (ICE guide, 3.2)")
	}
	return err
}

// host is a line of an inventory.
type host struct {
	name      string
	variables map[string]string
}

// parseInventory reads the hosts of each section of an INI inventory.
func parseInventory(text []byte) map[string][]host {
	sections, section := map[string][]host{}, ""
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '[' && strings.HasSuffix(line, "]"):
			section = strings.Trim(line, "[]")
		default:
			fields := strings.Fields(line)
			h := host{fields[0], map[string]string{}}
			for _, field := range fields[1:] {
				if key, value, ok := strings.Cut(field, "="); ok {
					h.variables[key] = value
				}
			}
			sections[section] = append(sections[section], h)
		}
	}
	return sections
}

func (l *linter) inventory(site geored.SiteName, folder string, addresses map[string]string) error {
	file := folder + "/inventory.ini"
	text, err := fs.ReadFile(l.tree, file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	sections := parseInventory(text)
	listed := map[string]bool{}
	for _, h := range sections["all"] {
		listed[h.name] = true
		if !nodeName(h.name) {
			l.fault(site, file+": [all]", h.name, "is no name of a Kubernetes node", "use lower-case letters, digits and dashes")
		}
		if own, ok := l.site(site); ok && len(own.Nodes) > 0 && !hasNode(own.Nodes, h.name) {
			l.fault(site, file+": [all]", h.name, "is no node of the topology: the name in the inventory becomes the node's", "use one name in both")
		}
		ip := h.variables["ip"]
		if ip == "" {
			ip = h.variables["ansible_host"]
		}
		if other, twice := addresses[ip]; twice && ip != "" {
			l.fault(site, file+": [all]: "+h.name, ip, "is the address of "+other+" too", "give each machine its own")
		}
		addresses[ip] = fmt.Sprintf("%s of site %s", h.name, site)
	}
	for _, group := range slices.Sorted(maps.Keys(sections)) {
		if group == "all" || strings.Contains(group, ":") {
			continue
		}
		for _, h := range sections[group] {
			if !listed[h.name] {
				l.fault(site, file+": ["+group+"]", h.name, "is not among [all]", "list it there with its address")
			}
		}
	}
	return err
}

func nodeName(name string) bool {
	for label := range strings.SplitSeq(name, ".") {
		if !geored.SiteName(label).IsValid() {
			return false
		}
	}
	return true
}

// groupVars holds the required options against the guide's table and the topology (ICE guide, 3.3.3.2.2).
func (l *linter) groupVars(site geored.SiteName, folder string) ([]geored.Range, error) {
	vars, files := map[string]string{}, map[string]string{}
	for _, group := range []string{"k8s-cluster", "k8s_cluster"} {
		at := folder + "/group_vars/" + group
		texts, err := l.files(at)
		if err != nil {
			return nil, err
		}
		for _, name := range slices.Sorted(maps.Keys(texts)) {
			var table map[string]any
			if err := yaml.UnmarshalStrict(texts[name], &table); err != nil {
				l.fault(site, at+"/"+name, "", "cannot be read: "+err.Error(), "correct it")
			}
			for key, value := range table {
				vars[key], files[key] = fmt.Sprint(value), at+"/"+name
			}
		}
	}
	if len(vars) == 0 {
		return nil, nil
	}
	own, known := l.site(site)
	wanted := map[string]string{"kube_network_plugin": "flannel", "flannel_backend_type": "host-gw"}
	if known {
		wanted["kube_service_addresses"], wanted["kube_pods_subnet"], wanted["skydns_server"] = own.Services[0].String(), own.Pods[0].String(), own.DNSIP.String()
	}
	for _, key := range slices.Sorted(maps.Keys(wanted)) {
		if vars[key] != wanted[key] {
			at := files[key]
			if at == "" {
				at = folder + "/group_vars"
			}
			l.fault(site, at+": "+key, vars[key], "is not "+wanted[key], "write that (ICE guide, 3.3.3.2.2)")
		}
	}
	return l.varRanges(site, vars, files), nil
}

func (l *linter) varRanges(site geored.SiteName, vars, files map[string]string) []geored.Range {
	var ranges []geored.Range
	for _, key := range []string{"kube_pods_subnet", "kube_service_addresses"} {
		p, err := netip.ParsePrefix(vars[key])
		switch {
		case err == nil:
			ranges = append(ranges, geored.Range{Site: site, Field: files[key] + ": " + key, Prefix: p})
		case vars[key] != "":
			l.fault(site, files[key]+": "+key, vars[key], "is not an address range", "write address/bits")
		}
	}
	services, err := netip.ParsePrefix(vars["kube_service_addresses"])
	dns, dnsErr := netip.ParseAddr(vars["skydns_server"])
	if err == nil && dnsErr == nil && !services.Contains(dns) {
		l.fault(site, files["skydns_server"]+": skydns_server", dns.String(), "lies outside kube_service_addresses "+services.String(), "take an address of that range")
	}
	return ranges
}
