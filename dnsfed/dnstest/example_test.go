package dnstest_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/dnsfed"
	"github.com/georedkit/georedkit/dnsfed/dnstest"
	"github.com/georedkit/georedkit/geored"
)

// A second set of name servers in dc1 knows its own site alone: what only dc2 has is found there every other time.
func Example() {
	t := exampleT{} // in a test, its own
	f := dnsfed.Federation{Plugin: dnsfed.Kubernetai, CoreDNS: dnsfed.Version{Major: 1, Minor: 12, Patch: 3}}
	for i, name := range []geored.SiteName{"dc1", "dc2"} {
		f.Sites = append(f.Sites, dnsfed.Site{Kubeconfig: "/etc/coredns/" + string(name), Site: geored.Site{Name: name,
			Services: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(100 + i)}), 16)},
			Pods:     []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(200 + i)}), 16)}}})
	}
	world := dnstest.New(t, f)
	services := []dnsfed.Service{{Site: "dc2", Namespace: "ice", Name: "only-here", Addresses: []netip.Addr{netip.MustParseAddr("10.101.7.7")}}}
	world.Hold(t, services...)
	world.Inject(t, "dc1-coredns-1", dnstest.Unfederated)

	table, err := f.Expect(dnsfed.Records{Services: services}, world.Servers())
	if err != nil {
		fmt.Println(err)
	}
	report, err := geored.Prove(context.Background(), geored.CheckConfig{}, table.Checks(world)...)
	if err != nil {
		fmt.Println(err)
	}
	for _, finding := range report.Findings {
		if finding.Check == dnsfed.RemoteOnly.CheckID() {
			server, _, _ := strings.Cut(finding.Message, ":")
			fmt.Println(finding.Verdict, finding.Site, server)
		}
	}
	// Output:
	// pass dc1 pod dc1-coredns-0
	// fail dc1 pod dc1-coredns-1
	// fail dc1 service kube-dns
}

// exampleT leaves the cleaning up to the end of the program.
type exampleT struct{ testing.TB }

func (exampleT) Helper()                   {}
func (exampleT) Cleanup(func())            {}
func (exampleT) Fatal(a ...any)            { panic(fmt.Sprint(a...)) }
func (exampleT) Fatalf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }
