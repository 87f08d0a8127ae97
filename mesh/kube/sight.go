package kube

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/geored/probe"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/gateway"
)

// sight is how a mesh is looked at from inside its sites, whoever made it.
type sight struct {
	sites []geored.SiteName
	ends  map[geored.SiteName]view
}

// view is that of one site.
type view struct {
	devices Devices
	probe   listener
}

// listener is a site's probe pod: it is asked what it sees, and reached by the other sites' probes.
type listener interface {
	probe.Client
	// Addresses are where the other sites reach the pod and its service.
	Addresses(ctx context.Context) (podIP, serviceIP string, err error)
}

// probePod is the pod of a spec in its cluster.
type probePod struct {
	kube.Probe
	spec kube.ProbeSpec
}

func podOf(c *kube.Cluster, spec kube.ProbeSpec) probePod { return probePod{spec.Probe(c), spec} }

func (p probePod) Ask(ctx context.Context, arguments []string, input []byte) ([]byte, error) {
	if p.Cluster == nil {
		return nil, errNoCluster
	}
	return p.Probe.Ask(ctx, arguments, input)
}

func (p probePod) Addresses(ctx context.Context) (podIP, serviceIP string, err error) {
	if p.Cluster == nil {
		return "", "", errNoCluster
	}
	return p.spec.Addresses(ctx, p.Cluster)
}

// pairs are the ordered pairs of sites.
func (s sight) pairs() []geored.Target {
	var pairs []geored.Target
	for _, from := range s.sites {
		for _, to := range s.sites {
			if from != to {
				pairs = append(pairs, geored.Target{Site: from, To: to})
			}
		}
	}
	return pairs
}

func (s sight) near(t geored.Target) probe.Client { return s.ends[t.Site].probe }

// far are the addresses of the probe at the other end.
func (s sight) far(ctx context.Context, t geored.Target) (podIP, serviceIP string, err error) {
	podIP, serviceIP, err = s.ends[t.To].probe.Addresses(ctx)
	if err != nil {
		return "", "", fmt.Errorf("probe of site %s: %w", t.To, err)
	}
	return podIP, serviceIP, nil
}

// sample has a node speak through each of its tunnels to the other site between two readings of its interface: to the
// probe pod there, and where that is behind another tunnel to the kernel at the tunnel's end.
func (s sight) sample(ctx context.Context, layout mesh.Layout, t geored.Target) (mesh.Sample, error) {
	device, _ := layout.Device(t.Site, t.Name)
	question := gateway.SampleQuestion{Interface: device.Interface, Through: map[mesh.PublicKey]netip.AddrPort{}}
	podIP, _, err := s.far(ctx, t)
	if err != nil {
		return mesh.Sample{}, err
	}
	pod, err := netip.ParseAddr(podIP)
	if err != nil {
		return mesh.Sample{}, err
	}
	if own := device.Address.Addr(); own.Is4() == pod.Is4() {
		question.From = own
	}
	for _, peer := range device.Peers {
		switch carries := slices.ContainsFunc(peer.AllowedIPs, func(p netip.Prefix) bool { return p.Contains(pod) }); {
		case peer.Site != t.To:
		case carries:
			question.Through[peer.PublicKey] = netip.AddrPortFrom(pod, probe.EchoPort)
		default:
			end, _ := layout.Device(peer.Site, peer.Node)
			question.Through[peer.PublicKey] = netip.AddrPortFrom(end.Address.Addr(), 0)
		}
	}
	return s.ends[t.Site].devices.Sample(ctx, t.Name, question)
}

// reading is what tunnels have sent so far, by the clocks of their machines.
type reading struct {
	bytes int64
	at    time.Time
}

func (r reading) since(before reading) (bytes int64, took time.Duration) {
	return r.bytes - before.bytes, r.at.Sub(before.at)
}

// sent is what all tunnels of a site have sent to the other site so far. A device that lacks one of them is an answer
// too: found is false.
func (s sight) sent(ctx context.Context, layout mesh.Layout, t geored.Target) (r reading, found bool, err error) {
	var targets []geored.Target
	for _, d := range layout.Devices {
		if d.Site == t.Site {
			targets = append(targets, geored.Target{Site: d.Site, To: t.To, Name: d.Node})
		}
	}
	answers := geored.Ask(ctx, targets, func(ctx context.Context, t geored.Target) (mesh.DeviceState, error) {
		device, _ := layout.Device(t.Site, t.Name)
		return s.ends[t.Site].devices.Device(ctx, t.Name, device.Interface)
	})
	for _, silent := range answers.Unanswered() {
		return reading{}, false, silent
	}
	found = len(targets) > 0
	for t, state := range answers.All() {
		if state.SampledAt.After(r.at) {
			r.at = state.SampledAt
		}
		device, _ := layout.Device(t.Site, t.Name)
		for _, peer := range device.Peers {
			if live, ok := state.Peer(peer.PublicKey); peer.Site == t.To {
				r.bytes, found = r.bytes+live.SentBytes, found && ok
			}
		}
	}
	return r, found, nil
}

// tunnelTasks are the gates of the ordered pairs.
func (s sight) tunnelTasks(layout mesh.Layout) []geored.Task {
	var tasks []geored.Task
	for _, pair := range s.pairs() {
		targets := slices.DeleteFunc(mesh.HandshakeTargets(layout), func(t geored.Target) bool { return t.Site != pair.Site || t.To != pair.To })
		tasks = append(tasks, geored.Task{Observe: func(ctx context.Context) (geored.State, error) {
			answers := geored.Ask(ctx, targets, func(ctx context.Context, t geored.Target) (mesh.Sample, error) {
				return s.sample(ctx, layout, t)
			})
			for _, silent := range answers.Unanswered() {
				return geored.State{}, silent
			}
			state := geored.State{Done: len(targets) > 0, Detail: fmt.Sprintf("the layout has no tunnel %s", pair)}
			for _, f := range mesh.HandshakeFindings(layout, answers) {
				if state.Done {
					state = geored.State{Done: f.Verdict == geored.Pass, Detail: f.Message}
				}
			}
			return state, nil
		}})
	}
	return tasks
}
