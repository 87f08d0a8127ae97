package supervisor

import (
	"context"
	"fmt"

	"github.com/georedkit/georedkit/internal/lab/network"
)

// Faults of the network between sites.

func (l *Laboratory) cut(_ context.Context, args []string) ([]string, error) {
	return l.lose(network.Cut, bothWays(args[0], args[1]), true)
}

func (l *Laboratory) cutOneWay(_ context.Context, args []string) ([]string, error) {
	return l.lose(network.Cut, [][2]string{{args[0], args[1]}}, true)
}

func (l *Laboratory) isolate(_ context.Context, args []string) ([]string, error) {
	if len(l.sites) < 2 {
		return nil, fmt.Errorf("site %s: there is no other one", args[0])
	}
	return l.lose(network.Cut, l.pairsOf(args[0]), true)
}

func (l *Laboratory) hole(_ context.Context, args []string) ([]string, error) {
	return l.lose(network.Hole, bothWays(args[0], args[1]), true)
}

// mend takes back every fault of the network between the sites named, and with none named, in all of them.
func (l *Laboratory) mend(_ context.Context, args []string) ([]string, error) {
	pairs := [][2]string{}
	switch len(args) {
	case 2:
		pairs = bothWays(args[0], args[1])
	case 1:
		pairs = l.pairsOf(args[0])
	default:
		for _, s := range l.sites {
			pairs = append(pairs, l.pairsOf(s.plan.Name)...)
		}
	}
	if _, err := l.lose(network.Hole, pairs, false); err != nil {
		return nil, err
	}
	if err := l.hasten(pairs); err != nil {
		return nil, err
	}
	for _, s := range l.sites {
		if len(args) == 2 || len(args) == 1 && args[0] != s.plan.Name {
			continue
		}
		if err := l.setICMP(s, false); err != nil {
			return nil, err
		}
	}
	return l.lose(network.Cut, pairs, false)
}

func bothWays(a, b string) [][2]string { return [][2]string{{a, b}, {b, a}} }

// pairsOf are a site and each other one, both ways.
func (l *Laboratory) pairsOf(name string) [][2]string {
	pairs := [][2]string{}
	for _, other := range l.sites {
		if other.plan.Name != name {
			pairs = append(pairs, bothWays(name, other.plan.Name)...)
		}
	}
	return pairs
}

// ends are the two sites of a pair.
func (l *Laboratory) ends(pair [2]string) (from, to *site, err error) {
	if from, err = l.site(pair[0]); err != nil {
		return nil, nil, err
	}
	if to, err = l.site(pair[1]); err != nil {
		return nil, nil, err
	}
	if from == to {
		return nil, nil, fmt.Errorf("site %s: has no way between the sites to itself", pair[0])
	}
	return from, to, nil
}

func (l *Laboratory) lose(loss network.Loss, pairs [][2]string, on bool) ([]string, error) {
	// Two at once would read each other's half-made set.
	l.cutting.Lock()
	defer l.cutting.Unlock()
	var listed []string
	for _, pair := range pairs {
		from, to, err := l.ends(pair)
		if err != nil {
			return nil, err
		}
		if listed, err = l.fabric.SetLoss(loss, from.plan, to.plan, on); err != nil {
			return nil, err
		}
		l.note(fmt.Sprintf("%s %s -> %s", loss, pair[0], pair[1]), on)
	}
	evidence := []string{fmt.Sprintf("%d ways have a %s", len(listed), loss)}
	return append(evidence, listed...), nil
}
