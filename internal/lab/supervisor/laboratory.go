// Package supervisor runs a laboratory: it starts the sites, does faults to them, and takes everything down.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/georedkit/georedkit/internal/lab/address"
	"github.com/georedkit/georedkit/internal/lab/cgroup"
	"github.com/georedkit/georedkit/internal/lab/network"
	"github.com/georedkit/georedkit/internal/lab/stores"
)

// Options say what laboratory to run.
type Options struct {
	Name     string
	Folder   string // absolute; "": the default one
	Sites    []string
	Nodes    int           // of each site
	Servers  int           // API servers of each site
	Images   []string      // archives to import beside the built-in ones
	Bin      string        // the programs
	Stores   stores.Stores // data stores that pods can run
	Timeout  time.Duration
	Progress io.Writer
}

// Laboratory is a running one.
type Laboratory struct {
	name        string
	folder      folder
	bin         string
	stores      stores.Stores
	runc        string
	snapshotter string
	images      []string
	tree        cgroup.Tree
	fabric      *network.Fabric
	sites       []*site
	progress    *Progress
	timeout     time.Duration // of a start
	down        context.CancelFunc
	charts      *http.Server
	chartRepo   ReadyChartRepo

	mutex  sync.Mutex
	faults map[string]bool     // what is applied now
	copies map[string][]copied // what expired tokens are to be put back to, by fault
	phase  phase

	cutting sync.Mutex
}

// phase is the part of its life a laboratory is in.
type phase string

const (
	phaseStarting  phase = "starting"
	phaseReady     phase = "ready"
	phaseGoingDown phase = "going down"
)

// Run runs a laboratory until the context ends or somebody asks it to go down. Nothing but its folder is left.
func Run(ctx context.Context, o Options) error {
	ctx, down := context.WithCancel(ctx)
	defer down()
	lab, err := prepare(o)
	if err != nil {
		return err
	}
	lab.down = down
	control, err := lab.listen(ctx)
	if err != nil {
		return err
	}
	defer control.Close()
	lock, err := lab.folder.open()
	if err != nil {
		return err
	}
	defer lock.Close()
	err = lab.up(ctx, o)
	if err == nil {
		lab.setPhase(phaseReady)
		lab.progress.report("", "", "ready", lab.folder.ready())
		<-ctx.Done()
	} else if ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	lab.setPhase(phaseGoingDown)
	return errors.Join(err, lab.teardown())
}

func prepare(o Options) (*Laboratory, error) {
	if !address.ValidLabel(o.Name) {
		return nil, fmt.Errorf("name %q: not a DNS label", o.Name)
	}
	if o.Folder == "" {
		var err error
		if o.Folder, err = DefaultFolder(o.Name); err != nil {
			return nil, err
		}
	}
	tree, err := cgroup.Detect()
	if err != nil {
		return nil, err
	}
	return &Laboratory{
		name: o.Name, folder: folder(o.Folder), bin: o.Bin, stores: o.Stores, tree: tree,
		progress: NewProgress(o.Progress), timeout: o.Timeout, faults: map[string]bool{}, phase: phaseStarting,
	}, nil
}

// teardown removes everything but the folder.
func (l *Laboratory) teardown() error {
	var errs []error
	for _, s := range l.sites {
		for _, t := range s.tunnels {
			t.listener.Close()
		}
	}
	// Everything at once: machines that are killed one by one would start to miss each other.
	errs = append(errs, l.destroy(l.group()))
	for _, s := range l.sites {
		s.changing.Lock()
		errs = append(errs, s.stop())
		s.changing.Unlock()
	}
	if l.charts != nil {
		errs = append(errs, l.charts.Close())
	}
	if l.fabric != nil {
		errs = append(errs, l.fabric.Close())
	}
	if err := os.Remove(l.folder.ready()); err != nil && !errors.Is(err, os.ErrNotExist) {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// groupPrefix begins the name of every laboratory's cgroup.
const groupPrefix = "georedkit-"

func (l *Laboratory) group() string                      { return groupPrefix + l.name }
func (l *Laboratory) siteGroup(site address.Site) string { return filepath.Join(l.group(), site.Name) }
func (l *Laboratory) nodeGroup(site address.Site, node address.Node) string {
	return filepath.Join(l.siteGroup(site), node.Name)
}

func (l *Laboratory) destroy(group string) error { return cgroup.Destroy(l.tree, group) }

func (l *Laboratory) setPhase(p phase) {
	l.mutex.Lock()
	l.phase = p
	l.mutex.Unlock()
}
