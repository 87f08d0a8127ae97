package cassandra

import (
	"net/netip"
	"testing"
)

// Addresses are given to others again: a row of the peers is deleted only when it is the lost node's.
func TestOnlyTheLostNodesRowIsForgotten(t *testing.T) {
	lost := Node{HostID: "lost", Internode: netip.MustParseAddr("10.0.0.2")}
	x := &replacing{plan: ReplacePlan{Lost: lost}}
	for name, test := range map[string]struct {
		peers           []Node
		gossip          []Gossip
		forget, waiting bool
	}{
		"nobody lists it":        {peers: []Node{{HostID: "new", Internode: lost.Internode}}},
		"one does":               {peers: []Node{lost}, forget: true, waiting: true},
		"at another address":     {peers: []Node{{HostID: "lost", Internode: netip.MustParseAddr("10.0.0.9")}}, waiting: true},
		"it is heard of":         {gossip: []Gossip{{HostID: "lost", Status: "NORMAL,7"}}, waiting: true},
		"it is heard of as gone": {gossip: []Gossip{{HostID: "lost", Status: "LEFT,7"}}},
		"both":                   {peers: []Node{lost}, gossip: []Gossip{{HostID: "lost", Status: "NORMAL"}}, forget: true, waiting: true},
	} {
		listing, err := x.lists(Ring{Views: []View{{Node: Node{HostID: "other"}, Peers: test.peers, Gossip: test.gossip}}})
		if len(listing) == 1 != test.forget || (err != nil) != test.waiting {
			t.Errorf("%s: %v, %v", name, listing, err)
		}
	}
	if listing, err := x.lists(Ring{Views: []View{{Node: lost}, {Node: Node{HostID: "other"}, Peers: []Node{lost}}}}); len(listing) > 0 || err != nil {
		t.Errorf("the same node came back, and is to be forgotten: %v, %v", listing, err)
	}
}
