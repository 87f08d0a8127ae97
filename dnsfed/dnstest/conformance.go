package dnstest

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/georedkit/georedkit/dnsfed"
	"github.com/georedkit/georedkit/geored"
)

// System is name servers of several sites, and a way to fill what they read.
type System interface {
	dnsfed.Resolver
	// Federation has two sites or more, all joined by kubernetai.
	Federation() dnsfed.Federation
	Servers() []dnsfed.Server
	// Create makes services in their sites and waits until the sites' own name servers can know them. It gives them as
	// they are: a cluster IP is what the site chose. Services that were there before may be gone.
	Create(t *testing.T, services []dnsfed.Service) []dnsfed.Service
}

// Create is [World.Hold] for [Conformance]: services without an address that are not headless by their endpoints get
// one from their site.
func (w *World) Create(t *testing.T, services []dnsfed.Service) []dnsfed.Service {
	t.Helper()
	next := map[geored.SiteName]netip.Addr{}
	made := make([]dnsfed.Service, len(services))
	for i, s := range services {
		if site, _ := w.federation.Site(s.Site); len(s.Addresses) > 0 {
			if !next[s.Site].IsValid() {
				next[s.Site] = site.Services[0].Addr().Next().Next()
			}
			s.Addresses = []netip.Addr{next[s.Site]}
			next[s.Site] = next[s.Site].Next()
		}
		made[i] = s
	}
	w.Hold(t, made...)
	return made
}

// Conformance holds a system to how federated CoreDNS answers. In the services it asks for, any address stands for a
// cluster IP of the site's choice.
func Conformance(t *testing.T, build func(*testing.T) System) {
	system := build(t)
	f := system.Federation()
	services := system.Create(t, sample(f))
	t.Run("every case is right", func(t *testing.T) {
		for _, finding := range prove(t, system, services) {
			if finding.Verdict != geored.Pass {
				t.Errorf("%s %s: %s: %s %q %v", finding.Check, finding.Site, finding.Verdict, finding.Message, finding.Evidence, finding.Unanswered)
			}
		}
	})
	// The table is wrong on purpose: each case must be seen to fail.
	for name, c := range wrongRecords(f, services) {
		t.Run(name, func(t *testing.T) {
			table := expect(t, system, dnsfed.Records{Services: c.services})
			for _, finding := range run(t, system, table, c.check).Findings {
				if finding.Site == f.Sites[0].Name && finding.Verdict != geored.Fail {
					t.Errorf("%s: %s: %s", finding.Check, finding.Verdict, finding.Message)
				}
			}
		})
	}
	t.Run("a site that was not read", func(t *testing.T) {
		table := expect(t, system, dnsfed.Records{Services: services, Unread: []geored.SiteName{f.Sites[1].Name}})
		for _, finding := range run(t, system, table, dnsfed.Neither).Findings {
			if finding.Verdict != geored.Unknown {
				t.Errorf("%s: %s: nobody can tell what is nowhere", finding.Check, finding.Verdict)
			}
		}
		for _, check := range table.Checks(system) {
			if check.ID != dnsfed.RemoteOnly.CheckID() {
				continue
			}
			if found := check.Run(t.Context()); found[len(found)-1].Verdict != geored.Unknown {
				t.Errorf("%s: %+v, though nobody was asked for the services of %s", check.ID, found, f.Sites[1].Name)
			}
		}
	})
}

func expect(t *testing.T, system System, r dnsfed.Records) dnsfed.Table {
	t.Helper()
	table, err := system.Federation().Expect(r, system.Servers())
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// run asks the cases alone that are named.
func run(t *testing.T, system System, table dnsfed.Table, cases ...dnsfed.Case) geored.Report {
	t.Helper()
	var checks []geored.Check
	for _, check := range table.Checks(system) {
		if slices.ContainsFunc(cases, func(c dnsfed.Case) bool { return c.CheckID() == check.ID }) {
			checks = append(checks, check)
		}
	}
	report, err := geored.Prove(t.Context(), geored.CheckConfig{}, checks...)
	if err != nil {
		t.Fatal(err)
	}
	if want := len(cases) * len(system.Servers()); len(report.Findings) != want {
		t.Errorf("%d findings of %d cases by servers", len(report.Findings), want)
	}
	return report
}

func prove(t *testing.T, system System, services []dnsfed.Service) []geored.Finding {
	t.Helper()
	return run(t, system, expect(t, system, dnsfed.Records{Services: services}), system.Federation().Cases()...).Findings
}
