package supervisor

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/georedkit/georedkit/internal/lab/config"
	"github.com/georedkit/georedkit/internal/lab/network"
)

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
