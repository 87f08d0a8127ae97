package resolver_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/georedkit/georedkit/dnsfed"
	"github.com/georedkit/georedkit/dnsfed/dnstest"
	"github.com/georedkit/georedkit/dnsfed/resolver"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/probe"
)

// away is a probe that nobody reaches.
type away struct{}

func (away) Ask(context.Context, []string, []byte) ([]byte, error) {
	return nil, errors.New("the pod is gone")
}

func TestAWatchSeesWhatIsLost(t *testing.T) {
	world := dnstest.New(t, dnsfed.Federation{Plugin: dnsfed.Kubernetai, CoreDNS: dnsfed.Version{Major: 1, Minor: 12}, Sites: []dnsfed.Site{
		{Site: geored.Site{Name: "dc1", Services: []netip.Prefix{netip.MustParsePrefix("10.100.0.0/16")}}, Kubeconfig: "/etc/dc1"},
		{Site: geored.Site{Name: "dc2", Services: []netip.Prefix{netip.MustParsePrefix("10.101.0.0/16")}}, Kubeconfig: "/etc/dc2"}}})
	server := world.Servers()[0]
	begin := func(client probe.Client) *resolver.Watch {
		return resolver.Begin(t.Context(), client, resolver.Series{Want: []string{"10.100.0.1"}, Every: 100 * time.Millisecond, For: time.Second,
			DNS: probe.DNS{Server: server.Address.String(), Name: "kubernetes.default.svc.cluster.local", Timeout: 3 * time.Second}})
	}
	watch := func(client probe.Client, change func()) resolver.Watched {
		w := begin(client)
		change()
		return w.End()
	}
	local := probe.Local(resolver.Questions())
	calm := watch(local, func() { time.Sleep(250 * time.Millisecond) })
	if f := calm.Judge(); f.Verdict != geored.Pass || calm.Asked < 2 {
		t.Errorf("%+v: %+v", calm, f)
	}
	stopped := begin(local)
	time.Sleep(250 * time.Millisecond)
	stopped.Stop()
	world.Inject(t, server.Name, dnstest.Silent) // a series that began is heard to its end
	if f := stopped.End().Judge(); f.Verdict != geored.Fail {
		t.Errorf("stopped: %+v", f)
	}
	world.Inject(t, server.Name, "")
	lost := watch(local, func() { time.Sleep(250 * time.Millisecond); world.Inject(t, server.Name, dnstest.Silent) })
	if f := lost.Judge(); f.Verdict != geored.Fail || len(lost.Wrong) == 0 || len(lost.Wrong) >= lost.Asked {
		t.Errorf("%+v: %+v", lost, f)
	}
	if f := watch(away{}, func() { time.Sleep(10 * time.Millisecond) }).Judge(); f.Verdict != geored.Unknown {
		t.Errorf("a probe that is away: %+v", f)
	}
	late := resolver.Watched{SeriesAnswer: resolver.SeriesAnswer{Asked: 2, Repeated: []string{"12:00 i/o timeout"}}}
	if f := late.Judge(); f.Verdict != geored.Warn || len(f.Evidence) != 1 {
		t.Errorf("asked again: %+v", f)
	}
	late.Repeated = []string{"12:00 i/o timeout", "12:01 i/o timeout", "12:01 i/o timeout", "12:02 i/o timeout"}
	if f := late.Judge(); f.Verdict != geored.Fail || len(f.Evidence) != 4 {
		t.Errorf("an interruption: %+v", f)
	}
	late.Wrong = []string{"12:00 i/o timeout"}
	if f := late.Judge(); f.Verdict != geored.Fail {
		t.Errorf("asked again, and lost: %+v", f)
	}
	if f := (resolver.Watched{}).Judge(); f.Verdict != geored.Unknown {
		t.Errorf("nothing was asked: %+v", f)
	}
}
