package ice

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/geored"
)

// A node that joins an installed pair is one more node to annotate, and one more that may stand among the peers of the other
// site; all else stays as it was planned. What the journal says was done is no difference.
func TestANodeThatIsAddedIsPlanned(t *testing.T) {
	plan := func(second ...geored.Node) geored.Plan {
		d := opened(t)
		for i := range d.mesh.Network.Sites {
			d.mesh.Network.Sites[i].Nodes = nil // read from the clusters
		}
		nodes := map[geored.SiteName][]geored.Node{
			"dc1": {{Name: "dc1-1", InternalIP: netip.MustParseAddr("192.168.1.105"), PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.90.0.0/24")}}},
			"dc2": append([]geored.Node{{Name: "dc2-1", InternalIP: netip.MustParseAddr("192.168.2.106"), PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.120.0.0/24")}}}, second...),
		}
		var faults geored.Faults
		for site, live := range nodes {
			faults = append(faults, d.adopt(site, live)...)
		}
		faults = append(faults, d.mesh.Network.Faults()...)
		if err := faults.Err(); err != nil {
			t.Fatal(err)
		}
		plan, err := d.Install().Plan(nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return plan
	}
	installed := plan()
	joined := plan(geored.Node{Name: "dc2-2", InternalIP: netip.MustParseAddr("192.168.2.107"), PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.120.1.0/24")}})
	mine := map[geored.StepID]bool{}
	for _, step := range installed.Steps() {
		mine[step.ID] = true
	}
	var added, changed []string
	for _, move := range installed.Moves(joined, mine) {
		if move.Was == "" {
			added = append(added, move.What)
			continue
		}
		changed = append(changed, move.What)
	}
	if !slices.Equal(added, []string{"step annotate/dc2/dc2-2"}) {
		t.Errorf("added: %q", added)
	}
	if !slices.Equal(changed, []string{"step peers/dc1/part2 given"}) {
		t.Errorf("changed: %q", changed)
	}
	for _, move := range installed.Moves(joined, mine) {
		if strings.HasPrefix(move.What, "step peers") && !strings.Contains(move.Is, "dc2-2") {
			t.Errorf("the new node may not be a peer: %s", move)
		}
	}
	back := joined.Moves(installed, nil)
	if len(back) != 2 || !slices.ContainsFunc(back, func(m geored.Move) bool { return m.What == "step annotate/dc2/dc2-2" && m.Is == "" }) {
		t.Errorf("a node that went: %v", back)
	}
}
