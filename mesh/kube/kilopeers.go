package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/kilo"
)

// PeersTask is a task that applies those Peer objects of a site that are not as the layout has them, and is done when
// every device of the site carries to each peer what it should, as its observer reads it. Objects that the layout does
// not have stay. Where a chart makes the objects, install its values anew afterwards, or its next upgrade brings the old
// ones back.
func (m KiloMesh) PeersTask(step geored.Step, site geored.SiteName, full mesh.Full) geored.Task {
	return m.peersTask(step, site, full, func(kilo.Peer) bool { return true },
		func(wanted mesh.Peer, got []netip.Prefix) bool { return slices.Equal(got, wanted.AllowedIPs) })
}

// releaseTask is a task that takes the moved prefixes from their old owner at one site, and is done when no device there sends
// them to it, whoever else has them: a hand-over that is carried out again takes nothing from the new owner.
func (m KiloMesh) releaseTask(step geored.Step, site geored.SiteName, move mesh.Move) geored.Task {
	isMoved := func(p netip.Prefix) bool { return slices.Contains(move.Prefixes, p) }
	return m.peersTask(step, site, move.Release, func(p kilo.Peer) bool { return p.Metadata.Name == move.From },
		func(wanted mesh.Peer, got []netip.Prefix) bool {
			return wanted.Site != move.Site || wanted.Node != move.From || !slices.ContainsFunc(got, isMoved)
		})
}

// peersTask applies some of the layout's Peer objects, and is done when devices send to each peer what is right.
func (m KiloMesh) peersTask(step geored.Step, site geored.SiteName, full mesh.Full, some func(kilo.Peer) bool, right func(wanted mesh.Peer, got []netip.Prefix) bool) geored.Task {
	peers := slices.DeleteFunc(kilo.Peers(mesh.Device{Peers: full.Peers(site)}), func(p kilo.Peer) bool { return !some(p) })
	cluster := m.Ends[site].Observers.Cluster
	return kube.Retrying(geored.Task{
		Step: step,
		Observe: func(ctx context.Context) (geored.State, error) {
			live, err := KiloPeers(ctx, cluster)
			if err != nil {
				return geored.State{}, err
			}
			if differing := differingPeers(peers, live); len(differing) > 0 {
				return geored.State{Detail: fmt.Sprintf("peer %s is not as planned", differing[0].Metadata.Name)}, nil
			}
			return m.carried(ctx, site, full, right)
		},
		Apply: func(ctx context.Context) error {
			live, err := KiloPeers(ctx, cluster)
			if err != nil {
				return err
			}
			objects, err := peerObjects(differingPeers(peers, live))
			if err != nil {
				return err
			}
			return cluster.Apply(ctx, objects...)
		},
	})
}

// carried says whether the kernel of every node of a site sends to each peer of the layout what is right.
func (m KiloMesh) carried(ctx context.Context, site geored.SiteName, full mesh.Full, right func(wanted mesh.Peer, got []netip.Prefix) bool) (geored.State, error) {
	var targets []geored.Target
	for g := range full.Nodes() {
		if g.Site == site {
			targets = append(targets, geored.Target{Site: site, Name: g.Node})
		}
	}
	answers := geored.Ask(ctx, targets, func(ctx context.Context, t geored.Target) (seen, error) {
		return look(ctx, m.Ends[site].Observers, t.Name, m.network().Interface)
	})
	for _, silent := range answers.Unanswered() {
		return geored.State{}, silent
	}
	for t, s := range answers.All() {
		if s.absent != nil {
			return geored.State{Detail: fmt.Sprintf("node %s: %v", t.Name, s.absent)}, nil
		}
		wanted, _ := full.Device(t.Site, t.Name)
		for _, peer := range wanted.Peers {
			if got, _ := s.Peer(peer.PublicKey); !right(peer, got.AllowedIPs) {
				return geored.State{Detail: fmt.Sprintf("node %s: to peer %s it sends %v instead of %v", t.Name, peer.Node, got.AllowedIPs, peer.AllowedIPs)}, nil
			}
		}
	}
	return geored.State{Done: true, Detail: fmt.Sprintf("%d devices as planned", len(targets))}, nil
}

// differingPeers are those of wanted that are not there, or are otherwise.
func differingPeers(wanted, live []kilo.Peer) []kilo.Peer {
	return slices.DeleteFunc(slices.Clone(wanted), func(p kilo.Peer) bool {
		i := slices.IndexFunc(live, func(l kilo.Peer) bool { return l.Metadata.Name == p.Metadata.Name })
		return i >= 0 && p.Same(live[i])
	})
}

func peerObjects(peers []kilo.Peer) ([]*kube.Object, error) {
	var manifests []string
	for _, p := range peers {
		text, err := json.Marshal(p)
		if err != nil {
			return nil, err
		}
		manifests = append(manifests, string(text))
	}
	return kube.ReadObjects([]byte(strings.Join(manifests, "\n---\n")))
}

// HandOver are the two stages of a move: in every other site first nobody has the moved prefixes, then the new owner.
// That they are two, and that the first ends only when every device was seen without them, is what keeps two peers from
// claiming one prefix, which Kilo and WireGuard settle by name and by order. Between them the prefixes are unreachable. A
// node of another site that does not answer holds the move up.
func (m KiloMesh) HandOver(move mesh.Move) []geored.Stage {
	release := m.moveStage(move, "release", move.Release, fmt.Sprintf("nobody may have what %s hands over before %s takes it", move.From, move.To))
	claim := m.moveStage(move, "claim", move.Claim, fmt.Sprintf("%s takes over from %s", move.To, move.From))
	return []geored.Stage{release, claim}
}

func (m KiloMesh) moveStage(move mesh.Move, verb string, full mesh.Full, reason string) geored.Stage {
	node := move.From
	if verb == "claim" {
		node = move.To
	}
	var tasks []geored.Task
	for _, site := range m.Network.Sites {
		if site.Name == move.Site {
			continue
		}
		step := geored.Step{ID: geored.StepID(fmt.Sprintf("mesh/%s/%s/%s", move.Site, verb, site.Name)), Site: site.Name,
			Target: kilo.PeerPlural + "/" + node, Action: geored.Apply, Reason: reason}
		for _, p := range kilo.Peers(mesh.Device{Peers: full.Peers(site.Name)}) {
			if p.Metadata.Name == node {
				step.Manual = []string{fmt.Sprintf(`kubectl patch peer.kilo.squat.ai %s --type merge -p '{"spec":{"allowedIPs":["%s"]}}'`, node, strings.Join(p.Spec.AllowedIPs, `","`))}
			}
		}
		if verb == "release" {
			tasks = append(tasks, m.releaseTask(step, site.Name, move))
			continue
		}
		tasks = append(tasks, m.PeersTask(step, site.Name, full))
	}
	return geored.StageOf(fmt.Sprintf("%s %s", verb, move.Site), tasks...)
}
