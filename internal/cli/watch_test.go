package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
	"github.com/georedkit/georedkit/geored/watch"
)

func TestFaultyWatchesAreRefused(t *testing.T) {
	for want, args := range map[string][]string{
		"-watch 30s: only repeats checks":             {"-watch", "30s"},
		"-watch 10ms: is too short":                   {"-check", "-watch", "10ms"},
		"-listen 127.0.0.1:0: is for a watch":         {"-check", "-listen", "127.0.0.1:0"},
		"-listen 9464: is no address with a port":     {"-check", "-watch", "30s", "-listen", "9464"},
		"-watch 30s: has no end to report of":         {"-check", "-watch", "30s", "-report", "x.html"},
		"-watch 31s: has no end to report of, and it": {"-check", "-watch", "31s", "-events", "-"},
	} {
		if code, _, stderr := call(t, deployment{}, t.Context(), "", args...); code != ExitUsage || !strings.Contains(stderr, want) {
			t.Errorf("%v: exit code %d\n%s", args, code, stderr)
		}
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if code, _, stderr := call(t, deployment{verdict: geored.Pass}, t.Context(), "", "-check", "-watch", "1s", "-listen", taken.Addr().String()); code != ExitUsage || !strings.Contains(stderr, "-listen: ") {
		t.Errorf("a port that is taken: exit code %d\n%s", code, stderr)
	}
}

// turning is a deployment whose rounds differ, and which counts how often it was opened and closed.
type turning struct {
	deployment
	shared *turns
}

type turns struct {
	mu             sync.Mutex
	opened, closed int
	verdicts       []geored.Verdict
}

func (d turning) Connect(context.Context) error {
	d.shared.mu.Lock()
	defer d.shared.mu.Unlock()
	d.shared.opened++
	if d.shared.opened == 3 {
		return errors.New("site dc2 is away")
	}
	return nil
}

func (d turning) Checks() []geored.Check {
	d.shared.mu.Lock()
	defer d.shared.mu.Unlock()
	d.verdict = d.shared.verdicts[min(d.shared.opened, len(d.shared.verdicts))-1]
	return d.deployment.Checks()
}

func (d turning) Close() {
	d.shared.mu.Lock()
	defer d.shared.mu.Unlock()
	d.shared.closed++
}

// A watch tells the first state and each change, serves its metrics, changes nothing, and ends well when it is interrupted.
func TestWatch(t *testing.T) {
	file := filepath.Join(t.TempDir(), "topology")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	world := &geotest.World{}
	d := turning{deployment{world: world}, &turns{verdicts: []geored.Verdict{geored.Pass, geored.Fail}}}
	p := Program{Name: "test", Open: func([]byte, Options) (Deployment, error) { return d, nil }}
	ctx, stop := context.WithCancelCause(t.Context())
	events, stdout := io.Pipe()
	said, stderr := io.Pipe()
	codes := make(chan int, 1)
	go func() {
		codes <- p.Run(ctx, []string{"-topology", file, "-probe-image", "x", "-check", "-watch", "1s", "-listen", "127.0.0.1:0"}, strings.NewReader(""), stdout, stderr)
		stdout.Close()
		stderr.Close()
	}()
	url := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(said)
		for lines.Scan() {
			if _, at, ok := strings.Cut(lines.Text(), "http://"); ok {
				url <- "http://" + at
			}
		}
	}()
	decoder := json.NewDecoder(events)
	next := func() (e watch.Event) {
		t.Helper()
		if err := decoder.Decode(&e); err != nil {
			t.Fatal(err)
		}
		return e
	}
	if e := next(); e.Kind != watch.First || e.Verdict != geored.Pass || e.Check != "mesh/pods" || e.Site != "dc1" || e.To != "dc2" {
		t.Errorf("%+v", e)
	}
	if e := next(); e.Kind != watch.Changed || e.Was != geored.Pass || e.Verdict != geored.Fail || e.Message != "as told" {
		t.Errorf("%+v", e)
	}
	if e := next(); e.Kind != watch.Changed || e.Verdict != geored.Unknown || !strings.Contains(e.Message, "site dc2 is away") {
		t.Errorf("%+v", e)
	}
	at := <-url
	if text := fetched(t, at); !strings.Contains(text, `georedkit_watch_verdict{report="test",check="mesh/pods",site="dc1",to="dc2",verdict="pass"} 0`) ||
		!strings.Contains(text, "georedkit_watch_interval_seconds{report=\"test\"} 1\n") {
		t.Error(text)
	}
	if text := fetched(t, strings.Replace(at, "/metrics", "/healthz", 1)); !strings.Contains(text, "rounds, the last one ended") {
		t.Error(text)
	}
	stop(errInterrupted)
	go func() { _, _ = io.Copy(io.Discard, events) }()
	select {
	case code := <-codes:
		if code != ExitPass {
			t.Errorf("exit code %d", code)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
	}
	if _, err := http.Get(at); err == nil {
		t.Error("it serves on")
	}
	d.shared.mu.Lock()
	defer d.shared.mu.Unlock()
	if world.There("mesh/dc1") || d.shared.closed < 3 || d.shared.closed != d.shared.opened {
		t.Errorf("changed: %t; %d rounds were opened, %d closed", world.There("mesh/dc1"), d.shared.opened, d.shared.closed)
	}
}

func fetched(t *testing.T, url string) string {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v", answer.Status, err)
	}
	return string(text)
}
