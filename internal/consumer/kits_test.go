package georedundancy

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/cassandra/cassandratest"
	"github.com/georedkit/georedkit/creds"
	"github.com/georedkit/georedkit/creds/credstest"
	"github.com/georedkit/georedkit/dnsfed"
	"github.com/georedkit/georedkit/dnsfed/dnstest"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/kafkatest"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/meshtest"
	"github.com/georedkit/georedkit/objectstore"
	"github.com/georedkit/georedkit/objectstore/objecttest"
)

var sites = []geored.SiteName{"dc1", "dc2"}

// verdicts proves checks and joins their findings by check.
func verdicts(t *testing.T, checks ...geored.Check) map[geored.CheckID]geored.Verdict {
	t.Helper()
	report, err := geored.Prove(t.Context(), geored.CheckConfig{}, checks...)
	if err != nil {
		t.Fatal(err)
	}
	joined := map[geored.CheckID]geored.Verdict{}
	for _, f := range report.Findings {
		if before, ok := joined[f.Check]; ok {
			f.Verdict = geored.Join(before, f.Verdict)
		}
		joined[f.Check] = f.Verdict
	}
	return joined
}

func TestMesh(t *testing.T) {
	network, err := mesh.ParseNetwork([]byte("sites: [{name: dc1, wireguardCIDR: 10.80.0.0/16, podCIDR: 10.90.0.0/16}, {name: dc2, wireguardCIDR: 10.110.0.0/16, podCIDR: 10.120.0.0/16}]"))
	if err != nil {
		t.Fatal(err)
	}
	var gateways []mesh.Gateway
	var machines []meshtest.Machine
	keys := map[mesh.PublicKey]mesh.PrivateKey{}
	for i, site := range network.Sites {
		key, err := mesh.NewPrivateKey(bytes.NewReader(bytes.Repeat([]byte{byte(i + 1)}, 32)))
		if err != nil {
			t.Fatal(err)
		}
		address := netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)})
		endpoint, err := geored.EndpointFrom(netip.AddrPortFrom(address, 51820))
		if err != nil {
			t.Fatal(err)
		}
		node := string(site.Name) + "-1"
		keys[key.Public()] = key
		machines = append(machines, meshtest.Machine{Site: site.Name, Node: node, Underlay: address})
		gateways = append(gateways, mesh.Gateway{Site: site.Name, Node: node, PublicKey: key.Public(), WireGuardIP: site.WireGuardCIDR.Addr().Next(), Endpoint: endpoint})
	}
	layout, err := mesh.Plan(network, gateways)
	if err != nil {
		t.Fatal(err)
	}
	clock := geotest.StoppedClock(began)
	fabric := meshtest.New(t, clock, machines...)
	if err := fabric.UpAll(t.Context(), layout, keys); err != nil {
		t.Fatal(err)
	}
	handshakes := geored.Check{ID: "acme/tunnels", Title: "the tunnels stand", Run: func(ctx context.Context) []geored.Finding {
		return mesh.HandshakeFindings(layout, geored.Ask(ctx, mesh.HandshakeTargets(layout), func(ctx context.Context, target geored.Target) (mesh.Sample, error) {
			return fabric.Sample(ctx, layout, target)
		}))
	}}
	if v := verdicts(t, handshakes)["acme/tunnels"]; v != geored.Pass {
		t.Errorf("%s", v)
	}
	fabric.Break(meshtest.OneWay("dc2", "dc1"))
	clock.Advance(time.Hour)
	if v := verdicts(t, handshakes)["acme/tunnels"]; v != geored.Fail {
		t.Errorf("one way: %s", v)
	}
}

func TestDNS(t *testing.T) {
	f := dnsfed.Federation{Plugin: dnsfed.Kubernetai, CoreDNS: dnsfed.Version{Major: 1, Minor: 12, Patch: 3}}
	for i, site := range sites {
		f.Sites = append(f.Sites, dnsfed.Site{Kubeconfig: fmt.Sprintf("/etc/coredns/%s/config", site), Site: geored.Site{Name: site,
			Services: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(100 + i)}), 16)},
			Pods:     []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(200 + i)}), 16)}}})
	}
	world := dnstest.New(t, f)
	service := dnsfed.Service{Site: "dc2", Namespace: "acme", Name: "ledger", Addresses: []netip.Addr{netip.MustParseAddr("10.101.0.20")}, Ports: []dnsfed.Port{{Name: "api", Number: 443}}}
	world.Hold(t, service)
	table, err := f.Expect(dnsfed.Records{Services: []dnsfed.Service{service}}, world.Servers())
	if err != nil {
		t.Fatal(err)
	}
	if v := verdicts(t, table.Checks(world)...)[dnsfed.RemoteOnly.CheckID()]; v != geored.Pass {
		t.Errorf("%s", v)
	}
	world.Inject(t, "dc1-coredns-0", dnstest.ServFail)
	if v := verdicts(t, table.Checks(world)...)[dnsfed.RemoteOnly.CheckID()]; v != geored.Fail {
		t.Errorf("servfail: %s", v)
	}
}

func TestCredentials(t *testing.T) {
	clock := geotest.StoppedClock(time.Now())
	cluster := credstest.New(t, credstest.Options{Site: "dc1", Clock: clock})
	account := creds.Account{Namespace: "acme", Name: "ledger"}
	cluster.Account(account)
	export := creds.Export{Site: "dc1", Name: "dc1", Server: cluster.URL(), CA: cluster.Authority.PEM(), Account: account,
		Token: cluster.Issuer.Long(t, account, "ledger-token")}
	if faults := export.Faults(creds.Facts{Now: clock.Now(), Account: account}); len(faults) > 0 {
		t.Errorf("%v", faults)
	}
	if faults := export.Faults(creds.Facts{Now: clock.Now(), Account: creds.Account{Namespace: "acme", Name: "other"}}); len(faults) == 0 {
		t.Error("a token of another account was taken")
	}
}

func TestCassandra(t *testing.T) {
	ring := cassandratest.New(t, sites)
	open := func() *cassandra.Cluster {
		c, err := cassandra.Open(ring.Config())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	schema := func() geored.Verdict {
		checks := open().Checks()
		i := slices.IndexFunc(checks, func(c geored.Check) bool { return c.ID == cassandra.CheckSchema })
		return verdicts(t, checks[i])[cassandra.CheckSchema]
	}
	if v := schema(); v != geored.Pass {
		t.Errorf("%s", v)
	}
	ring.Node("dc2", 0).SplitSchema(true)
	if v := schema(); v != geored.Fail {
		t.Errorf("split: %s", v)
	}
	ring.Node("dc2", 0).Stop()
	if v := schema(); v != geored.Unknown {
		t.Errorf("stopped: %s", v)
	}
}

func TestKafka(t *testing.T) {
	world := kafkatest.New(t, sites...)
	replication := kafkatest.Open(t, world, kafka.Limits{})
	canary := func(wait time.Duration) geored.Check {
		return replication.CanaryCheck(kafka.CanaryPlan{Keep: true, Wait: wait})
	}
	if v := verdicts(t, canary(time.Minute))[kafka.CheckCanary]; v != geored.Pass {
		t.Errorf("%s", v)
	}
	if _, err := world.Inject(t.Context(), kafkatest.LinkCut, geored.Target{Site: "dc1", To: "dc2"}); err != nil {
		t.Fatal(err)
	}
	if v := verdicts(t, canary(time.Second))[kafka.CheckCanary]; v != geored.Fail {
		t.Errorf("cut: %s", v)
	}
}

func TestObjects(t *testing.T) {
	dc1, dc2 := objecttest.New(t, []string{"ledger"}), objecttest.New(t, []string{"ledger"})
	for _, s := range []*objecttest.Server{dc1, dc2} {
		s.Put("ledger", "2026/03", "the same")
	}
	check := objectstore.Comparer{Sites: []objectstore.Site{dc1.Site(t, "dc1"), dc2.Site(t, "dc2")}}.Check()
	if v := verdicts(t, check)[check.ID]; v != geored.Pass {
		t.Errorf("%s", v)
	}
	dc1.Put("ledger", "2026/04", "here alone")
	if v := verdicts(t, check)[check.ID]; v != geored.Fail {
		t.Errorf("different: %s", v)
	}
	dc2.Break(objecttest.Unreachable())
	if v := verdicts(t, check)[check.ID]; v != geored.Unknown {
		t.Errorf("unreachable: %s", v)
	}
}
