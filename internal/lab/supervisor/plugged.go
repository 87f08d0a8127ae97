package supervisor

import (
	"context"
	"errors"
	"fmt"

	"github.com/georedkit/georedkit/internal/lab/network"
)

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
