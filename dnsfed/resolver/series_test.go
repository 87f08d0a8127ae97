package resolver_test

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/dnsfed"
	"github.com/georedkit/georedkit/dnsfed/dnstest"
	"github.com/georedkit/georedkit/dnsfed/resolver"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/probe"
)

func TestASeriesCountsWhatIsWrong(t *testing.T) {
	world := dnstest.New(t, dnsfed.Federation{Plugin: dnsfed.Kubernetai, CoreDNS: dnsfed.Version{Major: 1, Minor: 12}, Sites: []dnsfed.Site{
		{Site: geored.Site{Name: "dc1", Services: []netip.Prefix{netip.MustParsePrefix("10.100.0.0/16")}}, Kubeconfig: "/etc/dc1"},
		{Site: geored.Site{Name: "dc2", Services: []netip.Prefix{netip.MustParsePrefix("10.101.0.0/16")}}, Kubeconfig: "/etc/dc2"}}})
	server := world.Servers()[0]
	local := probe.Local(resolver.Questions())
	askAt := func(s resolver.Series) (resolver.SeriesAnswer, error) {
		s.Name = "kubernetes.default.svc.cluster.local"
		return probe.AskNamed[resolver.SeriesAnswer](t.Context(), local, resolver.AskSeries, s)
	}
	ask := func(s resolver.Series) (resolver.SeriesAnswer, error) {
		s.Server = server.Address.String()
		return askAt(s)
	}
	short := resolver.Series{Want: []string{"10.100.0.1"}, Every: time.Millisecond, For: 20 * time.Millisecond}
	if got, err := ask(short); err != nil || got.Asked != 20 || len(got.Wrong) > 0 {
		t.Errorf("%+v, %v", got, err)
	}
	other := short
	other.Want = []string{"10.101.0.1"}
	if got, err := ask(other); err != nil || len(got.Wrong) != 20 || !strings.HasSuffix(got.Wrong[0], "Z NOERROR 10.100.0.1") {
		t.Errorf("%+v, %v", got, err)
	}
	world.Inject(t, server.Name, dnstest.Silent)
	short.Timeout = 50 * time.Millisecond
	if got, err := ask(short); err != nil || got.Asked != 20 || len(got.Wrong) != 20 {
		t.Errorf("silent: %+v, %v", got, err)
	}
	world.Inject(t, server.Name, "")
	short.Every, short.Timeout = short.For, 2*time.Second
	short.Server = losesFirst(t, server.Address)
	if got, err := askAt(short); err != nil || got.Asked != 1 || len(got.Wrong) > 0 || len(got.Repeated) != 1 {
		t.Errorf("the first answer lost: %+v, %v", got, err)
	}
	for _, s := range []resolver.Series{{For: time.Hour}, {Every: time.Nanosecond, For: time.Second}} {
		if _, err := ask(s); err == nil || !strings.Contains(err.Error(), "is too much") {
			t.Errorf("%v", err)
		}
	}
}

// losesFirst passes questions on to a name server, but for the first.
func losesFirst(t *testing.T, to netip.AddrPort) string {
	t.Helper()
	front, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { front.Close() })
	back, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { back.Close() })
	go func() {
		text := make([]byte, 4096)
		for questions := 1; ; questions++ {
			n, asker, err := front.ReadFrom(text)
			if err != nil {
				return
			}
			if questions == 1 {
				continue
			}
			if _, err := back.Write(text[:n]); err != nil {
				return
			}
			if n, err = back.Read(text); err != nil {
				return
			}
			if _, err := front.WriteTo(text[:n], asker); err != nil {
				return
			}
		}
	}()
	return front.LocalAddr().String()
}
