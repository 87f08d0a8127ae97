package cassandra

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

// forget takes the old node from a node's lists of its peers; drivers read the first or the second.
func (p ReplacePlan) forget() []string {
	var statements []string
	for _, table := range []string{"peers_v2", "peers"} {
		statements = append(statements, fmt.Sprintf("DELETE FROM system.%s WHERE peer = '%s'", table, p.Lost.Internode))
	}
	return statements
}

func (x *replacing) observeSettled(ctx context.Context) (geored.State, error) {
	progress, err := x.replacer.Progress(ctx, x.plan.Lost)
	if err != nil || progress == ReplaceBegun {
		return geored.State{Detail: "what only its first start needs is still set"}, err
	}
	ring, err := x.Ring(ctx)
	if err != nil {
		return geored.State{}, err
	}
	if err = x.placeTaken(ring); err == nil {
		_, err = x.lists(ring)
	}
	return stateOf(err, "nothing is left of the old one"), nil
}

// lists gives the nodes that have the old one among their peers, and can be made to forget it. The error says why it is
// not forgotten.
func (x *replacing) lists(ring Ring) (listing []Node, err error) {
	lost := x.plan.Lost
	if slices.ContainsFunc(ring.Views, func(v View) bool { return v.Node.HostID == lost.HostID }) {
		return nil, nil // the new server came back at its address, as the same node
	}
	var reasons []string
	for _, v := range ring.Views {
		if i := slices.IndexFunc(v.Peers, func(p Node) bool { return p.HostID == lost.HostID }); i >= 0 {
			if v.Peers[i].Internode == lost.Internode { // else the row of that address is somebody else's
				listing = append(listing, v.Node)
			}
			reasons = append(reasons, fmt.Sprintf("node %s lists %s at %s among its peers", v.Node.Address, lost.HostID, v.Peers[i].Internode))
		}
		// Whoever hears of it from there writes it down again.
		if strings.HasPrefix(v.heard(lost.HostID).Status, "NORMAL") {
			reasons = append(reasons, fmt.Sprintf("node %s tells others of %s", v.Node.Address, lost.Internode))
		}
	}
	if len(reasons) > 0 {
		err = errors.New(strings.Join(reasons, "; "))
	}
	return listing, err
}

// settle has the first start's settings taken away, and the old node forgotten.
func (x *replacing) settle(ctx context.Context) error {
	return x.await(ctx, "what is left of the old server to go", func() error {
		ring, err := x.Ring(ctx)
		if err == nil {
			err = x.placeTaken(ring)
		}
		if err != nil {
			return err
		}
		progress, err := x.replacer.Progress(ctx, x.plan.Lost)
		if err == nil && progress == ReplaceBegun {
			err = errors.Join(errors.New("the first start's settings are being taken away"), x.replacer.End(ctx, x.plan.Lost))
		}
		if err != nil {
			return err
		}
		return x.forget(ctx, ring)
	})
}

func (x *replacing) forget(ctx context.Context, ring Ring) error {
	listing, missing := x.lists(ring)
	for _, n := range listing {
		for _, statement := range x.plan.forget() {
			if err := x.query(ctx, n.Address, Query{CQL: statement}, func(Row) error { return nil }); err != nil {
				return fmt.Errorf("node %s: %s: %w", n.Address, statement, err)
			}
		}
	}
	return missing // until the next look finds it nowhere
}
