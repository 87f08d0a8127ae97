package ice

import (
	"net/netip"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
	"github.com/georedkit/georedkit/geored/probe"
	"github.com/georedkit/georedkit/mesh"
)

// Without the clock or the DNS of any site, no check passes.
func TestHonesty(t *testing.T) {
	skew := probe.Skew{Ahead: time.Millisecond, Error: time.Millisecond}
	clocks := map[geored.Target]probe.Skew{{Site: "dc1"}: skew, {Site: "dc2"}: skew, {Site: "dc3"}: skew}
	geotest.HonestAnswers(t, "site/clock", clocks, func(a geored.Answers[probe.Skew]) []geored.Finding {
		return []geored.Finding{judgeClocks(a)}
	})
	site := Site{Site: mesh.Site{Site: geored.Site{Name: "dc1"}}, APIServerIP: netip.MustParseAddr("10.130.0.1"), DNSIP: netip.MustParseAddr("10.130.0.10")}
	own := probe.DNSAnswer{Code: "NOERROR", Records: []string{"10.130.0.1"}}
	replies := []dnsReply{{"udp", own, nil}, {"tcp", own, nil}}
	names := map[geored.Target][]dnsReply{{Site: "dc1"}: replies, {Site: "dc2"}: replies, {Site: "dc3"}: replies}
	geotest.HonestAnswers(t, "dns/own-api", names, func(a geored.Answers[[]dnsReply]) []geored.Finding {
		return a.Each(func(_ geored.Target, replies []dnsReply) geored.Finding { return judgeOwnAPI(site, replies) })
	})
}
