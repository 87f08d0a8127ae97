package kube

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/kilo"
)

// IDs of the checks that a mesh of Kilo has besides those of every mesh.
const (
	CheckKiloNodes geored.CheckID = "mesh/kilo-nodes"
	CheckKiloPeers geored.CheckID = "mesh/kilo-peers"
)

// NewKiloProof makes the proof of a mesh that Kilo keeps. Each site's observers must run.
func NewKiloProof(m KiloMesh) *Proof {
	told := map[geored.SiteName]kiloTold{}
	for _, site := range m.Network.Sites {
		told[site.Name] = m.Ends[site.Name].Observers
	}
	return newKiloProof(m, m.sight(), told)
}

func newKiloProof(m KiloMesh, s sight, told map[geored.SiteName]kiloTold) *Proof {
	k := &kiloProof{KiloMesh: m, Proof: &Proof{sight: s}, told: told}
	nodes := []geored.CheckID{CheckKiloNodes}
	k.checks = []geored.Check{
		{ID: CheckKiloNodes, Title: "Kilo has settled on the nodes of each site", Run: k.nodes},
		{ID: CheckKiloPeers, Title: "each site has the Peer objects that the other sites' nodes call for", Needs: nodes, Run: k.peers},
		{ID: CheckGateways, Title: "every WireGuard interface that Kilo keeps is as planned", Needs: nodes, Run: k.devices},
	}
	return k.Proof
}

// kiloProof is the part of a proof that only Kilo's meshes have.
type kiloProof struct {
	KiloMesh
	*Proof
	told map[geored.SiteName]kiloTold

	known []kilo.Node // of all sites; written by the first check, on which all that read it depend
}

// kiloTold is what a site's API server tells of Kilo, and the site's time. [Observers] are.
type kiloTold interface {
	Now(ctx context.Context) (time.Time, error)
	kiloNodes(ctx context.Context) ([]kilo.Node, geored.Faults, error)
	kiloPeers(ctx context.Context) ([]kilo.Peer, error)
}

// kiloSite is what was read of one site.
type kiloSite struct {
	nodes     []kilo.Node
	faults    geored.Faults
	unsettled string
}

// nodes reads what Kilo tells of the nodes, and plans the mesh over it.
func (k *kiloProof) nodes(ctx context.Context) []geored.Finding {
	answers := geored.Ask(ctx, k.targets(), k.readSite)
	full, err := k.layOut(answers)
	if err == nil {
		k.plan(full.Layout())
	}
	return answers.Each(func(t geored.Target, s kiloSite) geored.Finding {
		f := geored.Finding{Verdict: geored.Pass, Message: fmt.Sprintf("Kilo has settled on %d nodes", len(s.nodes))}
		for _, fault := range s.faults {
			f.Verdict, f.Message, f.Remedy = geored.Warn, "Kilo passes over something that stands on a node: "+fault.Error(), fault.Remedy
			f.Evidence = append(f.Evidence, fault.Error())
		}
		switch {
		case s.unsettled != "":
			f.Verdict, f.Message, f.Remedy = geored.Fail, s.unsettled, "look at Kilo's pods, their arguments and their nodes' clocks"
		case err != nil:
			f.Verdict, f.Message = geored.Unknown, "the mesh could not be planned: "+err.Error()
			if faults, ok := geored.AsFaults(err); ok && slices.ContainsFunc(faults, func(f geored.Fault) bool { return f.Site == t.Site }) {
				f.Verdict = geored.Fail
			}
		}
		return f
	})
}

func (k *kiloProof) readSite(ctx context.Context, t geored.Target) (kiloSite, error) {
	var s kiloSite
	var err error
	if s.nodes, s.faults, err = k.told[t.Site].kiloNodes(ctx); err != nil {
		return s, err
	}
	now, err := k.told[t.Site].Now(ctx)
	if err != nil {
		return s, err
	}
	site, _ := k.Network.Site(t.Site)
	s.unsettled = k.KiloMesh.unsettled(site, s.nodes, now)
	return s, nil
}

func (k *kiloProof) layOut(answers geored.Answers[kiloSite]) (mesh.Full, error) {
	for _, silent := range answers.Unanswered() {
		return mesh.Full{}, silent
	}
	k.known = nil
	for _, s := range answers.All() {
		k.known = append(k.known, s.nodes...)
	}
	return kilo.Plan(k.network(), k.known, k.Sharing)
}

// peers holds the objects of each site against the plan.
func (k *kiloProof) peers(ctx context.Context) []geored.Finding {
	layout := k.planned()
	answers := geored.Ask(ctx, k.targets(), func(ctx context.Context, t geored.Target) ([]kilo.Peer, error) {
		return k.told[t.Site].kiloPeers(ctx)
	})
	return answers.Each(func(t geored.Target, live []kilo.Peer) geored.Finding {
		device, _ := layout.Device(t.Site, "")
		f := geored.Finding{Verdict: geored.Pass, Message: fmt.Sprintf("%d peers as planned", len(live))}
		for _, d := range kilo.Drift(device, live) {
			f.Evidence = append(f.Evidence, d.String())
		}
		for _, loss := range kilo.Losses(live) {
			f.Evidence = append(f.Evidence, fmt.Sprintf("peer %s loses %s to %s: %s", loss.Peer, loss.Prefix, loss.To, loss.Why))
		}
		if len(f.Evidence) > 0 {
			f.Verdict, f.Message, f.Remedy = geored.Fail, f.Evidence[0], "render the site's values anew from what the other sites' nodes tell, and install them"
		}
		return f
	})
}

// devices holds every WireGuard interface of the plan against it. Who reads annotations and objects alone knows what
// Kilo was asked to do.
func (k *kiloProof) devices(ctx context.Context) []geored.Finding {
	layout := k.planned()
	var targets []geored.Target
	for _, d := range layout.Devices {
		targets = append(targets, geored.Target{Site: d.Site, Name: d.Node})
	}
	answers := geored.Ask(ctx, targets, func(ctx context.Context, t geored.Target) (seen, error) {
		return look(ctx, k.ends[t.Site].devices, t.Name, k.network().Interface)
	})
	return answers.Each(func(t geored.Target, s seen) geored.Finding {
		if s.absent != nil {
			return s.absentFinding(t, "read the log of Kilo's pod on that node")
		}
		wanted, _ := layout.Device(t.Site, t.Name)
		site, _ := k.Network.Site(t.Site)
		return driftFinding(wanted, kilo.DeviceDrift(wanted, site, k.known, s.DeviceState))
	})
}
