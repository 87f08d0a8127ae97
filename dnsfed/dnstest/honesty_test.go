package dnstest

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/dnsfed"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
)

// recordedResolver answers from what was recorded.
type recordedResolver struct {
	dnsfed.Resolver
	answers *geotest.Recorded
}

func (r recordedResolver) Resolve(ctx context.Context, q dnsfed.Question) (dnsfed.Answer, error) {
	return geotest.Recall(r.answers, fmt.Sprint(q.Target()), func() (dnsfed.Answer, error) { return r.Resolver.Resolve(ctx, q) })
}

// With any answer of any name server removed, no check passes: every case.
func TestHonesty(t *testing.T) {
	world := New(t, federation(2)) // one server of each site: all pairs of answers are taken away
	services := world.Create(t, sample(world.Federation()))
	servers := slices.DeleteFunc(world.Servers(), func(s dnsfed.Server) bool { return !strings.HasSuffix(s.Name, "-coredns-0") })
	table, err := world.Federation().Expect(dnsfed.Records{Services: services}, servers)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range world.Federation().Cases() {
		t.Run(string(c), func(t *testing.T) {
			geotest.Honest(t, c.CheckID(), func(answers *geotest.Recorded) []geored.Check {
				return table.Checks(recordedResolver{world, answers})
			})
		})
	}
}

// rightAnswers is every name server of a good day.
type rightAnswers struct{}

func (rightAnswers) Resolve(_ context.Context, q dnsfed.Question) (dnsfed.Answer, error) {
	return q.Want, nil
}

// With any answer for the names of a cluster set removed, they do not pass.
func TestHonestClusterSet(t *testing.T) {
	inTree := federation(2)
	inTree.Plugin = dnsfed.Multicluster
	imports := []dnsfed.Service{{Site: "dc1", Namespace: "a", Name: "db", Addresses: []netip.Addr{netip.MustParseAddr("10.150.0.1")}}}
	servers := []dnsfed.Server{{Site: "dc1", Kind: dnsfed.ServerPod, Name: "coredns-0", Address: netip.MustParseAddrPort("10.90.0.2:53")}}
	table, err := inTree.Expect(dnsfed.Records{Imports: imports}, servers)
	if err != nil {
		t.Fatal(err)
	}
	geotest.Honest(t, dnsfed.Imported.CheckID(), func(answers *geotest.Recorded) []geored.Check {
		return table.Checks(recordedResolver{rightAnswers{}, answers})
	})
}
