// Package agent is what runs on every node of a site that takes part in a mesh of gateways: see package gateway.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh/device"
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
}

// Run looks after the node until the context ends. What goes wrong is logged and tried again: the reason may pass. The
// interface stays when the kernel has it, so that a restart of the agent cuts no traffic.
func (a Agent) Run(ctx context.Context) error {
	if a.Every <= 0 {
		a.Every = 10 * time.Second
	}
	if a.Clock == nil {
		a.Clock = geored.SystemClock()
	}
	if a.Logger == nil {
		a.Logger = slog.New(slog.DiscardHandler)
	}
	if a.Node == "" {
		return errors.New("gateway: the node has no name")
	}
	told := ""
	for {
		pause := a.Every
		err := a.settle(ctx)
		if err != nil {
			pause = min(pause, time.Second)
		}
		if text := fmt.Sprint(err); text != told && ctx.Err() == nil {
			a.Logger.Info("node looked after", "node", a.Node, "gateway", a.Config.Node, "error", err)
			told = text
		}
		if a.Clock.Sleep(ctx, pause) != nil {
			return nil
		}
	}
}

// settle brings the node to what is wanted, changing only what differs.
func (a Agent) settle(ctx context.Context) error {
	if a.Node != a.Config.Node {
		return device.Route(ctx, a.Config.Device.Routes(), a.Config.InternalIPs...)
	}
	key, err := loadKey(a.KeyFile)
	if err != nil {
		return err
	}
	wanted := a.Config.Device
	if wanted.PublicKey.IsZero() {
		wanted.PublicKey = key.Public()
	}
	// A node that was a plain one before still has routes through the old gateway.
	if err := device.Route(ctx, nil); err != nil {
		return err
	}
	_, err = device.Up(ctx, wanted, key)
	return err
}
