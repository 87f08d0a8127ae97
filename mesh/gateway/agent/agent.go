// Package agent is what runs on every node of a site that takes part in a mesh of gateways: see package gateway.
package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh/gateway"
)

// Agent keeps one node of a site as its config wants it.
type Agent struct {
	Config  gateway.Config
	Node    string        // the node it runs on
	KeyFile string        // of the private key; made on the gateway when it is not there
	Every   time.Duration // how often the node is looked after; zero: 10 s
	Clock   geored.Clock  // zero: the system's
	Logger  *slog.Logger  // zero: none

	wires wires // zero: the machine's
}

// Run looks after the node until the context ends. What goes wrong is logged and tried again: the reason may pass. An
// interface that the kernel has stays when it ends, so that a restart of the agent cuts no traffic; one that lives in
// this process goes.
func (a Agent) Run(ctx context.Context) error {
	if a.Node == "" {
		return errors.New("gateway: the node has no name")
	}
	if err := a.Config.Validate(); err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	k := keeper{Agent: a.withDefaults()}
	for {
		pause := k.Every
		err := k.settle(ctx)
		if err != nil {
			pause = min(pause, time.Second)
		}
		k.tell(ctx, err)
		if k.sleep(ctx, pause); ctx.Err() != nil {
			return k.close()
		}
	}
}

func (a Agent) withDefaults() Agent {
	if a.Every <= 0 {
		a.Every = 10 * time.Second
	}
	if a.Clock == nil {
		a.Clock = geored.SystemClock()
	}
	if a.Logger == nil {
		a.Logger = slog.New(slog.DiscardHandler)
	}
	if a.wires == nil {
		a.wires = machine{}
	}
	return a
}

// keeper is a running agent.
type keeper struct {
	Agent
	tunnel tunnel // the interface that lives in this process; nil: none does
	told   string
}

// tell logs what is news.
func (k *keeper) tell(ctx context.Context, err error) {
	if text := fmt.Sprint(err); text != k.told && ctx.Err() == nil {
		k.Logger.Info("node looked after", "node", k.Node, "gateway", k.Config.Node, "error", err)
		k.told = text
	}
}

// sleep ends early, once, when somebody removed the interface: nothing gets through until it is made anew.
func (k *keeper) sleep(ctx context.Context, pause time.Duration) {
	if k.tunnel == nil {
		_ = k.Clock.Sleep(ctx, pause)
		return
	}
	removed := k.tunnel.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-removed:
			cancel()
		case <-ctx.Done():
		}
	}()
	_ = k.Clock.Sleep(ctx, pause)
	select {
	case <-removed:
		k.tunnel = nil
	default:
	}
}

func (k *keeper) close() error {
	if k.tunnel == nil {
		return nil
	}
	return k.tunnel.Close()
}

// settle brings the node to what is wanted, changing only what differs.
func (k *keeper) settle(ctx context.Context) error {
	if k.Node != k.Config.Node {
		// Routes into an old interface would keep the site's traffic from the new gateway.
		return errors.Join(k.retire(ctx), k.wires.Route(ctx, k.Config.Device.Routes(), k.Config.InternalIPs...))
	}
	key, err := loadKey(k.KeyFile)
	if err != nil {
		return err
	}
	wanted := k.Config.Device
	if wanted.PublicKey.IsZero() {
		wanted.PublicKey = key.Public()
	}
	// A node that was a plain one before still has routes through the old gateway.
	if err := k.wires.Route(ctx, nil); err != nil {
		return err
	}
	tunnel, err := k.wires.Up(ctx, wanted, key)
	if tunnel != nil && tunnel.InProcess() { // also when a peer's name could not be resolved
		k.tunnel = tunnel
	}
	return err
}

// retire removes the interface that this node had when it was the gateway. Its key tells it from anybody else's.
func (k *keeper) retire(ctx context.Context) error {
	key, err := readKey(k.KeyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	link := k.Config.Device.Interface
	state, err := k.wires.Read(ctx, link)
	if errors.Is(err, fs.ErrNotExist) || err == nil && state.PublicKey != key.Public() {
		return nil
	}
	if err != nil {
		return err
	}
	return k.wires.Down(ctx, link)
}
