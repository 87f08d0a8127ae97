package address_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/internal/lab/address"
)

func names(count int) []string {
	var all []string
	for i := range count {
		all = append(all, fmt.Sprintf("dc%d", i+1))
	}
	return all
}

func TestPlanOfTwoSites(t *testing.T) {
	sites, err := address.Plan(names(2), 2)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%+v", sites[1])
	want := "{Name:dc2 Number:2 WireGuard:10.110.0.0/16 Pods:10.120.0.0/16 Services:10.130.0.0/16 DNS:10.130.0.10 APIServer:10.130.0.1 Nodes:[" +
		"{Name:dc2-1 Number:1 LAN:10.99.2.1 WAN:10.98.2.1 Pods:10.120.0.0/24} " +
		"{Name:dc2-2 Number:2 LAN:10.99.2.2 WAN:10.98.2.2 Pods:10.120.1.0/24}] Further:[]}"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if endpoint := sites[0].Nodes[0].Endpoint().String(); endpoint != "10.98.1.1:51820" {
		t.Errorf("endpoint %s", endpoint)
	}
}

func TestAPIServersOfASite(t *testing.T) {
	sites, err := address.Plan(names(2), 2)
	if err != nil {
		t.Fatal(err)
	}
	for count, want := range map[int]string{1: "[]", 2: "[10.99.2.101]", 3: "[10.99.2.101 10.99.2.102]"} {
		if site, err := sites[1].WithAPIServers(count); err != nil || fmt.Sprint(site.Further) != want {
			t.Errorf("%d: %v, %v", count, site.Further, err)
		}
	}
	for _, count := range []int{0, 4} {
		if _, err := sites[1].WithAPIServers(count); err == nil {
			t.Errorf("%d API servers are accepted", count)
		}
	}
}

// Whatever the number of sites, no range holds an address of another one.
func TestPlanNeverOverlaps(t *testing.T) {
	sites, err := address.Plan(names(address.MaxSites), address.MaxNodes)
	if err != nil {
		t.Fatal(err)
	}
	ranges := []netip.Prefix{netip.MustParsePrefix("10.98.0.0/16"), netip.MustParsePrefix("10.99.0.0/16")}
	for _, site := range sites {
		ranges = append(ranges, site.WireGuard, site.Pods, site.Services)
		if !site.Services.Contains(site.DNS) || !site.Services.Contains(site.APIServer) {
			t.Errorf("%s: %s and %s are not in %s", site.Name, site.DNS, site.APIServer, site.Services)
		}
		for _, node := range site.Nodes {
			if !site.Pods.Overlaps(node.Pods) {
				t.Errorf("%s: pods %s are not in %s", node.Name, node.Pods, site.Pods)
			}
		}
	}
	for i, a := range ranges {
		for _, b := range ranges[:i] {
			if a.Overlaps(b) {
				t.Errorf("%s overlaps %s", a, b)
			}
		}
	}
}

func TestPlanReportsEveryFault(t *testing.T) {
	_, err := address.Plan([]string{"dc1", "dc1", "-x"}, 3)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{`site "dc1": named twice`, `site "-x": not a DNS label`, "3 nodes"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q", err, want)
		}
	}
	if _, err := address.Plan(nil, 1); err == nil {
		t.Error("no site: no error")
	}
}
