package laboratory

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ProbeRef is the name of the probe image in every laboratory.
const ProbeRef = "localhost/georedkit/probe:lab"

// Running is a laboratory whose sites are up.
type Running struct {
	Name  string
	Dir   string
	Found bool // it was running before
	lab   Lab
}

// Topology is the file that describes its sites.
func (r Running) Topology() string { return filepath.Join(r.Dir, "topology.yaml") }

// ChartRepo is the laboratory's Helm repository: its address, and the files that let one in.
type ChartRepo struct {
	URL          string `json:"url"`
	CAFile       string `json:"caFile"`
	UserFile     string `json:"userFile"`
	PasswordFile string `json:"passwordFile"`
}

// ChartRepo is served as long as the laboratory is up.
func (r Running) ChartRepo() (ChartRepo, error) {
	text, err := os.ReadFile(filepath.Join(r.Dir, "ready.json"))
	if err != nil {
		return ChartRepo{}, err
	}
	var ready struct {
		ChartRepo ChartRepo `json:"chartRepo"`
	}
	if err := json.Unmarshal(text, &ready); err != nil {
		return ChartRepo{}, fmt.Errorf("laboratory %s: ready.json: %w", r.Name, err)
	}
	return ready.ChartRepo, nil
}

// Spec says what laboratory is wanted.
type Spec struct {
	Name  string
	Sites int
	Nodes int // of each site; zero: one
	// APIServers of each site, which share one etcd; zero: one.
	APIServers int
	Images     []string // archives
	Stores     []string // data stores that pods can run: "cassandra", "kafka", "minio", "search"; "ice" is all of them, and its applications
	// Progress is told of each stage a site reached. Zero: nobody.
	Progress func(Progress)
}

// Args are the driver's arguments that start it.
func (s Spec) Args() []string {
	args := []string{"up", "-name", s.Name, "-sites", strconv.Itoa(s.Sites), "-nodes", strconv.Itoa(max(s.Nodes, 1))}
	if s.APIServers > 1 {
		args = append(args, "-apiservers", strconv.Itoa(s.APIServers))
	}
	for _, image := range s.Images {
		args = append(args, "-image", image)
	}
	if len(s.Stores) > 0 {
		args = append(args, "-stores", strings.Join(s.Stores, ","))
	}
	return args
}

// Progress is a stage that a site reached.
type Progress struct {
	Site      string `json:"site"`
	Node      string `json:"node"`
	Stage     string `json:"stage"`
	ElapsedMs int    `json:"elapsedMs"`
}

// Status is what the driver says of a laboratory.
type Status struct {
	Name   string       `json:"name"`
	Dir    string       `json:"dir"`
	Phase  string       `json:"phase"` // "ready" when its sites are up
	WAN    string       `json:"wan"`   // the network namespace between the sites, for nsenter --net
	Sites  []SiteStatus `json:"sites"`
	Faults []string     `json:"faults"` // what is applied now, as "cut dc1 -> dc2"
}

// SiteStatus is a site of a [Status].
type SiteStatus struct {
	Name  string         `json:"name"`
	Nodes map[string]int `json:"nodes"` // the first process of each node, for nsenter -t
}

// Find gives a laboratory that is running, and false when there is none of that name. One that is just coming up or
// going down is waited for.
func (l Lab) Find(ctx context.Context, name string) (Running, bool, error) {
	for {
		s, err := l.status(ctx, name)
		switch {
		case err != nil:
			return Running{}, false, err
		case s.Phase == "ready":
			return Running{Name: name, Dir: s.Dir, Found: true, lab: l}, true, nil
		case s.Phase != "starting" && s.Phase != "going down":
			return Running{}, false, nil
		}
		select {
		case <-ctx.Done():
			return Running{}, false, context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// status is zero when there is no laboratory of that name. It asks for the one: the list of all can miss a laboratory
// while others come and go, because the kernel's list of sockets is read in pieces.
func (l Lab) status(ctx context.Context, name string) (Status, error) {
	output, err := l.output(ctx, "status", "-name", name)
	if err != nil && strings.HasSuffix(err.Error(), ": not running") {
		return Status{}, nil
	}
	if err != nil {
		return Status{}, fmt.Errorf("lab status: %w", err)
	}
	var s Status
	if err := json.Unmarshal(output, &s); err != nil {
		return Status{}, fmt.Errorf("lab status: %w", err)
	}
	return s, nil
}

// Up gives the laboratory of that name: the running one, or a new one, which outlives this process.
func (l Lab) Up(ctx context.Context, spec Spec) (Running, error) {
	if running, found, err := l.Find(ctx, spec.Name); found || err != nil {
		return running, err
	}
	if err := l.follow(ctx, spec.Progress, append(spec.Args(), "-detach")...); err != nil {
		return Running{}, err
	}
	running, found, err := l.Find(ctx, spec.Name)
	if err == nil && !found {
		err = fmt.Errorf("laboratory %s came up and is gone", spec.Name)
	}
	running.Found = false
	return running, err
}

// Down ends the laboratory and removes its files.
func (r Running) Down(ctx context.Context) error {
	_, err := r.lab.output(ctx, "down", "-name", r.Name, "-purge")
	return err
}

// Fault does something to the laboratory, or mends it, and gives what was seen of it.
func (r Running) Fault(ctx context.Context, kind string, args ...string) (string, error) {
	output, err := r.lab.output(ctx, append([]string{"fault", "-name", r.Name, kind}, args...)...)
	return string(output), err
}

// Status is how the laboratory stands now.
func (r Running) Status(ctx context.Context) (Status, error) {
	return r.lab.status(ctx, r.Name)
}

// Check says what the machine lacks, each with its remedy.
func (l Lab) Check(ctx context.Context) error {
	_, err := l.output(ctx, "check")
	return err
}

// ProbeImage packs the probe's image and gives the path of its archive.
func (l Lab) ProbeImage(ctx context.Context) (string, error) {
	folder, err := sources()
	if err != nil {
		return "", err
	}
	archive := filepath.Join(filepath.Dir(l.program), "probe-image.tar")
	// In a folder of its own: two test programs may pack it at the same time.
	temporary, err := os.MkdirTemp(filepath.Dir(l.program), "probe-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temporary)
	program, unfinished := filepath.Join(temporary, "probe"), filepath.Join(temporary, "image.tar")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "./internal/probe")
	build.Dir = filepath.Dir(filepath.Dir(folder))
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-buildvcs=false")
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the probe: %w\n%s", err, output)
	}
	if _, err := l.output(ctx, "image", "-o", unfinished, "-ref", ProbeRef, program); err != nil {
		return "", fmt.Errorf("lab image: %w", err)
	}
	return archive, os.Rename(unfinished, archive)
}

// output runs the driver; what it complained of is in the error.
func (l Lab) output(ctx context.Context, args ...string) ([]byte, error) {
	output, err := l.Command(ctx, args...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = errors.New(strings.TrimSpace(string(exit.Stderr)))
	}
	return output, err
}

// follow runs the driver and tells of its progress while it goes.
func (l Lab) follow(ctx context.Context, tell func(Progress), args ...string) error {
	command := l.Command(ctx, args...)
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) } // it has something to take down
	var complaints bytes.Buffer
	command.Stderr = &complaints
	output, err := command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		var p Progress
		if json.Unmarshal(lines.Bytes(), &p) == nil && tell != nil {
			tell(p)
		}
	}
	// What is left after a line that was too long must not block the driver.
	_, _ = io.Copy(io.Discard, output)
	if err := command.Wait(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return errors.New(strings.TrimSpace(complaints.String()))
	}
	return nil
}
