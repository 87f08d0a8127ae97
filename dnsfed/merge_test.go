package dnsfed

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/geored"
)

// federation is n sites as the guide numbers them: services 10.100.0.0/16, 10.101.0.0/16, …
func federation(n int) Federation {
	f := Federation{Plugin: Kubernetai, CoreDNS: Version{1, 12, 3}}
	for i := range n {
		f.Sites = append(f.Sites, Site{
			Site: geored.Site{
				Name:     geored.SiteName(fmt.Sprintf("dc%d", i+1)),
				Services: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(100 + i)}), 16)},
				Pods:     []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(200 + i)}), 16)},
			},
			Kubeconfig: fmt.Sprintf("/etc/coredns/dc%d/config", i+1),
			Zones:      []string{fmt.Sprintf("dc%d-only.svc.cluster.local", i+1)},
			DNS:        []netip.Addr{netip.AddrFrom4([4]byte{10, byte(100 + i), 0, 10})},
		})
	}
	return f
}

func merge(t *testing.T, f Federation, own geored.SiteName, file string) string {
	t.Helper()
	merged, err := f.Merge(own, file)
	if err != nil {
		t.Fatal(err)
	}
	return merged
}

func TestMergeAsksTheOwnSiteFirst(t *testing.T) {
	got := merge(t, federation(2), "dc2", stock)
	want := strings.Replace(stock, `    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
`, `# georedkit dnsfed: begin, do not edit
#|    kubernetes cluster.local in-addr.arpa ip6.arpa {
#|       pods insecure
#|       fallthrough in-addr.arpa ip6.arpa
#|       ttl 30
#|    }
    kubernetai cluster.local 10.101.0.0/16 10.201.0.0/16 {
        pods insecure
        ttl 30
        fallthrough cluster.local
    }
    kubernetai cluster.local 10.100.0.0/16 10.200.0.0/16 {
        kubeconfig /etc/coredns/dc1/config
        pods disabled
        startup_timeout 1s
    }
# georedkit dnsfed: end
`, 1)
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestMergeChainsReverseZonesWhoseRangesAreNotKnown(t *testing.T) {
	f := federation(3)
	f.Sites[2].Services = nil
	c := mustParse(t, merge(t, f, "dc1", stock))
	stanzas := c.Blocks[0].Named("kubernetai")
	for i, want := range []string{"[]", "[]", "[in-addr.arpa ip6.arpa]"} {
		option, ok := stanzas[i].Option("fallthrough")
		if got := fmt.Sprint(option.Args); !ok || got != want {
			t.Errorf("stanza %d: fallthrough %s (%v), want %s", i, got, ok, want)
		}
	}
	withoutForward := strings.Replace(stock, "    forward . /etc/resolv.conf {\n       max_concurrent 1000\n    }\n", "", 1)
	c = mustParse(t, merge(t, f, "dc1", withoutForward))
	if option, ok := c.Blocks[0].Named("kubernetai")[2].Option("fallthrough"); ok {
		t.Errorf("with nothing behind it the last stanza falls through: %+v", option)
	}
}

func TestMergeWritesWhatTheVersionKnows(t *testing.T) {
	for version, want := range map[Version]bool{{1, 11, 3}: false, {1, 12, 2}: false, {1, 12, 3}: true, {2, 0, 0}: true} {
		f := federation(2)
		f.CoreDNS = version
		if got := strings.Contains(merge(t, f, "dc1", stock), "startup_timeout"); got != want {
			t.Errorf("%s: startup_timeout %v, want %v", version, got, want)
		}
	}
	f := federation(2)
	f.CoreDNS = Version{1, 11, 3}
	_, err := f.Merge("dc1", strings.Replace(stock, "ttl 30", "startup_timeout 1s", 1))
	if err == nil || !strings.Contains(err.Error(), "site dc1: Corefile:10 startup_timeout: is not known to CoreDNS 1.11.3, but from 1.12.3 on") {
		t.Errorf("got %v", err)
	}
	f.Plugin = Multicluster
	if _, err := f.Merge("dc1", stock); err == nil || !strings.Contains(err.Error(), "from 1.12.2 on") {
		t.Errorf("got %v", err)
	}
}

func TestMergeMulticluster(t *testing.T) {
	f := federation(2)
	f.Plugin = Multicluster
	got := merge(t, f, "dc1", stock)
	for _, line := range []string{
		"\n    kubernetes cluster.local clusterset.local in-addr.arpa ip6.arpa {\n", "\n        multicluster clusterset.local\n",
		"\n        fallthrough in-addr.arpa ip6.arpa\n",
	} {
		if !strings.Contains(got, line) {
			t.Errorf("%q is not in\n%s", line, got)
		}
	}
}

func TestMergeStubZones(t *testing.T) {
	f := federation(3)
	f.Plugin = StubZones
	got := merge(t, f, "dc2", stock)
	want := stock + `# georedkit dnsfed: begin, do not edit
dc1-only.svc.cluster.local:53 {
    errors
    cache 30
    forward . 10.100.0.10
}
dc3-only.svc.cluster.local:53 {
    errors
    cache 30
    forward . 10.102.0.10
}
# georedkit dnsfed: end
`
	if got != want {
		t.Errorf("got\n%s", got)
	}
	f.Sites[0].Zones = []string{"svc.cluster.local"}
	f.Sites[2].Zones = []string{"a.dc2-only.svc.cluster.local"}
	_, err := f.Merge("dc2", stock)
	for _, part := range []string{"holds all names of the cluster domain", "shares names with zone"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in %v", part, err)
		}
	}
}

// Every plugin, 2, 3 and 5 sites, every site: the file comes back byte for byte, merging twice is merging once, and what
// is written is what lint would have.
func TestRemoveRestoresByteForByte(t *testing.T) {
	files := map[string]string{
		"stock":               stock,
		"no last line break":  strings.TrimSuffix(stock, "\n"),
		"carriage returns":    strings.ReplaceAll(stock, "\n", "\r\n"),
		"no braces, no break": ".\nerrors\nkubernetes cluster.local",
		"no braces":           ".\nkubernetes cluster.local # mine\n",
		"odd but lawful":      "# head\n\n\n.:53,\n  x {\n\tkubernetes   cluster.local   {\n\n\t\tpods \"insecure\" # why\n\t}\n}\n\n\n# tail",
	}
	for _, plugin := range []Plugin{Kubernetai, Multicluster, StubZones} {
		for _, n := range []int{2, 3, 5} {
			f := federation(n)
			f.Plugin = plugin
			for name, file := range files {
				for _, site := range f.Sites {
					t.Run(fmt.Sprintf("%s/%d/%s/%s", plugin, n, name, site.Name), func(t *testing.T) {
						if plugin == StubZones && strings.HasPrefix(name, "no braces") {
							if _, err := f.Merge(site.Name, file); err == nil {
								t.Error("a block was written into a block")
							}
							return
						}
						held(t, f, site.Name, file)
					})
				}
			}
		}
	}
}

func held(t *testing.T, f Federation, own geored.SiteName, file string) {
	merged := merge(t, f, own, file)
	if merged == file {
		t.Error("nothing was merged")
	}
	if again := merge(t, f, own, merged); again != merged {
		t.Errorf("merged twice:\n%s", again)
	}
	if back, err := Remove(merged); err != nil || back != file {
		t.Errorf("%v, got back\n%q\nwant\n%q", err, back, file)
	}
	remarks, err := f.Lint(own, merged, Build{Version: f.CoreDNS, Waits: WaitsForOwn})
	if err != nil {
		t.Error(err)
	}
	for _, r := range remarks {
		t.Errorf("lint of what was written: %+v", r)
	}
}

func TestRemoveRefusesHalfAMark(t *testing.T) {
	merged := merge(t, federation(2), "dc1", stock)
	for name, broken := range map[string]string{
		"no end":     strings.Replace(merged, endMark+"\n", "", 1),
		"no begin":   strings.Replace(merged, beginMark+"\n", "", 1),
		"two begins": strings.Replace(merged, beginMark+"\n", beginMark+"\n"+beginMark+"\n", 1),
	} {
		var fault geored.Fault
		if _, err := Remove(broken); !errors.As(err, &fault) || !strings.HasPrefix(fault.Field, "Corefile:") {
			t.Errorf("%s: got %v", name, err)
		}
		if _, err := federation(2).Merge("dc1", broken); err == nil {
			t.Errorf("%s: merged into", name)
		}
	}
}

func TestMergeReportsAllFaultsAtOnce(t *testing.T) {
	f := federation(2)
	f.Sites[1].Kubeconfig = ""
	f.CoreDNS = Version{}
	f.Domain = "Not A Zone"
	_, err := f.Merge("dc9", stock)
	for _, part := range []string{
		"coreDNS: names no version", "domain Not A Zone: is not a DNS zone", "site dc2: kubeconfig in the name servers: is not named",
		"site dc9: site: is not part of the federation", "site dc9: Corefile: has no plugin kubernetes for Not A Zone",
	} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in\n%v", part, err)
		}
	}
}

func TestMergeRefusesFilesItCannotJoin(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"autopath":   {strings.Replace(stock, "    loop\n", "    autopath @kubernetes\n", 1), "Corefile:17 autopath: answers only when"},
		"second":     {stock + "x {\n kubernetes cluster.local\n}\n", "Corefile:22 kubernetes: answers for cluster.local a second time"},
		"none":       {".:53 {\n errors\n}\n", "has no plugin kubernetes for cluster.local"},
		"one line":   {". { kubernetes cluster.local\n}\n", "shares its lines with something else"},
		"unreadable": {". {\n", "opens a block that is not closed"},
	} {
		if _, err := federation(2).Merge("dc1", c.file); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

// FuzzMerge: whatever file takes a federation gives itself back.
func FuzzMerge(f *testing.F) {
	for _, seed := range []string{stock, strings.TrimSuffix(stock, "\n"), ".\nkubernetes cluster.local", "cluster.local {\n kubernetes\n}"} {
		f.Add(seed, uint8(0))
		f.Add(seed, uint8(2))
	}
	f.Fuzz(func(t *testing.T, file string, plugin uint8) {
		if strings.Contains(file, "# georedkit dnsfed: ") {
			return
		}
		fed := federation(2)
		fed.Plugin = []Plugin{Kubernetai, Multicluster, StubZones}[plugin%3]
		merged, err := fed.Merge("dc1", file)
		if err != nil {
			return
		}
		if back, err := Remove(merged); err != nil || back != file {
			t.Fatalf("%v, got %q, want %q", err, back, file)
		}
		if _, err := ParseCorefile(merged); err != nil {
			t.Fatalf("what was written does not parse: %v\n%s", err, merged)
		}
	})
}
