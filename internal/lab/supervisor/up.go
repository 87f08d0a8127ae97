package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sync/errgroup"

	"github.com/georedkit/georedkit/internal/lab/address"
	"github.com/georedkit/georedkit/internal/lab/config"
	"github.com/georedkit/georedkit/internal/lab/images"
	"github.com/georedkit/georedkit/internal/lab/network"
	"github.com/georedkit/georedkit/internal/lab/pki"
	"github.com/georedkit/georedkit/internal/lab/prereq"
	"github.com/georedkit/georedkit/internal/lab/wholefile"
)

// up starts all sites at once and announces the laboratory.
func (l *Laboratory) up(ctx context.Context, o Options) error {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	plan, err := address.Plan(o.Sites, o.Nodes)
	if err != nil {
		return err
	}
	// What a dead supervisor of the same name left.
	if err := l.destroy(l.group()); err != nil {
		return err
	}
	if err := os.Remove(l.folder.ready()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	remembered, err := l.folder.recall(o.Sites, o.Nodes)
	if err != nil {
		return err
	}
	if err := l.prepareMachines(o); err != nil {
		return err
	}
	if l.fabric, err = network.NewFabric(plan); err != nil {
		return err
	}
	for _, p := range plan {
		p, err := p.WithAPIServers(o.Servers)
		if err == nil {
			err = l.addSite(p, &remembered)
		}
		if err != nil {
			return fmt.Errorf("site %s: %w", p.Name, err)
		}
	}
	if remembered.ChartPort, err = l.serveCharts(remembered.ChartPort); err != nil {
		return err
	}
	l.chartRepo = l.readyChartRepo(remembered.ChartPort)
	if err := l.folder.remember(remembered); err != nil {
		return err
	}
	// The first failure ends the other starts.
	group, ctx := errgroup.WithContext(ctx)
	for _, s := range l.sites {
		group.Go(func() error {
			s.changing.Lock()
			defer s.changing.Unlock()
			return s.start(ctx)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return l.writeReady()
}

// prepareMachines finds and makes what all nodes share.
func (l *Laboratory) prepareMachines(o Options) error {
	var err error
	if l.runc, err = prereq.LookUp("runc"); err != nil {
		return err
	}
	l.snapshotter = prereq.Snapshotter(string(l.folder))
	file, err := os.Create(l.folder.images())
	if err != nil {
		return err
	}
	defer file.Close()
	if err := images.Write(file, append(images.BuiltIn(l.bin), l.stores.Images...)); err != nil {
		return err
	}
	l.images = []string{l.folder.images()}
	for i, archive := range o.Images {
		// Copied: the original may be anywhere, the folder is seen by all nodes.
		target := l.folder.path(fmt.Sprintf("image-%d.tar", i+1))
		if err := copyFile(archive, target); err != nil {
			return fmt.Errorf("image archive: %w", err)
		}
		l.images = append(l.images, target)
	}
	return file.Close()
}

func copyFile(source, target string) error {
	content, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	return wholefile.Write(target, content, 0o600)
}

func (l *Laboratory) addSite(plan address.Site, remembered *memory) error {
	authority, err := pki.Open(l.folder.certificates(plan.Name))
	if err != nil {
		return err
	}
	s := &site{lab: l, plan: plan, authority: authority}
	for i, address := range plan.APIServers() {
		key := plan.Name
		if i > 0 {
			key = fmt.Sprintf("%s/%d", plan.Name, i+1)
		}
		tunnel, err := listen(remembered.Ports[key], netip.AddrPortFrom(address, config.APIPort).String())
		if err != nil {
			return err
		}
		remembered.Ports[key] = tunnel.port()
		s.tunnels = append(s.tunnels, tunnel)
	}
	l.sites = append(l.sites, s)
	return s.writeKubeconfig()
}
