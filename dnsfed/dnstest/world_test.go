package dnstest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/dnsfed"
	"github.com/georedkit/georedkit/geored"
)

func federation(n int) dnsfed.Federation {
	f := dnsfed.Federation{Plugin: dnsfed.Kubernetai, CoreDNS: dnsfed.Version{Major: 1, Minor: 12, Patch: 3}}
	for i := range n {
		f.Sites = append(f.Sites, dnsfed.Site{Kubeconfig: fmt.Sprintf("/etc/coredns/dc%d/config", i+1), Site: geored.Site{
			Name:     geored.SiteName(fmt.Sprintf("dc%d", i+1)),
			Services: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(100 + i)}), 16)},
			Pods:     []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(200 + i)}), 16)},
		}})
	}
	return f
}

func TestConformance(t *testing.T) {
	for _, n := range []int{2, 3, 5} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			Conformance(t, func(t *testing.T) System { return New(t, federation(n)) })
		})
	}
}

// verdicts are those of every case of one server: "own-api:pass …".
func verdicts(findings []geored.Finding, server string) map[dnsfed.Case]geored.Verdict {
	got := map[dnsfed.Case]geored.Verdict{}
	for _, f := range findings {
		if strings.Contains(f.Message, " "+server+": ") {
			got[dnsfed.Case(strings.TrimPrefix(string(f.Check), "dns/"))] = f.Verdict
		}
	}
	return got
}

func evidence(findings []geored.Finding) string {
	var b strings.Builder
	for _, f := range findings {
		b.WriteString(strings.Join(f.Evidence, "\n"))
		for _, s := range f.Unanswered {
			b.WriteString("\n" + s.Error())
		}
	}
	return b.String()
}

// Each fault is in one pod: what it breaks there is found there, and the other pod stays right.
func TestEachFaultIsFound(t *testing.T) {
	const broken, whole = "dc1-coredns-0", "dc1-coredns-1"
	all := func(v geored.Verdict) map[dnsfed.Case]geored.Verdict {
		m := map[dnsfed.Case]geored.Verdict{}
		for _, c := range federation(2).Cases() {
			m[c] = v
		}
		return m
	}
	but := func(m map[dnsfed.Case]geored.Verdict, v geored.Verdict, cases ...dnsfed.Case) map[dnsfed.Case]geored.Verdict {
		for _, c := range cases {
			m[c] = v
		}
		return m
	}
	for fault, c := range map[Fault]struct {
		want map[dnsfed.Case]geored.Verdict
		says string
	}{
		Silent:         {all(geored.Unknown), "did not answer"},
		UDPOnly:        {all(geored.Unknown), "tcp"},
		Truncated:      {all(geored.Unknown), "truncated"},
		Slow:           {all(geored.Pass), ""},
		ServFail:       {but(all(geored.Pass), geored.Fail, dnsfed.RemoteOnly, dnsfed.Neither, dnsfed.Headless, dnsfed.SRV), "SERVFAIL instead of"},
		Unfederated:    {but(all(geored.Pass), geored.Fail, dnsfed.RemoteOnly, dnsfed.Headless, dnsfed.SRV, dnsfed.PTR), "NXDOMAIN instead of"},
		WrongSiteFirst: {but(all(geored.Pass), geored.Fail, dnsfed.OwnAPI, dnsfed.Both), "site dc2 was asked first"},
	} {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			w := New(t, federation(2))
			if fault == Silent {
				w.Timeout = 3 * time.Second
			}
			services := w.Create(t, sample(w.Federation()))
			w.Inject(t, broken, fault)
			findings := prove(t, w, services)
			for c, want := range c.want {
				if got := verdicts(findings, broken)[c]; got != want {
					t.Errorf("%s: %s, want %s", c, got, want)
				}
				if got := verdicts(findings, whole)[c]; got != geored.Pass {
					t.Errorf("%s of the pod without a fault: %s", c, got)
				}
			}
			if !strings.Contains(evidence(findings), c.says) {
				t.Errorf("%q is not in\n%s", c.says, evidence(findings))
			}
			w.Inject(t, broken, "")
			w.Timeout = 10 * time.Second
			for _, f := range prove(t, w, services) {
				if f.Verdict != geored.Pass {
					t.Errorf("healed, and %s: %s %s", f.Check, f.Verdict, f.Message)
				}
			}
		})
	}
}

func TestStaleAnswersAreFound(t *testing.T) {
	w := New(t, federation(2))
	w.Create(t, sample(w.Federation()))
	w.Inject(t, "dc1-coredns-0", Stale)
	// The other site goes on without it: its service has another address now.
	services := w.Create(t, append([]dnsfed.Service{{Site: "dc2", Namespace: "default", Name: "new", Addresses: []netip.Addr{{}}}}, sample(w.Federation())...))
	findings := prove(t, w, services)
	if got := verdicts(findings, "dc1-coredns-0")[dnsfed.RemoteOnly]; got != geored.Fail {
		t.Errorf("got %s", got)
	}
	if got := verdicts(findings, "dc1-coredns-1")[dnsfed.RemoteOnly]; got != geored.Pass {
		t.Errorf("the other pod: %s", got)
	}
	if want := "a stale answer, 10.101.0.2 is in site dc2"; !strings.Contains(evidence(findings), want) {
		t.Errorf("%q is not in\n%s", want, evidence(findings))
	}
}

// A second deployment behind the Service: each pod alone answers as it always does; the Service is what shows it.
func TestTwoDeploymentsBehindOneServiceAreFound(t *testing.T) {
	w := New(t, federation(2))
	services := w.Create(t, sample(w.Federation()))
	w.Inject(t, "dc2-coredns-1", Unfederated)
	findings := prove(t, w, services)
	seen := false
	for _, f := range findings {
		if f.Check == dnsfed.RemoteOnly.CheckID() && f.Site == "dc2" && strings.HasPrefix(f.Message, "service kube-dns") {
			seen = true
			if f.Verdict != geored.Fail || !strings.Contains(strings.Join(f.Evidence, "\n"), "the answers alternate") {
				t.Errorf("got %s %q", f.Verdict, f.Evidence)
			}
		}
	}
	if !seen {
		t.Error("the Service was not asked")
	}
}

// With any one answer removed no finding passes, warns or is skipped.
func TestNoPassWithASilence(t *testing.T) {
	w := New(t, federation(2))
	table := expect(t, w, dnsfed.Records{Services: w.Create(t, sample(w.Federation()))})
	part := dnsfed.Table{Questions: table.Questions[:6]}
	for missing := range part.Questions {
		var targets []geored.Target
		wants := map[geored.Target]dnsfed.Answer{}
		for _, q := range part.Questions {
			targets = append(targets, q.Target())
			wants[q.Target()] = q.Want
		}
		answers := geored.Ask(t.Context(), targets, func(_ context.Context, target geored.Target) (dnsfed.Answer, error) {
			if target == targets[missing] {
				return dnsfed.Answer{}, errors.New("silent")
			}
			return wants[target], nil
		})
		if f := part.Judge(answers); f.Verdict != geored.Unknown || len(f.Unanswered) != 1 {
			t.Errorf("without answer %d: %s, %d unanswered", missing, f.Verdict, len(f.Unanswered))
		}
	}
}
