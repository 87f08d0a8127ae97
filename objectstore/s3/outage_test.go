//go:build lab

package s3_test

import (
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/objectstore"
	"github.com/georedkit/georedkit/objectstore/s3"
)

// server is a MinIO of the test's own, which it may kill.
type server struct {
	address, dir, bin string
	secret            string
	process           *exec.Cmd
}

func ownServer(t *testing.T, bin string) *server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{address: listener.Addr().String(), dir: t.TempDir(), bin: bin, secret: "only-for-this-test"}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	s.start(t)
	t.Cleanup(func() { s.kill() })
	return s
}

// start returns when the server answers.
func (s *server) start(t *testing.T) {
	s.process = exec.Command(filepath.Join(s.bin, "minio"), "server", "--quiet", "--address", s.address, s.dir)
	s.process.Env = append(os.Environ(), "MINIO_ROOT_USER=labadmin", "MINIO_ROOT_PASSWORD="+s.secret, "MINIO_BROWSER=off", "MINIO_UPDATE=off")
	if err := s.process.Start(); err != nil {
		t.Error(err)
		return
	}
	for until := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		resp, err := http.Get("http://" + s.address + "/minio/health/live")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(until) {
			t.Errorf("the server does not start: %v", err)
			return
		}
	}
}

func (s *server) kill() {
	_ = s.process.Process.Kill() // it may be dead already
	_ = s.process.Wait()
}

// credentials are a file as the laboratory writes it.
func (s *server) credentials(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(path, []byte(`{"accessKey":"labadmin","secretKey":"`+s.secret+`"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// restarting kills the server before its third page, and starts it again.
type restarting struct {
	http.RoundTripper
	pages atomic.Int32
	once  sync.Once
	act   func()
}

func (r *restarting) RoundTrip(q *http.Request) (*http.Response, error) {
	if q.URL.Query().Has("max-keys") && r.pages.Add(1) > 2 {
		r.once.Do(r.act)
	}
	return r.RoundTripper.RoundTrip(q)
}

// TestServerRestartedDuringCompare: nothing counts as missing, and the comparison goes on when the server is back.
func TestServerRestartedDuringCompare(t *testing.T) {
	running := start(t, "-sites", "1")
	own := ownServer(t, running.Bin)
	far := store{Name: "dc2", URL: "http://" + own.address, Credentials: own.credentials(t)}
	sites := []store{running.Sites[0], far}
	for _, site := range sites {
		site.makeBucket(t, "files", objectstore.Unversioned)
	}
	fill(t, sites, "files", 4000, 10)
	transport := &restarting{RoundTripper: transport(), act: func() { own.kill(); own.start(t) }}
	c := objectstore.Comparer{Buckets: []string{"files"}, Workers: 2}
	for i, site := range sites {
		c.Sites = append(c.Sites, objectstore.Site{Name: site.Name, Store: site.client(t, func(config *s3.Config) {
			if config.Attempts = 8; i == 1 {
				config.Transport = transport
			}
		})})
	}
	var found []objectstore.Difference
	c.Found = func(d objectstore.Difference) { found = append(found, d) }
	result, err := c.Compare(t.Context())
	if transport.pages.Load() < 3 {
		t.Fatal("the server was not restarted")
	}
	if err != nil || result.Verdict() != geored.Pass || len(found) > 0 || result.Buckets[0].Pairs[0].Equal() != 4000 {
		t.Errorf("%v, %v, %d found", result.Buckets, err, len(found))
	}
	own.kill()
	if result, err = c.Compare(t.Context()); !errors.Is(err, objectstore.ErrUnreachable) || result.Verdict() != geored.Unknown || len(found) > 0 {
		t.Errorf("a server that stays away: %v, %v, %d found", result.Verdict(), err, len(found))
	}
}

// TestDeletesComeBack: what is deleted while mirrors without --remove are away comes back when they start. A comparison
// with versions names the deletes, a catch-up carries them over first, and then nothing comes back.
func TestDeletesComeBack(t *testing.T) {
	s := start(t)
	home := t.TempDir()
	for _, site := range s.Sites {
		site.makeBucket(t, "files", objectstore.Versioned)
	}
	a, b := s.Sites[0].client(t, nil), s.Sites[1].client(t, nil)
	fill(t, s.Sites, "files", 20, 1)
	mirrors := func() (stop func()) {
		var running []*exec.Cmd
		for _, way := range [][2]string{{"dc1", "dc2"}, {"dc2", "dc1"}} {
			c := s.mc(t, home, [2]string{s.Sites[0].URL, s.Sites[1].URL}, "mirror", "--watch", way[0]+"/files", way[1]+"/files")
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			running = append(running, c)
		}
		stop = sync.OnceFunc(func() {
			for _, c := range running {
				_ = c.Process.Kill()
				_ = c.Wait()
			}
		})
		t.Cleanup(stop)
		verdicts(t, canary(t, s, 20*time.Second), bothWork, 5)
		return stop
	}
	isThere := func(key string) bool {
		_, err := a.Stat(t.Context(), objectstore.Ref{Bucket: "files", Key: key})
		if err != nil && !errors.Is(err, objectstore.ErrNoObject) {
			t.Fatal(err)
		}
		return err == nil
	}
	remove := func(key string) {
		time.Sleep(objectstore.ClockTolerance + time.Second) // newer than the object
		if err := a.Delete(t.Context(), objectstore.Ref{Bucket: "files", Key: key}); err != nil {
			t.Fatal(err)
		}
	}
	const lost, kept = "p000/object-000003", "p000/object-000007"
	remove(lost)
	stop := mirrors()
	for until := time.Now().Add(20 * time.Second); !isThere(lost); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("the fault does not bite: the object stays deleted")
		}
	}
	stop()

	remove(kept)
	var found []objectstore.Difference
	c := objectstore.Comparer{Sites: []objectstore.Site{{Name: "dc1", Store: a}, {Name: "dc2", Store: b}}, Buckets: []string{"files"}, Prefix: "p000/",
		Versions: true, Found: func(d objectstore.Difference) { found = append(found, d) }}
	if _, err := c.Compare(t.Context()); err != nil {
		t.Fatal(err)
	}
	plan, err := objectstore.PlanCatchUp(found, objectstore.CatchUpRules{From: "dc1", To: "dc2", Deletes: true})
	if err != nil || len(plan.Transfers) != 1 || plan.Transfers[0].Key != kept || plan.Transfers[0].Action != geored.Delete {
		t.Fatalf("plan: %+v, %v; found %v", plan, err, found)
	}
	if _, err := plan.Run(t.Context(), objectstore.TransferConfig{Source: a, Target: b}); err != nil {
		t.Fatal(err)
	}
	mirrors()
	time.Sleep(3 * time.Second)
	if isThere(kept) {
		t.Error("what was caught up comes back")
	}
}
