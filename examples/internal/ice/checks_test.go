package ice

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/probe"
	"github.com/georedkit/georedkit/mesh"
)

func TestClocks(t *testing.T) {
	const never = -time.Hour // a site that does not answer
	cases := map[string]struct {
		ahead  []time.Duration
		margin time.Duration
		want   geored.Verdict
	}{
		"together":           {[]time.Duration{0, 300 * time.Millisecond, -100 * time.Millisecond}, 50 * time.Millisecond, geored.Pass},
		"a little apart":     {[]time.Duration{0, 3 * time.Second}, 50 * time.Millisecond, geored.Warn},
		"far apart":          {[]time.Duration{0, 10 * time.Second, -25 * time.Second}, 50 * time.Millisecond, geored.Fail},
		"all off alike":      {[]time.Duration{time.Hour, time.Hour}, 50 * time.Millisecond, geored.Pass},
		"too slow to tell":   {[]time.Duration{0, 0}, 20 * time.Second, geored.Unknown},
		"one is silent":      {[]time.Duration{0, never, 0}, 50 * time.Millisecond, geored.Unknown},
		"silent and apart":   {[]time.Duration{0, never, time.Minute}, 50 * time.Millisecond, geored.Fail},
		"apart within error": {[]time.Duration{0, 3 * time.Second}, 2 * time.Second, geored.Pass},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			targets := make([]geored.Target, len(c.ahead))
			skews := map[geored.SiteName]time.Duration{}
			for i, ahead := range c.ahead {
				targets[i].Site = geored.SiteName('a' + rune(i))
				skews[targets[i].Site] = ahead
			}
			answers := geored.Ask(t.Context(), targets, func(_ context.Context, t geored.Target) (probe.Skew, error) {
				if skews[t.Site] == never {
					return probe.Skew{}, errors.New("connection refused")
				}
				return probe.Skew{Ahead: skews[t.Site], Error: c.margin}, nil
			})
			if f := judgeClocks(answers); f.Verdict != c.want {
				t.Errorf("%s: %s, want %s", f.Verdict, f.Message, c.want)
			}
		})
	}
}

func TestOwnAPI(t *testing.T) {
	site := Site{Site: mesh.Site{Site: geored.Site{Name: "dc2"}}, APIServerIP: netip.MustParseAddr("10.130.0.1"), DNSIP: netip.MustParseAddr("10.130.0.10")}
	own := probe.DNSAnswer{Code: "NOERROR", Records: []string{"10.130.0.1"}}
	cases := map[string]struct {
		udp, tcp dnsReply
		want     geored.Verdict
	}{
		"its own":            {dnsReply{"udp", own, nil}, dnsReply{"tcp", own, nil}, geored.Pass},
		"the other site's":   {dnsReply{"udp", probe.DNSAnswer{Code: "NOERROR", Records: []string{"10.100.0.1"}}, nil}, dnsReply{"tcp", own, nil}, geored.Fail},
		"both":               {dnsReply{"udp", own, nil}, dnsReply{"tcp", probe.DNSAnswer{Code: "NOERROR", Records: []string{"10.130.0.1", "10.100.0.1"}}, nil}, geored.Fail},
		"no such name":       {dnsReply{"udp", probe.DNSAnswer{Code: "NXDOMAIN"}, nil}, dnsReply{"tcp", own, nil}, geored.Fail},
		"no answer over TCP": {dnsReply{"udp", own, nil}, dnsReply{"tcp", probe.DNSAnswer{}, errors.New("i/o timeout")}, geored.Fail},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if f := judgeOwnAPI(site, []dnsReply{c.udp, c.tcp}); f.Verdict != c.want || len(f.Evidence) != 2 {
				t.Errorf("%s: %s, want %s", f.Verdict, f.Message, c.want)
			}
		})
	}
}
