package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
	"github.com/georedkit/georedkit/geored/probe"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/gateway"
	"github.com/georedkit/georedkit/mesh/kilo"
	"github.com/georedkit/georedkit/mesh/meshtest"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// sites are joined sites whose devices are those of a meshtest.Network, and whose pods send through them.
type sites struct {
	*meshtest.Network
	mesh   mesh.Network
	nodes  []kilo.Node
	layout mesh.Layout
	asked  func(format string, args ...any) error // before each answer

	granularity kilo.Granularity // that Kilo is to keep
	passedOver  geored.Faults    // of what stands on the nodes
	busy        int              // bytes that others send at every reading of an interface
	beside      bool             // what the probe transfers takes another way
	readings    [9]atomic.Int64  // of each site's interfaces, 20 s apart: a packet takes a millisecond here
	overlap     bool             // each site has the addresses of the others too: its own pods answer
}

// joinedSites are sites with so many nodes each: one is a mesh of gateways, more are Kilo's.
func joinedSites(t *testing.T, count, nodes int) *sites {
	t.Helper()
	s := &sites{mesh: mesh.Network{Interface: kiloInterface}, asked: func(string, ...any) error { return nil }}
	keys := map[mesh.PublicKey]mesh.PrivateKey{}
	var machines []meshtest.Machine
	for i := range count {
		site := mesh.Site{WireGuardCIDR: prefix("10.8%d.0.0/16", i), Site: geored.Site{Name: siteName(i), Pods: []netip.Prefix{prefix("10.9%d.0.0/16", i)}, Services: []netip.Prefix{prefix("10.13%d.0.0/16", i)}}}
		for j := range nodes {
			private := privateKey(t, fmt.Sprint(i, j))
			endpoint, err := geored.ParseEndpoint(fmt.Sprintf("203.0.113.%d:51820", 10*i+j+1))
			must(t, err)
			n := kilo.Node{Site: site.Name, Name: fmt.Sprintf("%s-%d", site.Name, j+1), Key: private.Public(), Endpoint: endpoint, LastSeen: noon, Granularity: kilo.ByNode,
				WireGuardIP: netip.PrefixFrom(address("10.8%d.0.%d", i, j+1), 16), PodCIDRs: []netip.Prefix{prefix("10.9%d.%d.0/24", i, j)}}
			keys[n.Key], s.nodes = private, append(s.nodes, n)
			site.Nodes = append(site.Nodes, geored.Node{Name: n.Name, Endpoint: endpoint})
			machines = append(machines, meshtest.Machine{Site: site.Name, Node: n.Name, Underlay: endpoint.Addr(),
				Pods: []netip.Addr{address("10.9%d.%d.7", i, j), address("10.13%d.0.7", i)}})
		}
		s.mesh.Sites = append(s.mesh.Sites, site)
	}
	s.layOut(t, nodes)
	s.Network = meshtest.New(t, geotest.StoppedClock(noon), machines...)
	must(t, s.UpAll(t.Context(), s.layout, keys))
	return s
}

func (s *sites) layOut(t *testing.T, nodes int) {
	t.Helper()
	if nodes > 1 {
		full, err := kilo.Plan(s.mesh, s.nodes, mesh.OneOwner)
		must(t, err)
		s.layout = full.Layout()
		return
	}
	var gateways []mesh.Gateway
	for i, site := range s.mesh.Sites {
		gateways = append(gateways, observed(site, mesh.DeviceState{PublicKey: s.nodes[i].Key}))
	}
	var err error
	s.layout, err = mesh.Plan(s.mesh, gateways)
	must(t, err)
}

func privateKey(t *testing.T, seed string) mesh.PrivateKey {
	t.Helper()
	key, err := mesh.NewPrivateKey(strings.NewReader(strings.Repeat(seed, 32)))
	must(t, err)
	return key
}

func siteName(i int) geored.SiteName { return geored.SiteName(fmt.Sprintf("dc%d", i+1)) }

func prefix(format string, args ...any) netip.Prefix {
	return netip.MustParsePrefix(fmt.Sprintf(format, args...))
}

func address(format string, args ...any) netip.Addr {
	return netip.MustParseAddr(fmt.Sprintf(format, args...))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *sites) sight() sight {
	found := sight{ends: map[geored.SiteName]view{}}
	for i := range s.mesh.Sites {
		found.sites = append(found.sites, siteName(i))
		found.ends[siteName(i)] = view{fakeSite{s, i}, fakeSite{s, i}}
	}
	return found
}

func (s *sites) gatewayProof() *Proof { return newProof(Mesh{Network: s.mesh}, s.sight()) }

func (s *sites) kiloProof() *Proof {
	told := map[geored.SiteName]kiloTold{}
	for i := range s.mesh.Sites {
		told[siteName(i)] = fakeSite{s, i}
	}
	return newKiloProof(KiloMesh{Network: s.mesh, Granularity: s.granularity}, s.sight(), told)
}

// fakeSite is one of the sites as a proof sees it.
type fakeSite struct {
	*sites
	i int
}

var (
	_ Devices  = fakeSite{}
	_ listener = fakeSite{}
	_ kiloTold = fakeSite{}
)

func (f fakeSite) Device(ctx context.Context, node, link string) (mesh.DeviceState, error) {
	if err := f.asked("%s interface %s", node, link); err != nil {
		return mesh.DeviceState{}, err
	}
	for i := range f.mesh.Sites {
		if i != f.i && f.busy > 0 {
			if err := f.transfer(ctx, address("10.9%d.0.7", i).String(), int64(f.busy)); err != nil {
				return mesh.DeviceState{}, err
			}
		}
	}
	state, err := f.Read(ctx, siteName(f.i), node)
	state.SampledAt = state.SampledAt.Add(time.Duration(f.readings[f.i].Add(1)) * 20 * time.Second)
	return state, err
}

func (f fakeSite) Sample(ctx context.Context, node string, q gateway.SampleQuestion) (mesh.Sample, error) {
	device, _ := f.layout.Device(siteName(f.i), node)
	var to geored.SiteName
	for key := range q.Through {
		peer, _ := device.Peer(key)
		to = peer.Site
	}
	if err := f.asked("%s samples of %s", node, to); err != nil {
		return mesh.Sample{}, err
	}
	read := func(ctx context.Context) (mesh.DeviceState, error) { return f.Read(ctx, siteName(f.i), node) }
	return mesh.TakeSample(ctx, device, to, read, func(ctx context.Context, p mesh.Peer) mesh.Probe {
		packet := meshtest.Packet{From: q.From, To: q.Through[p.PublicKey].Addr(), Bytes: mesh.ProbeBytes}
		answered, err := f.Exchange(ctx, siteName(f.i), node, packet)
		return mesh.Probe{Sent: err == nil, Answered: answered, Bytes: packet.Bytes}
	})
}

func (f fakeSite) LinkMTU(_ context.Context, node string, to netip.Addr) (int, error) {
	return 1500, f.asked("%s MTU to %s", node, to)
}

func (f fakeSite) Addresses(context.Context) (podIP, serviceIP string, err error) {
	return address("10.9%d.0.7", f.i).String(), address("10.13%d.0.7", f.i).String(), f.asked("%s addresses", siteName(f.i))
}

// bulkSize is of no question: how much is sent depends on what others send.
var bulkSize = regexp.MustCompile(`,"bytes":.*`)

// Ask answers as a pod on the site's first node.
func (f fakeSite) Ask(ctx context.Context, arguments []string, input []byte) ([]byte, error) {
	if err := f.asked("%s %q %s", siteName(f.i), arguments, bulkSize.ReplaceAll(input, nil)); err != nil {
		return nil, err
	}
	name, _ := probe.HandlerOf[probe.HTTP]()
	bulk, _ := probe.HandlerOf[probe.Bulk]()
	path, _ := probe.HandlerOf[probe.PathMTU]()
	return probe.Local{
		name: probe.HandlerFunc(f.http), bulk: probe.HandlerFunc(f.bulk), path: probe.HandlerFunc(f.pathMTU),
		gateway.AskLinkMTU: probe.HandlerFunc(func(context.Context, gateway.LinkQuestion) (int, error) { return f.layout.Devices[0].MTU, nil }),
	}.Ask(ctx, arguments, input)
}

var errLost = errors.New("nothing came back")

// send has the pod send a packet to another site's.
func (f fakeSite) send(ctx context.Context, to string, bytes int) error {
	host, _, _ := strings.Cut(to, ":")
	answered, err := f.Exchange(ctx, siteName(f.i), string(siteName(f.i))+"-1", meshtest.Packet{From: address("10.9%d.0.7", f.i), To: address("%s", host), Bytes: bytes})
	if err == nil && !answered {
		err = errLost
	}
	return err
}

func (f fakeSite) http(ctx context.Context, q probe.HTTP) (probe.HTTPAnswer, error) {
	to := strings.TrimSuffix(strings.TrimPrefix(q.URL, "http://"), "/")
	for i := range f.mesh.Sites {
		if strings.HasPrefix(to, fmt.Sprintf("10.9%d.", i)) || strings.HasPrefix(to, fmt.Sprintf("10.13%d.", i)) {
			answers := i
			if f.overlap {
				answers = f.i
			}
			body, err := json.Marshal(probe.Identity{Site: string(siteName(answers)), Pod: "probe"})
			return probe.HTTPAnswer{Status: 200, Body: string(body)}, errors.Join(err, f.send(ctx, to, 200))
		}
	}
	return probe.HTTPAnswer{}, fmt.Errorf("%s is no address of any site", to)
}

func (f fakeSite) bulk(ctx context.Context, q probe.Bulk) (probe.BulkAnswer, error) {
	if f.beside {
		return probe.BulkAnswer{Bytes: q.Bytes}, nil
	}
	return probe.BulkAnswer{Bytes: q.Bytes}, f.transfer(ctx, q.Address, q.Bytes)
}

func (f fakeSite) transfer(ctx context.Context, to string, bytes int64) error {
	const packet = 1400
	for left := bytes; left > 0; left -= packet {
		if err := f.send(ctx, to, packet); err != nil {
			return err
		}
	}
	return nil
}

func (f fakeSite) pathMTU(ctx context.Context, q probe.PathMTU) (probe.PathMTUAnswer, error) {
	for size := q.Max; size > 64; size-- {
		if err := f.send(ctx, q.Address, size); err == nil {
			return probe.PathMTUAnswer{MTU: size}, nil
		}
	}
	return probe.PathMTUAnswer{}, errLost
}

func (f fakeSite) Now(context.Context) (time.Time, error) {
	return noon, f.asked("%s time", siteName(f.i))
}

func (f fakeSite) kiloNodes(context.Context) ([]kilo.Node, geored.Faults, error) {
	var own []kilo.Node
	for _, n := range f.nodes {
		if n.Site == siteName(f.i) {
			own = append(own, n)
		}
	}
	return own, f.passedOver, f.asked("%s nodes", siteName(f.i))
}

func (f fakeSite) kiloPeers(context.Context) ([]kilo.Peer, error) {
	device, _ := f.layout.Device(siteName(f.i), "")
	return kilo.Peers(device), f.asked("%s peers", siteName(f.i))
}
