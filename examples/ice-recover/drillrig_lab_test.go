//go:build lab

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/georedkit/georedkit/examples/internal/ice"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/geored/probe"
	"github.com/georedkit/georedkit/internal/laboratory"
	product "github.com/georedkit/georedkit/internal/laboratory/ice"
	"github.com/georedkit/georedkit/internal/laboratory/joined"
	"github.com/georedkit/georedkit/internal/laboratory/labtest"
	"github.com/georedkit/georedkit/internal/laboratory/secrets"
)

// drillLab names a laboratory in which ice-install installed the product and which stays; it is made when it is not there.
// Without it the drills make one of their own and take it down.
const drillLab = "GEOREDKIT_DRILL_LAB"

// installed is the one laboratory of all drills.
type installed struct {
	once     sync.Once
	programs string // the folder of the built ones
	running  laboratory.Running
	topology string
	err      error
}

var whole installed

func TestMain(m *testing.M) {
	code := m.Run()
	if err := whole.leave(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func (w *installed) leave() (err error) {
	if w.running.Name != "" && os.Getenv(drillLab) == "" {
		err = w.running.Down(context.Background())
	}
	return errors.Join(err, os.RemoveAll(w.programs))
}

// up builds the programs, and installs the product where it is not.
func (w *installed) up(ctx context.Context) (err error) {
	if w.programs, err = os.MkdirTemp("", "drills-"); err != nil {
		return err
	}
	if output, err := exec.CommandContext(ctx, "go", "build", "-o", w.programs, ".", "../ice-install").CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, output)
	}
	driver, err := laboratory.Driver(ctx)
	if err != nil {
		return err
	}
	name := cmp.Or(os.Getenv(drillLab), fmt.Sprintf("drills-%d", os.Getpid()))
	running, found, err := driver.Find(ctx, name)
	if err == nil && !found {
		install := func() ([]byte, error) {
			return exec.CommandContext(ctx, filepath.Join(w.programs, "ice-install"), "-whole", "-keep", "-lab", name).CombinedOutput()
		}
		output, failed := install()
		if failed != nil {
			output, failed = install() // a busy machine leaves one answer or other out of the proof: the second run asks again
		}
		if running, found, err = driver.Find(ctx, name); failed != nil {
			err = fmt.Errorf("ice-install: %w\n%s", failed, output)
		}
	}
	if found {
		w.running = running
	}
	if err != nil {
		return err
	}
	text, err := os.ReadFile(running.Topology())
	if err != nil {
		return err
	}
	w.topology = filepath.Join(running.Dir, "drills.yaml")
	return os.WriteFile(w.topology, append(text, ice.LaboratoryApplications...), 0o600)
}

// rig is the product in two sites, for one drill.
type rig struct {
	*product.ICE
	t       *testing.T
	d       *ice.Deployment
	journal string
	outputs string                       // the folder with what programs wrote
	base    product.Counts               // at both sites at the beginning
	wrote   map[geored.SiteName][]string // the messages of this drill
	row     drilled
	last    *chan call // of the program that was started last
}

func newRig(t *testing.T) *rig {
	t.Helper()
	whole.once.Do(func() { whole.err = whole.up(context.WithoutCancel(t.Context())) })
	if whole.err != nil {
		t.Fatal(whole.err)
	}
	r := &rig{t: t, ICE: product.On(t, joined.Found(t, labtest.Found(t, whole.running))), journal: t.TempDir(), outputs: t.TempDir(), wrote: map[geored.SiteName][]string{}}
	text, err := os.ReadFile(whole.topology)
	r.must(err)
	topology, err := ice.ParseTopology(text)
	r.must(err)
	r.d, err = ice.Open(topology.In(filepath.Dir(whole.topology)), ice.Options{Images: ice.Images{Probe: laboratory.ProbeRef}})
	r.must(err)
	t.Cleanup(r.d.Close)
	r.must(r.d.Complete(t.Context()))
	return r
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// call is one run of a program.
type call struct {
	code           int
	stdout, stderr string
	ended          time.Time
}

// result is what a program reports: what it proved, and the steps of its run.
type result struct {
	geored.Report
	Run struct {
		Steps []struct {
			ID     geored.StepID `json:"id"`
			Status geored.Status `json:"status"`
			Detail string        `json:"detail"`
			Error  string        `json:"error"`
			Took   time.Duration `json:"tookNs"`
		} `json:"steps"`
	} `json:"run"`
}

func (r *rig) parsed(c call) result {
	r.t.Helper()
	var found result
	if err := json.Unmarshal([]byte(c.stdout), &found); err != nil {
		r.t.Fatalf("exit code %d: %v in:\n%s\n%s", c.code, err, c.stdout, c.stderr)
	}
	return found
}

// recover begins a run of ice-recover as an operator would have it.
func (r *rig) recover(args ...string) (wait func() call) {
	r.t.Helper()
	return r.start("ice-recover", append([]string{"-topology", whole.topology, "-probe-image", laboratory.ProbeRef, "-yes", "-journal", r.journal, "-output", "json"}, args...)...)
}

func (r *rig) start(program string, args ...string) (wait func() call) {
	r.t.Helper()
	kept, err := os.CreateTemp(r.outputs, program)
	r.must(err)
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(context.WithoutCancel(r.t.Context()), filepath.Join(whole.programs, program), args...)
	command.Stdout, command.Stderr = io.MultiWriter(kept, &stdout), io.MultiWriter(kept, &stderr)
	r.must(command.Start())
	ended := make(chan call, 1)
	r.last = &ended
	go func() {
		_ = command.Wait() // its code is what counts
		kept.Close()
		ended <- call{command.ProcessState.ExitCode(), stdout.String(), stderr.String(), time.Now()}
	}()
	return func() call { return <-ended }
}

// tellsNoSecret holds what the programs wrote in this drill, to people, journals and ConfigMaps, against the sites' Secrets.
func (r *rig) tellsNoSecret() {
	r.t.Helper()
	every := slices.Collect(maps.Values(r.Clusters))
	known := secrets.Of(r.t, every...)
	known.NotInConfigMaps(r.t, every...)
	if searched := known.NotBelow(r.t, "", r.outputs, r.journal); searched < 2 {
		r.t.Errorf("only %d files were searched", searched)
	}
}

// goesOn ends the test when the program that was started last has ended.
func (r *rig) goesOn() {
	r.t.Helper()
	select {
	case c := <-*r.last:
		r.t.Fatalf("exit code %d\n%s\n%s", c.code, c.stderr, c.stdout)
	default:
	}
}

// install runs ice-install once more: it mends what an outage left behind.
func (r *rig) install() {
	r.t.Helper()
	if c := r.start("ice-install", "-lab", whole.running.Name, "-keep", "-output", "json")(); c.code != 0 {
		r.t.Fatalf("ice-install: exit code %d\n%s\n%s", c.code, c.stderr, c.stdout)
	}
}

// plan gives what ice-recover would do; nothing is changed.
func (r *rig) plan(args ...string) geored.Plan {
	r.t.Helper()
	c := r.recover(append([]string{"-plan", "-"}, args...)...)()
	plan, err := geored.ParsePlan([]byte(c.stdout))
	if err != nil {
		r.t.Fatalf("exit code %d: %v\n%s", c.code, err, c.stderr)
	}
	return plan
}

// confirmations are the flags that allow all that a plan gives up.
func confirmations(plan geored.Plan) (flags []string) {
	for _, step := range plan.Steps() {
		if step.Confirm != "" {
			flags = append(flags, "-confirm", fmt.Sprintf("%s=%s", step.ID, step.Confirm))
		}
	}
	return flags
}

// write makes messages at a site, in all its stores.
func (r *rig) write(n int, sites ...geored.SiteName) {
	r.t.Helper()
	for _, site := range sites {
		for begun := 0; begun < n; begun += 2 { // a busy machine is slow to write eight at once
			r.wrote[site] = append(r.wrote[site], r.Write(site, min(2, n-begun))...)
		}
	}
}

// with is what there was at the beginning, and what sites wrote since.
func (r *rig) with(sites ...geored.SiteName) product.Counts {
	c := r.base
	for _, site := range sites {
		n := len(r.wrote[site])
		c.Rows, c.Objects, c.Documents = c.Rows+n, c.Objects+n, c.Documents+n
	}
	return c
}

// holds wants each of these sites to have so much.
func (r *rig) holds(want product.Counts, sites ...geored.SiteName) {
	r.t.Helper()
	for _, site := range sites {
		if found, err := r.Counts(site); err != nil || found != want {
			r.t.Errorf("%s has %+v (%v), want %+v", site, found, err, want)
		}
	}
}

// reaches says whether the broker's port of a site is reached from the other one's probe.
func (r *rig) reaches(from, to geored.SiteName) error {
	ctx, cancel := context.WithTimeout(r.t.Context(), 10*time.Second)
	defer cancel()
	found, err := r.Clusters[to].Resolve(ctx, fmt.Sprintf("kafka-%s.ice-kafka.svc", to))
	if err != nil {
		return fmt.Errorf("the laboratory: %w", err)
	}
	return r.answers(ctx, from, found[0].String())
}

func (r *rig) answers(ctx context.Context, from geored.SiteName, address string) error {
	client := kube.Probe{Cluster: r.Clusters[from], Namespace: ice.Namespace, Pod: "probe-" + string(from), Container: "probe"}
	_, err := probe.Ask(ctx, client, probe.TCP{Address: address + ":9092", Timeout: 3 * time.Second})
	return err
}

// bites waits until nothing passes from one site to the other.
func (r *rig) bites(from, to geored.SiteName) {
	r.t.Helper()
	found, err := r.Clusters[to].Resolve(r.t.Context(), fmt.Sprintf("kafka-%s.ice-kafka.svc", to))
	r.must(err)
	r.Await("nothing passes", func() (string, bool) {
		ctx, cancel := context.WithTimeout(r.t.Context(), 10*time.Second)
		defer cancel()
		err := r.answers(ctx, from, found[0].String())
		remote := new(probe.RemoteError)
		return fmt.Sprint(err), errors.As(err, &remote) // the probe itself says so: it was asked
	})
}

// nodetool runs in a site's Cassandra pod.
func (r *rig) nodetool(site geored.SiteName, args ...string) string {
	r.t.Helper()
	output, err := r.Clusters[site].Exec(context.WithoutCancel(r.t.Context()), kube.Command{Namespace: "ice-cassandra", Pod: fmt.Sprintf("ice-%s-rack1-0", site), Container: "cassandra",
		Argv: append([]string{"nodetool"}, args...)})
	r.must(err)
	return strings.TrimSpace(string(output.Stdout))
}
