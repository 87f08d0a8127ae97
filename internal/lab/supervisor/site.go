package supervisor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/georedkit/georedkit/internal/lab/address"
	"github.com/georedkit/georedkit/internal/lab/config"
	"github.com/georedkit/georedkit/internal/lab/kubeapi"
	"github.com/georedkit/georedkit/internal/lab/node"
	"github.com/georedkit/georedkit/internal/lab/pki"
)

// site is one data centre of a laboratory.
type site struct {
	lab       *Laboratory
	plan      address.Site
	authority *pki.Authority
	tunnels   []*tunnel // to each of its API servers

	changing sync.Mutex                 // one start, stop or fault at a time
	machines atomic.Pointer[[]*machine] // by node, nil while the site is stopped
}

// running are the site's machines by node, nil while it is stopped.
func (s *site) running() []*machine {
	if machines := s.machines.Load(); machines != nil {
		return *machines
	}
	return nil
}

// alive are those of its machines that run: one node may be lost alone.
func (s *site) alive() []*machine {
	return slices.DeleteFunc(slices.Clone(s.running()), func(m *machine) bool { return m == nil })
}

// tooOften is how many times a server may die while its site starts. One or two are normal under load.
const tooOften = 5

// start brings the site up, from nothing or from what an earlier life left in its folder, and returns when its
// nodes are ready.
func (s *site) start(ctx context.Context) error {
	started := time.Now()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	group := new(errgroup.Group)
	machines := make([]*machine, len(s.plan.Nodes))
	for i, n := range s.plan.Nodes {
		group.Go(func() (err error) {
			machines[i], err = s.startNode(n, fail)
			return err
		})
	}
	err := group.Wait()
	s.machines.Store(&machines)
	if err == nil {
		s.leadInside(machines[0].namespace)
		err = s.awaitReady(ctx, started)
	}
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, context.Canceled) {
		err = cause
	}
	if err != nil {
		return fmt.Errorf("site %s: %w", s.plan.Name, err)
	}
	s.report("", "ready", "")
	return nil
}

func (s *site) report(node, stage, detail string) {
	s.lab.progress.report(s.plan.Name, node, stage, detail)
}

func (s *site) describe(n address.Node) config.Machine {
	return config.Machine{
		Site: s.plan, Node: n,
		Folder: s.lab.folder.node(s.plan.Name, n.Name), SiteFolder: s.lab.folder.site(s.plan.Name),
		Bin: s.lab.bin, Stores: s.lab.stores.Folders, Cgroup: s.lab.nodeGroup(s.plan, n), Snapshotter: s.lab.snapshotter, Runc: s.lab.runc,
	}
}

func (s *site) startNode(n address.Node, fail context.CancelCauseFunc) (*machine, error) {
	described := s.describe(n)
	if err := s.writeFiles(described); err != nil {
		return nil, fmt.Errorf("node %s: %w", n.Name, err)
	}
	m, err := startMachine(s.lab.tree, described.Cgroup+"/sys", node.LogFile(described, "init"))
	if err != nil {
		return m, fmt.Errorf("node %s: %w", n.Name, err)
	}
	if err := s.lab.fabric.Plug(s.plan, n, m.namespace); err != nil {
		return m, err
	}
	if described.ControlPlane() {
		if err := m.namespace.HoldAddresses(true, s.plan.Further...); err != nil {
			return m, err
		}
	}
	if err := s.lab.plugged(s, m.namespace); err != nil {
		return m, err
	}
	deaths := map[string]int{}
	spec := node.Spec{Machine: described, Images: s.lab.images, Keep: slices.AppendSeq([]string{string(s.lab.folder), s.lab.bin}, maps.Values(s.lab.stores.Folders))}
	return m, m.run(spec, func(r node.Report) {
		switch {
		case r.Failed != "":
			fail(fmt.Errorf("node %s: %s%s", n.Name, r.Failed, logTail(described, r.Server)))
		case r.Stage == "died":
			s.report(n.Name, r.Stage, r.Server)
			if deaths[r.Server]++; deaths[r.Server] == tooOften {
				fail(fmt.Errorf("node %s: %s, again and again%s", n.Name, r.Server, logTail(described, r.Server)))
			}
		default:
			s.report(n.Name, r.Stage, "")
		}
	})
}

// api is a client with the laboratory's identity, which dials inside the site.
func (s *site) api() (*kubeapi.Client, error) { return s.apiAt(config.Server(s.plan)) }

func (s *site) apiAt(server string) (*kubeapi.Client, error) {
	pair, err := s.authority.Issue(pki.Subject{Name: config.Laboratory, Groups: []string{"system:masters"}})
	if err != nil {
		return nil, err
	}
	return kubeapi.New(server, s.authority.Certificate, pair, s.running()[0].namespace.Dial)
}

// stop is the power cut of the whole site.
func (s *site) stop() error {
	s.leadInside(nil)
	machines := s.running()
	// First, because what is frozen does not die before it is thawed.
	errs := []error{s.lab.destroy(s.lab.siteGroup(s.plan))}
	for i, m := range machines {
		if m == nil {
			continue
		}
		m.kill()
		errs = append(errs, s.lab.fabric.Unplug(s.plan, s.plan.Nodes[i]))
	}
	s.machines.Store(nil)
	return errors.Join(errs...)
}
