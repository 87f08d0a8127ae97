package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored/geotest"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/gateway"
)

// bench is a machine without a network: it remembers what was asked of it.
type bench struct {
	mu      sync.Mutex
	asked   []string
	state   mesh.DeviceState
	failing error
	made    []*line // the interfaces in this process
	kernel  bool    // has WireGuard, so none lives in this process
}

func (b *bench) did(format string, args ...any) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, fmt.Sprintf(format, args...))
	return b.failing
}

func (b *bench) said() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.asked, "; ")
}

func (b *bench) Read(context.Context, string) (mesh.DeviceState, error) {
	if b.state.Interface == "" {
		return mesh.DeviceState{}, os.ErrNotExist
	}
	return b.state, nil
}

func (b *bench) Up(_ context.Context, d mesh.Device, key mesh.PrivateKey) (tunnel, error) {
	if d.PublicKey != key.Public() {
		return nil, errors.New("another key is wanted")
	}
	if err := b.did("up %s", d.Interface); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	l := &line{own: !b.kernel, done: make(chan struct{})}
	if n := len(b.made); n > 0 && !b.made[n-1].ended() {
		l.own = false // it is there already
		return l, nil
	}
	b.made = append(b.made, l)
	return l, nil
}

func (b *bench) Down(_ context.Context, link string) error { return b.did("down %s", link) }

func (b *bench) Route(_ context.Context, prefixes []netip.Prefix, gateways ...netip.Addr) error {
	return b.did("route %v via %v", prefixes, gateways)
}

func (b *bench) last() *line {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.made[len(b.made)-1]
}

type line struct {
	own  bool
	once sync.Once
	done chan struct{}
}

func (l *line) InProcess() bool       { return l.own }
func (l *line) Done() <-chan struct{} { return l.done }
func (l *line) Close() error          { l.once.Do(func() { close(l.done) }); return nil }

func (l *line) ended() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

func agentOf(t *testing.T, node string, b *bench) Agent {
	return Agent{
		Config: gateway.Config{Node: "n1", InternalIPs: []netip.Addr{netip.MustParseAddr("10.0.0.1")}, Device: mesh.Device{
			Site: "dc1", Node: "n1", Interface: "wg0", ListenPort: 51820, MTU: 1420, Address: netip.MustParsePrefix("10.80.0.1/32")}},
		Node: node, KeyFile: filepath.Join(t.TempDir(), "wireguard.key"),
		Clock: geotest.NewClock(t, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)), wires: b,
	}
}

// running runs the agent until the test stops it, and gives the error it ended with.
func running(t *testing.T, a Agent) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	return func() error { cancel(); return <-ended }
}

func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	for range 10_000 {
		if so() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("waited in vain: " + what)
}

func TestTheGatewayHasItsInterface(t *testing.T) {
	b := &bench{}
	a := agentOf(t, "n1", b)
	began := a.Clock.Now()
	stop := running(t, a)
	await(t, "three rounds", func() bool { return strings.Count(b.said(), "up wg0") >= 3 })
	tunnel := b.last()
	if err := stop(); err != nil {
		t.Error(err)
	}
	if !strings.HasPrefix(b.said(), "route [] via []; up wg0") {
		t.Error(b.said())
	}
	if passed := a.Clock.Now().Sub(began); passed < 20*time.Second {
		t.Errorf("three rounds in %s", passed)
	}
	if !tunnel.ended() {
		t.Error("the interface outlives who holds it")
	}
}

func TestAnInterfaceOfTheKernelStays(t *testing.T) {
	b := &bench{kernel: true}
	stop := running(t, agentOf(t, "n1", b))
	await(t, "a round", func() bool { return strings.Contains(b.said(), "up") })
	if err := stop(); err != nil || b.last().ended() {
		t.Errorf("it was taken down, %v", err)
	}
}

func TestAnInterfaceThatEndsIsMadeAnewAtOnce(t *testing.T) {
	b := &bench{}
	a := agentOf(t, "n1", b)
	a.Clock = geotest.StoppedClock(time.Now()) // no time passes
	stop := running(t, a)
	await(t, "an interface", func() bool { return strings.Contains(b.said(), "up") })
	first := b.last()
	first.Close()
	await(t, "another", func() bool { return b.last() != first })
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestAnInterfaceThatCannotBeMadeAnewIsNotTriedWithoutPause(t *testing.T) {
	b := &bench{}
	a := agentOf(t, "n1", b)
	clock := geotest.StoppedClock(time.Now())
	a.Clock = clock
	stop := running(t, a)
	await(t, "an interface", func() bool { return strings.Contains(b.said(), "up") })
	b.mu.Lock()
	b.asked, b.failing = nil, errors.New("something else has its name")
	b.mu.Unlock()
	b.last().Close()
	tries := func() int { return strings.Count(b.said(), "route") }
	await(t, "another try", func() bool { return tries() == 1 })
	time.Sleep(50 * time.Millisecond) // in which thousands would fit
	if n := tries(); n != 1 {
		t.Errorf("%d tries while no time passed", n)
	}
	await(t, "a try after its pause", func() bool { clock.Advance(time.Second); return tries() > 1 })
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestAPlainNodeHasRoutesAndNoKey(t *testing.T) {
	b := &bench{}
	a := agentOf(t, "n2", b)
	private, err := mesh.NewPrivateKey(strings.NewReader(strings.Repeat("x", 32)))
	if err != nil {
		t.Fatal(err)
	}
	a.Config.Device.PublicKey = private.Public()
	a.Config.Device.Peers = []mesh.Peer{{Site: "dc2", Node: "m1", AllowedIPs: []netip.Prefix{netip.MustParsePrefix("10.120.0.0/16")}, PublicKey: testKey(t, "y").Public()}}
	stop := running(t, a)
	await(t, "a round", func() bool { return b.said() != "" })
	if err := stop(); err != nil {
		t.Error(err)
	}
	if !strings.HasPrefix(b.said(), "route [10.120.0.0/16] via [10.0.0.1]") || strings.Contains(b.said(), "up") || strings.Contains(b.said(), "down") {
		t.Error(b.said())
	}
	if _, err := os.Stat(a.KeyFile); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a key was made: %v", err)
	}
}

func testKey(t *testing.T, seed string) mesh.PrivateKey {
	t.Helper()
	key, err := mesh.NewPrivateKey(strings.NewReader(strings.Repeat(seed, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestAnOldGatewayGivesUpItsOwnInterfaceOnly(t *testing.T) {
	for name, c := range map[string]struct {
		public mesh.PublicKey
		want   string
	}{
		"its own":         {testKey(t, "a").Public(), "down wg0; route [] via [10.0.0.1]"},
		"somebody else's": {testKey(t, "b").Public(), "route [] via [10.0.0.1]"},
	} {
		b := &bench{state: mesh.DeviceState{Interface: "wg0", PublicKey: c.public}}
		a := agentOf(t, "n2", b)
		if err := os.WriteFile(a.KeyFile, []byte(testKey(t, "a").Reveal()), 0o600); err != nil {
			t.Fatal(err)
		}
		k := keeper{Agent: a.withDefaults()}
		if err := k.settle(t.Context()); err != nil || b.said() != c.want {
			t.Errorf("%s: %s, %v", name, b.said(), err)
		}
	}
}

func TestFailuresAreToldOnceAndTriedAgain(t *testing.T) {
	b := &bench{failing: errors.New("no such device")}
	a := agentOf(t, "n1", b)
	var log bytes.Buffer
	a.Logger = slog.New(slog.NewTextHandler(&log, nil))
	began := a.Clock.Now()
	stop := running(t, a)
	await(t, "three tries", func() bool { return strings.Count(b.said(), "route") >= 3 })
	if err := stop(); err != nil {
		t.Error(err)
	}
	if strings.Count(log.String(), "no such device") != 1 {
		t.Errorf("told: %s", log.String())
	}
	if passed := a.Clock.Now().Sub(began); passed < 2*time.Second {
		t.Errorf("three tries in %s", passed)
	}
}

func TestAKeyThatIsNotTheWantedOneIsNotReplaced(t *testing.T) {
	b := &bench{}
	a := agentOf(t, "n1", b)
	a.Config.Device.PublicKey = testKey(t, "lost").Public()
	k := keeper{Agent: a.withDefaults()}
	if err := k.settle(t.Context()); err == nil || strings.Contains(b.said(), "up") {
		t.Errorf("%s, %v", b.said(), err)
	}
}

func TestAnAgentThatCannotStart(t *testing.T) {
	for name, change := range map[string]func(*Agent){
		"no node":   func(a *Agent) { a.Node = "" },
		"no config": func(a *Agent) { a.Config = gateway.Config{} },
	} {
		a := agentOf(t, "n1", &bench{})
		change(&a)
		if err := a.Run(t.Context()); err == nil {
			t.Errorf("%s: it ran", name)
		}
	}
}

// TestKnock: a kernel that refuses answers, one that listens too; one that is silent for a single connection does not.
func TestKnock(t *testing.T) {
	here := netip.MustParseAddr("127.0.0.1")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	open := netip.MustParseAddrPort(listener.Addr().String())
	if !knock(t.Context(), here, open, time.Second) {
		t.Error("one that listens does not answer")
	}
	listener.Close()
	if !knock(t.Context(), netip.Addr{}, open, time.Second) {
		t.Error("one that refuses does not answer")
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if knock(over, netip.Addr{}, open, time.Second) {
		t.Error("nobody was asked, and an answer came")
	}
	// Behind an address of another machine nothing leaves here, and nothing comes back.
	if knock(t.Context(), netip.MustParseAddr("192.0.2.1"), open, 100*time.Millisecond) {
		t.Error("an answer without a question")
	}
}
