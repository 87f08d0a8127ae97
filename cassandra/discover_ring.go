package cassandra

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/georedkit/georedkit/geored"
)

// answered are the host IDs of the nodes that answered.
func (d *discovery) answered() map[string]bool {
	ids := map[string]bool{}
	for _, r := range d.replies {
		if r.err == nil {
			ids[r.view.Node.HostID] = true
		}
	}
	return ids
}

// ring puts the replies in order: one view per host ID, and one silence per node that did not answer anywhere.
func (d *discovery) ring() Ring {
	r := Ring{Sites: d.Sites, Silent: d.lost}
	for _, s := range d.lost {
		r.nameless = append(r.nameless, s.Target)
	}
	answered, seen := d.answered(), map[string]bool{}
	for _, reply := range d.sorted() {
		switch id := d.hostID(reply); {
		case reply.err == nil && !seen[id]:
			r.Views = append(r.Views, reply.view)
			seen[id] = true
		case reply.err != nil && !answered[id] && (id == "" || !seen[id]):
			r.Silent = append(r.Silent, geored.Silence{Target: reply.target(), Reason: reply.err.Error()})
			r.silent = append(r.silent, d.describe(reply))
			seen[id] = true
		}
	}
	return r
}

// describe is what is known of a node that did not answer: what its peers tell of that address, or else of the node that
// answered there before.
func (d *discovery) describe(silent reply) Node {
	is := func(peer Node) bool { return peer.Address == silent.address }
	if n, found := d.peer(is); found {
		return n
	}
	was := d.hostAt(silent.address)
	if n, found := d.peer(func(peer Node) bool { return was != "" && peer.HostID == was }); found {
		return n
	}
	return Node{Site: silent.configured, Address: silent.address, HostID: was}
}

// peer is the first that any node tells of.
func (d *discovery) peer(is func(Node) bool) (Node, bool) {
	for _, r := range d.sorted() {
		if i := slices.IndexFunc(r.view.Peers, is); i >= 0 {
			return r.view.Peers[i], true
		}
	}
	return Node{}, false
}

func (d *discovery) hostID(r reply) string {
	if r.err == nil {
		return r.view.Node.HostID
	}
	return d.describe(r).HostID
}

// sorted gives the replies in a fixed order, contact points before the addresses that peers tell.
func (d *discovery) sorted() []reply {
	replies := make([]reply, 0, len(d.replies))
	for _, r := range d.replies {
		replies = append(replies, r)
	}
	slices.SortFunc(replies, func(a, b reply) int {
		return cmp.Or(cmp.Compare(a.target().Site, b.target().Site), a.address.Compare(b.address))
	})
	return replies
}

// nodes are all nodes that answered, then those that did not and are known by host ID.
func (r Ring) nodes() []Node {
	var nodes []Node
	for _, v := range r.Views {
		nodes = append(nodes, v.Node)
	}
	for _, n := range r.silent {
		if n.HostID != "" {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// answers are the views as [geored.Answers], so that findings say who was asked and who was silent.
func (r Ring) answers(ctx context.Context) geored.Answers[View] {
	var targets []geored.Target
	views, silent := map[geored.Target]View{}, map[geored.Target]string{}
	for _, v := range r.Views {
		targets = append(targets, v.Node.Target())
		views[v.Node.Target()] = v
	}
	for _, s := range r.Silent {
		targets = append(targets, s.Target)
		silent[s.Target] = s.Reason
	}
	return geored.Ask(context.WithoutCancel(ctx), targets, func(_ context.Context, t geored.Target) (View, error) {
		if reason, ok := silent[t]; ok {
			return View{}, fmt.Errorf("%s", reason)
		}
		return views[t], nil
	})
}
