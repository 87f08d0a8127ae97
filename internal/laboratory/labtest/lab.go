package labtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/georedkit/georedkit/internal/laboratory"
)

// Shared is the laboratory of one test binary. It starts when the first test asks for it and ends with the process,
// however that ends:
//
//	var lab = labtest.Shared{Sites: 2, Nodes: 2}
//
//	func TestMain(m *testing.M) { lab.Main(m) }
type Shared struct {
	Sites int // named dc1, dc2, …
	Nodes int // of each site; zero: one
	// APIServers of each site; zero: one.
	APIServers int
	// Stores are data stores that pods can run: "cassandra", "kafka", "minio", "search"; "ice" is all of them, and its
	// applications.
	Stores []string

	once sync.Once
	up   *attended
	err  error
}

// Main runs the tests and takes the laboratory down after them.
func (s *Shared) Main(m *testing.M) {
	code := m.Run()
	if s.up != nil {
		if err := s.up.down(); err != nil {
			fmt.Fprintln(os.Stderr, "labtest:", err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// Lab is a running laboratory, for one test.
type Lab struct {
	laboratory.Running
	Probe string // the name of the probe image, which its nodes have
	t     testing.TB
}

// Up gives the laboratory to a test. Whatever the test did to it by [Lab.Fault] is mended after the test.
func (s *Shared) Up(t testing.TB) *Lab {
	t.Helper()
	s.once.Do(func() {
		s.up, s.err = attend(laboratory.Spec{Sites: s.Sites, Nodes: s.Nodes, APIServers: s.APIServers, Stores: s.Stores})
	})
	if s.err != nil {
		t.Fatal(s.err)
	}
	return &Lab{Running: s.up.Running, Probe: laboratory.ProbeRef, t: t}
}

// Found gives a test a laboratory that something else started, and takes down.
func Found(t testing.TB, running laboratory.Running) *Lab {
	return &Lab{Running: running, Probe: laboratory.ProbeRef, t: t}
}

// Kubeconfig is the file of a site's administrator.
func (l *Lab) Kubeconfig(site string) string { return filepath.Join(l.Dir, site+".kubeconfig") }

// Fault does something to the laboratory and gives what was seen of it. It is taken back when the test ends.
func (l *Lab) Fault(kind string, args ...string) string {
	l.t.Helper()
	l.t.Cleanup(l.Mend)
	seen, err := l.Running.Fault(l.t.Context(), kind, args...)
	if err != nil {
		l.t.Fatalf("fault %s %v: %v", kind, args, err)
	}
	return seen
}

// cures undo faults, by the first word of how the driver lists them.
var cures = map[string]string{
	"freeze": "thaw", "pause": "resume", "stop": "start", "lose-node": "return-node", "skew": "unskew", "new-key": "old-key",
	"second-dns": "one-dns", "node-local-dns": "no-node-local-dns", "dns-waits-for-all": "dns-waits-for-own",
	"stale-dns": "fresh-dns", "revoke-token": "unrevoke-token", "expire-token": "unexpire-token",
}

// Mend takes back every fault that is applied now.
func (l *Lab) Mend() {
	l.t.Helper()
	ctx, cancel := cleanup(l.t)
	defer cancel()
	faults := l.status(ctx).Faults
	onNetwork := func(fault string) bool { return cures[strings.Fields(fault)[0]] == "" }
	// The network first: what else is mended may need it.
	if slices.ContainsFunc(faults, onNetwork) {
		l.cure(ctx, "mend")
	}
	for _, fault := range slices.DeleteFunc(faults, onNetwork) {
		words := strings.Fields(fault)
		l.cure(ctx, cures[words[0]], words[1:]...)
	}
}

func (l *Lab) cure(ctx context.Context, kind string, args ...string) {
	l.t.Helper()
	if _, err := l.Running.Fault(ctx, kind, args...); err != nil {
		l.t.Errorf("%s %v: %v", kind, args, err)
	}
}

// cleanup is a context for what is done after the test's own has ended.
func cleanup(t testing.TB) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Minute)
}

func (l *Lab) status(ctx context.Context) laboratory.Status {
	l.t.Helper()
	status, err := l.Status(ctx)
	if err != nil {
		l.t.Fatal(err)
	}
	return status
}
