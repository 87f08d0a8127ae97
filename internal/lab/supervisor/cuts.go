package supervisor

import (
	"context"
	"fmt"
)

// Faults of the network between sites.

func (l *Laboratory) cut(_ context.Context, args []string) ([]string, error) {
	return l.setCuts([][2]string{{args[0], args[1]}, {args[1], args[0]}}, true)
}

func (l *Laboratory) cutOneWay(_ context.Context, args []string) ([]string, error) {
	return l.setCuts([][2]string{{args[0], args[1]}}, true)
}

func (l *Laboratory) isolate(_ context.Context, args []string) ([]string, error) {
	if len(l.sites) < 2 {
		return nil, fmt.Errorf("site %s: there is no other one", args[0])
	}
	return l.setCuts(l.pairsOf(args[0]), true)
}

func (l *Laboratory) mend(_ context.Context, args []string) ([]string, error) {
	switch len(args) {
	case 2:
		return l.setCuts([][2]string{{args[0], args[1]}, {args[1], args[0]}}, false)
	case 1:
		return l.setCuts(l.pairsOf(args[0]), false)
	}
	var all [][2]string
	for _, s := range l.sites {
		all = append(all, l.pairsOf(s.plan.Name)...)
	}
	return l.setCuts(all, false)
}

// pairsOf are a site and each other one, both ways.
func (l *Laboratory) pairsOf(name string) [][2]string {
	pairs := [][2]string{}
	for _, other := range l.sites {
		if other.plan.Name != name {
			pairs = append(pairs, [2]string{name, other.plan.Name}, [2]string{other.plan.Name, name})
		}
	}
	return pairs
}

func (l *Laboratory) setCuts(pairs [][2]string, cut bool) ([]string, error) {
	// Two at once would read each other's half-made set.
	l.cutting.Lock()
	defer l.cutting.Unlock()
	var listed []string
	for _, pair := range pairs {
		from, err := l.site(pair[0])
		if err != nil {
			return nil, err
		}
		to, err := l.site(pair[1])
		if err != nil {
			return nil, err
		}
		if from == to {
			return nil, fmt.Errorf("site %s: cannot be cut from itself", pair[0])
		}
		if listed, err = l.fabric.SetCut(from.plan, to.plan, cut); err != nil {
			return nil, err
		}
		l.note(fmt.Sprintf("cut %s -> %s", pair[0], pair[1]), cut)
	}
	evidence := []string{fmt.Sprintf("%d pairs of ports are cut", len(listed))}
	return append(evidence, listed...), nil
}
