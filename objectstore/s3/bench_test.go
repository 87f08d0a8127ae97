//go:build lab

package s3_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/objectstore"
	"github.com/georedkit/georedkit/objectstore/objecttest"
	"github.com/georedkit/georedkit/objectstore/s3"
)

// The benchmark compares with mc diff, rclone check and a bare drain of the same requests, in turns within one run, and
// reports the medians of the ratios of each turn. Set GEORED_BENCH_OBJECTS for other sizes, GEORED_BENCH_FOLDERS for
// another layout (1: flat), GEORED_BENCH_RTT for a longer way to the second site, and GEORED_BENCH_ONLY for some of the
// contestants, as in "drain plain mc".
func BenchmarkCompare(b *testing.B) {
	f := newField(b, setting("OBJECTS", 200_000), setting("FOLDERS", 500), time.Duration(setting("RTT", 0))*time.Millisecond)
	rounds := map[string][]usage{}
	for b.Loop() {
		for _, c := range f.contestants(b) {
			rounds[c.name] = append(rounds[c.name], f.run(b, c))
		}
	}
	ratio := func(name, over, under string) {
		var ratios []float64
		if rounds[over] == nil || rounds[under] == nil {
			return
		}
		for i := range rounds[over] {
			ratios = append(ratios, rounds[over][i].wall.Seconds()/rounds[under][i].wall.Seconds())
		}
		b.ReportMetric(median(ratios), name)
		b.Logf("%s %.2f", name, median(ratios)) // a million objects take longer to remove than anybody may wait
	}
	ratio("plain/drain", "plain", "drain")
	ratio("full/drain-full", "full", "drain-full")
	ratio("mcdiff/plain", "mc", "plain")
	ratio("rclone/plain", "rclone", "plain")
	for _, name := range []string{"plain", "full", "mc", "rclone"} {
		var cpu, memory, wall []float64
		if rounds[name] == nil {
			continue
		}
		for _, u := range rounds[name] {
			cpu = append(cpu, float64(u.cpu.Microseconds())/float64(2*f.objects))
			memory = append(memory, float64(u.memory)/1024)
			wall = append(wall, u.wall.Seconds())
		}
		b.ReportMetric(median(cpu), name+"-cpu-us/object")
		b.ReportMetric(slices.Max(memory), name+"-MB")
		b.ReportMetric(median(wall), name+"-s")
	}
	b.ReportMetric(0, "ns/op") // a round is no operation
}

func setting(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv("GEORED_BENCH_" + name)); err == nil {
		return n
	}
	return otherwise
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// field is two servers with as many objects each, a hundred of which differ.
type field struct {
	stores
	objects int
	urls    [2]string
	planted []objecttest.Planted
	drains  map[string][2][]string // the requests of a comparison, by name and site
	home    string
}

func newField(b *testing.B, objects, folders int, rtt time.Duration) *field {
	f := &field{stores: start(b), objects: objects, drains: map[string][2][]string{}, home: b.TempDir()}
	for i, site := range f.Sites {
		site.makeBucket(b, "files", objectstore.Versioned)
		f.urls[i] = site.URL
	}
	f.sow(b, folders)
	clientA, clientB := f.Sites[0].client(b, nil), f.Sites[1].client(b, nil)
	var err error
	f.planted, err = objecttest.Plant(b.Context(), objecttest.Plantation{A: "dc1", B: "dc2", StoreA: clientA, StoreB: clientB,
		Bucket: "files", Prefix: "planted/", Pause: func(ctx context.Context) error {
			return geored.SystemClock().Sleep(ctx, objectstore.ClockTolerance+1500*time.Millisecond)
		}})
	if err != nil {
		b.Fatal(err)
	}
	if rtt > 0 {
		relay := objecttest.NewRelay(b, f.Sites[1].URL)
		relay.SetRoundTrip(rtt)
		f.urls[1] = relay.URL
	}
	for name, full := range map[string]bool{"drain": false, "drain-full": true} {
		if wanted(name) {
			f.record(b, name, full)
		}
	}
	return f
}

// wanted says whether a contestant takes part.
func wanted(name string) bool {
	only := strings.Fields(os.Getenv("GEORED_BENCH_ONLY"))
	return len(only) == 0 || slices.Contains(only, name)
}

// sow gives both servers the same objects. One is written; the others are hard links to its metadata, which holds the
// content of small objects and no name.
func (f *field) sow(b *testing.B, folders int) {
	if err := f.Sites[0].client(b, nil).Put(b.Context(), objectstore.Ref{Bucket: "files", Key: "seed"}, 4,
		objectstore.Metadata{User: map[string]string{"owner": "bench"}}, strings.NewReader("same")); err != nil {
		b.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(f.Sites[0].Data, "files", "seed", "xl.meta"))
	if err != nil {
		b.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(f.Sites[0].Data, "files", "seed")); err != nil {
		b.Fatal(err)
	}
	for _, site := range f.Sites {
		bucket, seed := filepath.Join(site.Data, "files"), ""
		for i := range f.objects {
			dir := filepath.Join(bucket, fmt.Sprintf("p%03d", i%folders), fmt.Sprintf("object-%07d", i))
			if folders == 1 {
				dir = filepath.Join(bucket, fmt.Sprintf("object-%07d", i))
			}
			if err := os.MkdirAll(dir, 0o755); err != nil {
				b.Fatal(err)
			}
			// A file has a limit of links, so that some are files of their own.
			target := filepath.Join(dir, "xl.meta")
			if i%10_000 == 0 {
				seed, err = target, os.WriteFile(target, text, 0o644)
			} else {
				err = os.Link(seed, target)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

// usage is what one run cost its process.
type usage struct {
	wall, cpu time.Duration
	memory    int64 // peak resident, KiB; Linux only
}

type contestant struct {
	name    string
	command *exec.Cmd // nil: a drain
	found   func(output []byte) int
	want    int // zero: any
}

func (f *field) contestants(b *testing.B) []contestant {
	count := func(part string) func([]byte) int {
		return func(output []byte) int { return bytes.Count(output, []byte(part)) }
	}
	all := []contestant{
		{name: "drain"},
		{"plain", f.compare("plain"), count("\n"), 80},
		{"mc", f.mc(b), count(`"status":"success"`), 0}, // what is newer at the first site counts, also when it is equal
		{"rclone", f.rclone(b), count("\n"), 80},
		{name: "drain-full"},
		{"full", f.compare("full"), count("\n"), 100},
	}
	return slices.DeleteFunc(all, func(c contestant) bool { return !wanted(c.name) })
}

func (f *field) run(b *testing.B, c contestant) usage {
	began := time.Now()
	if c.command == nil {
		f.drain(b, c.name)
		return usage{wall: time.Since(began)}
	}
	var output, said bytes.Buffer
	c.command.Stdout, c.command.Stderr = &output, &said
	if err := c.command.Start(); err != nil {
		b.Fatal(err)
	}
	memory := watchMemory(c.command.Process.Pid)
	err := c.command.Wait()
	took := time.Since(began)
	found := c.found(output.Bytes())
	if c.want > 0 && found != c.want || found == 0 {
		b.Fatalf("%s found %d, want %d: %v\n%.2000s", c.name, found, c.want, err, said.String())
	}
	peak := memory()
	cpu := c.command.ProcessState.UserTime() + c.command.ProcessState.SystemTime()
	b.Logf("%-10s %7.2f s wall  %6.2f s cpu  %4d MB  %d found", c.name, took.Seconds(), cpu.Seconds(), peak/1024, found)
	return usage{took, cpu, peak}
}

// watchMemory reads the peak of a process's memory until it is gone. What the kernel tells of a dead child counts its
// parent's memory too, as it was before exec.
func watchMemory(pid int) (peak func() int64) {
	result := make(chan int64, 1)
	go func() {
		var last int64
		for {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			_, rest, ok := strings.Cut(string(text), "VmHWM:")
			if err != nil || !ok { // gone, or a zombie
				result <- last
				return
			}
			if n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64); err == nil {
				last = n
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	return func() int64 { return <-result }
}

func (f *field) mc(b *testing.B) *exec.Cmd {
	c := exec.Command(filepath.Join(f.Bin, "mc"), "--config-dir", filepath.Join(f.home, "mc"), "--json", "diff", "dc1/files", "dc2/files")
	c.Env = append(os.Environ(), f.environment(b, "MC_HOST_dc%d=%s")...)
	return c
}

func (f *field) rclone(b *testing.B) *exec.Cmd {
	c := exec.Command(filepath.Join(f.Bin, "rclone"), "--config", filepath.Join(f.home, "rclone.conf"), "check", "dc1:files", "dc2:files", "--differ", "-", "--missing-on-dst", "-", "--missing-on-src", "-", "--checkers", "16")
	c.Env = os.Environ()
	for i, site := range f.Sites {
		prefix := fmt.Sprintf("RCLONE_CONFIG_DC%d_", i+1)
		access, secret := site.keys(b)
		c.Env = append(c.Env, prefix+"TYPE=s3", prefix+"PROVIDER=Minio", prefix+"ENDPOINT="+f.urls[i], prefix+"ACCESS_KEY_ID="+access, prefix+"SECRET_ACCESS_KEY="+secret)
	}
	return c
}

func (f *field) environment(b *testing.B, format string) []string {
	var env []string
	for i, site := range f.Sites {
		access, secret := site.keys(b)
		env = append(env, fmt.Sprintf(format, i+1, strings.Replace(f.urls[i], "://", "://"+access+":"+secret+"@", 1)))
	}
	return env
}

// compare runs this test binary as the client, so that its costs are those of a comparison and of nothing else.
func (f *field) compare(mode string) *exec.Cmd {
	c := exec.Command(os.Args[0], "-test.run=^TestCompareAsAProgram$")
	task, err := json.Marshal(program{f.stores, f.urls, mode == "full"})
	if err != nil {
		return nil
	}
	c.Env = append(os.Environ(), "GEORED_BENCH_PROGRAM="+string(task))
	return c
}

type program struct {
	Stores stores
	URLs   [2]string
	Full   bool
}

func (p program) comparer(t testing.TB, edit func(int, *s3.Config)) objectstore.Comparer {
	var sites []objectstore.Site
	for i, site := range p.Stores.Sites {
		client := site.client(t, func(c *s3.Config) {
			c.URL = p.URLs[i]
			edit(i, c)
		})
		sites = append(sites, objectstore.Site{Name: site.Name, Store: client})
	}
	return objectstore.Comparer{Sites: sites, Buckets: []string{"files"}, Versions: p.Full, Metadata: p.Full}
}

// TestCompareAsAProgram is what the benchmark runs as a process of its own; on its own it does nothing and says so.
func TestCompareAsAProgram(t *testing.T) {
	var p program
	text := os.Getenv("GEORED_BENCH_PROGRAM")
	if text == "" {
		return // only the benchmark starts this program
	}
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		t.Fatal(err)
	}
	c := p.comparer(t, func(int, *s3.Config) {})
	c.Found = func(d objectstore.Difference) { fmt.Println(d) }
	if _, err := c.Compare(t.Context()); err != nil {
		t.Fatal(err)
	}
	os.Exit(0) // without the word PASS among the differences
}

// record compares once and keeps the addresses of all pages.
func (f *field) record(b *testing.B, name string, full bool) {
	var recorders [2]*recorder
	c := program{f.stores, f.urls, full}.comparer(b, func(i int, config *s3.Config) {
		recorders[i] = &recorder{RoundTripper: transport()}
		config.Transport = recorders[i]
	})
	var found []objectstore.Difference
	c.Found = func(d objectstore.Difference) { found = append(found, d) }
	if _, err := c.Compare(b.Context()); err != nil {
		b.Fatal(err)
	}
	if missed, invented := objecttest.Score(f.planted, found, !full); len(missed)+len(invented) > 0 {
		b.Fatalf("%s: missed %v, invented %v", name, missed, invented)
	}
	f.drains[name] = [2][]string{recorders[0].pages, recorders[1].pages}
	b.Logf("%s: %d and %d pages", name, len(recorders[0].pages), len(recorders[1].pages))
}

func transport() *http.Transport {
	return &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
}

type recorder struct {
	http.RoundTripper
	mu    sync.Mutex
	pages []string
}

func (r *recorder) RoundTrip(q *http.Request) (*http.Response, error) {
	if q.URL.Query().Has("max-keys") {
		r.mu.Lock()
		r.pages = append(r.pages, q.URL.String())
		r.mu.Unlock()
	}
	return r.RoundTripper.RoundTrip(q)
}

// drain asks for the same pages of both sites at once, as many at a time as a comparison does, and drops the bytes.
func (f *field) drain(b *testing.B, name string) {
	workers := 4
	if f.urls[1] != f.Sites[1].URL {
		workers = 16
	}
	var wg sync.WaitGroup
	for i, site := range f.Sites {
		access, secret := site.keys(b)
		client := &http.Client{Transport: transport()}
		pages := make(chan string, len(f.drains[name][i]))
		for _, page := range f.drains[name][i] {
			pages <- page
		}
		close(pages)
		for range workers {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for page := range pages {
					if err := s3.Drain(client, page, access, secret); err != nil {
						b.Error(err)
						return
					}
				}
			}()
		}
	}
	wg.Wait()
	runtime.GC()
}
