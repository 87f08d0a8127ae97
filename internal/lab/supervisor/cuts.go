package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/georedkit/georedkit/internal/lab/config"
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

// delay makes everything between two sites late, by so many milliseconds each way.
func (l *Laboratory) delay(ctx context.Context, args []string) ([]string, error) {
	milliseconds, err := strconv.Atoi(args[2])
	if err != nil || milliseconds < 1 {
		return nil, fmt.Errorf("delay %q: want milliseconds, one way", args[2])
	}
	delay := time.Duration(milliseconds) * time.Millisecond
	for _, pair := range bothWays(args[0], args[1]) {
		if err := l.setDelay(pair, delay); err != nil {
			return nil, err
		}
	}
	return l.measure(ctx, args[0], args[1], 2*delay)
}

// measure connects from one site to the other, which takes a round trip.
func (l *Laboratory) measure(ctx context.Context, a, b string, least time.Duration) ([]string, error) {
	from, to, err := l.ends([2]string{a, b})
	if err != nil {
		return nil, err
	}
	machines := from.alive()
	if len(machines) == 0 {
		return nil, fmt.Errorf("site %s: is stopped", a)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	started := time.Now()
	conn, err := machines[0].namespace.Dial(ctx, "tcp", net.JoinHostPort(to.plan.Nodes[0].WAN.String(), strconv.Itoa(config.APIPort)))
	took := time.Since(started)
	if err != nil {
		return nil, fmt.Errorf("measure the delay: %w", err)
	}
	conn.Close()
	if took < least {
		return nil, fmt.Errorf("a round trip takes %v, want %v or more", took, least)
	}
	return []string{fmt.Sprintf("a round trip takes %d ms", took.Milliseconds())}, nil
}

func (l *Laboratory) setDelay(pair [2]string, delay time.Duration) error {
	l.cutting.Lock()
	defer l.cutting.Unlock()
	from, to, err := l.ends(pair)
	if err != nil {
		return err
	}
	if err := l.fabric.SetDelay(from.plan, to.plan, delay); err != nil {
		return err
	}
	for _, m := range from.alive() {
		if err := network.Detour(m.namespace, to.plan, delay > 0); err != nil {
			return fmt.Errorf("site %s: %w", pair[0], err)
		}
	}
	l.note(delayed(pair), delay > 0)
	return nil
}

func delayed(pair [2]string) string { return fmt.Sprintf("delay %s -> %s", pair[0], pair[1]) }

// hasten ends those delays that there are.
func (l *Laboratory) hasten(pairs [][2]string) error {
	for _, pair := range pairs {
		if !l.has(delayed(pair)) {
			continue
		}
		if err := l.setDelay(pair, 0); err != nil {
			return err
		}
	}
	return nil
}

// plugged gives a node that comes up what its site suffers from.
func (l *Laboratory) plugged(s *site, namespace *network.Namespace) error {
	for _, other := range l.sites {
		if !l.has(delayed([2]string{s.plan.Name, other.plan.Name})) {
			continue
		}
		if err := network.Detour(namespace, other.plan, true); err != nil {
			return err
		}
	}
	var errs []error
	if l.has("drop-icmp " + s.plan.Name) {
		errs = append(errs, namespace.DropICMP(true))
	}
	if l.has("node-local-dns " + s.plan.Name) {
		errs = append(errs, namespace.HoldAddresses(true, linkLocal, s.plan.DNS), namespace.BypassServices(true, linkLocal, s.plan.DNS))
	}
	return errors.Join(errs...)
}

func (l *Laboratory) has(fault string) bool {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.faults[fault]
}

// dropICMP is what firewalls do that mean well: no ping, and nobody learns that a packet was too big.
func (l *Laboratory) dropICMP(_ context.Context, args []string) ([]string, error) {
	s, err := l.site(args[0])
	if err != nil {
		return nil, err
	}
	return []string{fmt.Sprintf("%d nodes drop ICMP", len(s.plan.Nodes))}, l.setICMP(s, true)
}

func (l *Laboratory) setICMP(s *site, dropped bool) error {
	for _, m := range s.alive() {
		if err := m.namespace.DropICMP(dropped); err != nil {
			return fmt.Errorf("site %s: %w", s.plan.Name, err)
		}
	}
	l.note("drop-icmp "+s.plan.Name, dropped)
	return nil
}
