package labtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// patience bounds every wait; on a quiet machine most take a second.
const patience = 60 * time.Second

// shared are the laboratories that most tests use: three sites of one node, and beside it one site of two nodes
// with the same addresses and an image of the tests' own.
var shared, pair *laboratory

var command string

// buildFlags are those of the command.
var buildFlags []string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if os.Getuid() != 0 {
		if err := flag.Set("test.run", "^TestNeedsRoot$"); err != nil {
			fmt.Println(err)
			return 1
		}
		return m.Run()
	}
	folder, err := os.MkdirTemp("", "labtest")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(folder)
	command = filepath.Join(folder, "lab")
	build := exec.Command("go", append([]string{"build", "-o", command}, append(buildFlags, ".")...)...)
	build.Dir = ".."
	if output, err := build.CombinedOutput(); err != nil {
		fmt.Printf("build the command: %v\n%s", err, output)
		return 1
	}
	// Before the clocks of the laboratories start.
	bin, err := exec.Command(command, "build").Output()
	if err != nil {
		fmt.Println("build the laboratory:", message(err))
		return 1
	}
	archive := filepath.Join(folder, "image.tar")
	app := filepath.Join(strings.TrimSpace(string(bin)), "app")
	if err := exec.Command(command, "image", "-o", archive, "-ref", "example.org/test/own:1", app).Run(); err != nil {
		fmt.Println("write an image:", message(err))
		return 1
	}
	suffix := fmt.Sprint(os.Getpid())
	var group sync.WaitGroup
	var errs [2]error
	group.Go(func() { shared, errs[0] = start("labtest-a-"+suffix, folder, "-sites", "3") })
	group.Go(func() {
		pair, errs[1] = start("labtest-b-"+suffix, folder, "-sites", "dc1", "-nodes", "2", "-image", archive)
	})
	group.Wait()
	defer func() {
		for _, l := range []*laboratory{shared, pair} {
			if l != nil {
				l.lab("down", "-purge")
			}
		}
	}()
	if err := errors.Join(errs[:]...); err != nil {
		fmt.Println(err)
		return 1
	}
	return m.Run()
}

// TestNeedsRoot is the only test that runs for others than root.
func TestNeedsRoot(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("a laboratory is namespaces, mounts and cgroups: run these tests as root")
	}
}

// laboratory is one that was started by these tests.
type laboratory struct {
	name, dir string
	Sites     []site
}

// site is what ready.json says of one.
type site struct {
	Name, Kubeconfig, DNSIP, APIServerIP string
	Nodes                                []struct{ Name, InternalIP, Endpoint string }
}

// start runs a laboratory in the background.
func start(name, folder string, flags ...string) (*laboratory, error) {
	l := &laboratory{name: name, dir: filepath.Join(folder, name)}
	if _, err := l.lab("up", append(flags, "-dir", l.dir, "-detach")...); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(l.dir, "ready.json"))
	if err != nil {
		return nil, err
	}
	return l, json.Unmarshal(text, l)
}

// lab runs the laboratory's command on this laboratory.
func (l *laboratory) lab(verb string, args ...string) (string, error) {
	output, err := exec.Command(command, append([]string{verb, "-name", l.name}, args...)...).Output()
	if err != nil {
		return "", fmt.Errorf("lab %s %v: %s", verb, args, message(err))
	}
	return string(output), nil
}

// message is what a command said when it failed.
func message(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Sprintf("%v: %s", err, bytes.TrimSpace(exit.Stderr))
	}
	return err.Error()
}

// fault applies a fault and undoes it when the test ends, unless the test has done so.
func (l *laboratory) fault(t *testing.T, undo string, fault ...string) string {
	t.Helper()
	evidence, err := l.lab("fault", fault...)
	if err != nil {
		t.Fatal(err)
	}
	if undo != "" {
		t.Cleanup(func() { l.lab("fault", strings.Fields(undo)...) })
	}
	return evidence
}

// pid is the first process of a site's first node.
func (l *laboratory) pid(t *testing.T, siteName string) int {
	t.Helper()
	text, err := l.lab("status")
	if err != nil {
		t.Fatal(err)
	}
	var status struct {
		Sites []struct {
			Name  string
			Nodes map[string]int
		}
	}
	if err := json.Unmarshal([]byte(text), &status); err != nil {
		t.Fatal(err)
	}
	for _, site := range status.Sites {
		if site.Name == siteName && len(site.Nodes) > 0 {
			return site.Nodes[siteName+"-1"]
		}
	}
	t.Fatalf("site %s does not run: %s", siteName, text)
	return 0
}

func (s site) config(t *testing.T) *rest.Config {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", s.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS, config.Burst = 100, 200
	return config
}

func (s site) client(t *testing.T) *kubernetes.Clientset {
	t.Helper()
	client, err := kubernetes.NewForConfig(s.config(t))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// eventually repeats a question until it is answered, and returns how long that took.
func eventually(t *testing.T, what string, f func() error) time.Duration {
	t.Helper()
	started := time.Now()
	for {
		err := f()
		if err == nil {
			return time.Since(started)
		}
		if time.Since(started) > patience {
			t.Fatalf("%s: not after %v: %v", what, patience, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
