//go:build lab

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/examples/internal/ice"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/internal/laboratory"
	"github.com/georedkit/georedkit/internal/laboratory/labtest"
	"github.com/georedkit/georedkit/internal/laboratory/secrets"
)

var program string // the built program

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "ice-install-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		program = filepath.Join(dir, "ice-install")
		if output, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
			panic(fmt.Sprintf("%v\n%s", err, output))
		}
		return m.Run()
	}())
}

// lab is a laboratory of the test's own, which the program starts.
type lab struct {
	t      *testing.T
	name   string
	driver laboratory.Lab
}

func newLab(t *testing.T) *lab {
	t.Helper()
	driver, err := laboratory.Driver(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := driver.Build(t.Context(), os.Stderr); err != nil {
		t.Fatal(err)
	}
	l := &lab{t, fmt.Sprintf("ice-%d-%s", os.Getpid(), strings.ToLower(strings.TrimPrefix(t.Name(), "Test"))), driver}
	if len(l.name) > 40 {
		l.name = strings.TrimRight(l.name[:40], "-")
	}
	t.Cleanup(func() {
		if running, found, err := driver.Find(context.WithoutCancel(t.Context()), l.name); found {
			if err := running.Down(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
		} else if err != nil {
			t.Error(err)
		}
	})
	return l
}

// in is the laboratory for a subtest.
func (l *lab) in(t *testing.T) *lab { return &lab{t, l.name, l.driver} }

func (l *lab) running() laboratory.Running {
	l.t.Helper()
	running, found, err := l.driver.Find(l.t.Context(), l.name)
	if err != nil || !found {
		l.t.Fatalf("the laboratory is not running: %v", err)
	}
	return running
}

func (l *lab) fault(kind string, args ...string) {
	l.t.Helper()
	if _, err := l.running().Fault(l.t.Context(), kind, args...); err != nil {
		l.t.Fatal(err)
	}
}

// call is one run of the program.
type call struct {
	code           int
	stdout, stderr string
}

func (c call) report(t *testing.T) geored.Report {
	t.Helper()
	var r geored.Report
	if err := json.Unmarshal([]byte(c.stdout), &r); err != nil {
		t.Fatalf("%v in:\n%s\n%s", err, c.stdout, c.stderr)
	}
	return r
}

func (l *lab) start(args ...string) (*exec.Cmd, func() call) {
	l.t.Helper()
	var stdout, stderr bytes.Buffer
	command := exec.Command(program, append([]string{"-lab", l.name, "-keep", "-output", "json"}, args...)...)
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Start(); err != nil {
		l.t.Fatal(err)
	}
	return command, func() call {
		_ = command.Wait() // its code is what counts
		return call{command.ProcessState.ExitCode(), stdout.String(), stderr.String()}
	}
}

func (l *lab) call(args ...string) call {
	l.t.Helper()
	_, wait := l.start(args...)
	return wait()
}

// isLate says whether nothing is wrong but that answers came too late, as on a machine that is busy.
func (c call) isLate() bool {
	var r geored.Report
	if c.code != 4 || json.Unmarshal([]byte(c.stdout), &r) != nil {
		return false
	}
	late := false
	for _, f := range r.Findings {
		for _, silent := range f.Unanswered {
			if !strings.Contains(silent.Reason, geored.ErrBudget.Error()) {
				return false
			}
			late = true
		}
		if f.Verdict == geored.Fail || f.Verdict == geored.Warn && !isAskedAgain(f) ||
			f.Verdict == geored.Unknown && len(f.Unanswered) == 0 && !strings.HasPrefix(f.Message, "not asked: it needs ") {
			return false
		}
	}
	return late
}

// told is a run, or a proof after it when some answers were late.
func (l *lab) told(c call, again func() call) call {
	l.t.Helper()
	labtest.Until(l.t, "a proof in time", func() error {
		if !c.isLate() {
			return nil
		}
		late := c
		c = again()
		return fmt.Errorf("%s", late.stdout)
	})
	return c
}

// isAskedAgain says whether a finding is of a few answers that came at the second asking: kube-proxy drops one on its way
// when a Service changes over, and resolvers ask again.
func isAskedAgain(f geored.Finding) bool {
	return f.Check == ice.CheckChangeOver && f.Verdict == geored.Warn
}

// proven wants a run whose end is proven.
func (c call) proven(t *testing.T) {
	t.Helper()
	if c.code != 0 {
		t.Fatalf("exit code %d\n%s\n%s", c.code, c.stderr, c.stdout)
	}
	report := c.report(t)
	report.Findings = slices.DeleteFunc(report.Findings, isAskedAgain)
	if v := report.Verdict(); v != geored.Pass {
		t.Fatalf("verdict %s\n%s", v, c.stdout)
	}
}

// installed runs the program to a proven end.
func (l *lab) installed(args ...string) call {
	l.t.Helper()
	c := l.told(l.call(args...), func() call { return l.call("-check") })
	c.proven(l.t)
	return c
}

// heals waits until all checks pass again: servers that were cut off need a while to find each other.
func (l *lab) heals() {
	l.t.Helper()
	labtest.Until(l.t, "a proof that all is well", func() error {
		if c := l.call("-check"); c.code != 0 {
			return fmt.Errorf("exit code %d\n%s\n%s", c.code, c.stderr, c.stdout)
		}
		return nil
	})
}

// failing gives the ways from site to site with a failed finding.
func failing(r geored.Report) []string {
	var ways []string
	for _, f := range r.Findings {
		if f.Verdict == geored.Fail {
			ways = append(ways, geored.Target{Site: f.Site, To: f.To}.String())
		}
	}
	slices.Sort(ways)
	return slices.Compact(ways)
}

// own runs the program as for clusters of one's own: over the topology file of the laboratory as it is after an edit, with
// charts from a repository that asks for a password.
func (l *lab) own(edit func(*ownFile), args ...string) call {
	l.t.Helper()
	running := l.running()
	text, err := os.ReadFile(running.Topology())
	if err != nil {
		l.t.Fatal(err)
	}
	repo, err := running.ChartRepo()
	if err != nil {
		l.t.Fatal(err)
	}
	var file ownFile
	if err := yaml.Unmarshal(text, &file); err != nil {
		l.t.Fatal(err)
	}
	for _, s := range file.Sites {
		s["kubeconfig"] = filepath.Join(running.Dir, s["name"].(string)+".kubeconfig")
	}
	edit(&file)
	if text, err = yaml.Marshal(file); err != nil {
		l.t.Fatal(err)
	}
	path := filepath.Join(l.t.TempDir(), "sites.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		l.t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	command := exec.Command(program, append([]string{"-topology", path, "-probe-image", laboratory.ProbeRef, "-yes", "-output", "json", "-journal", filepath.Join(running.Dir, "journal"),
		"-chart-repo", repo.URL, "-chart-ca", repo.CAFile, "-chart-user-file", repo.UserFile, "-chart-password-file", repo.PasswordFile}, args...)...)
	command.Stdout, command.Stderr = &stdout, &stderr
	_ = command.Run() // its code is what counts
	return call{command.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// ownFile is a topology file as far as tests change it.
type ownFile struct {
	Granularity string           `yaml:"granularity,omitempty"`
	Sites       []map[string]any `yaml:"sites"`
}

func TestThreeSites(t *testing.T) {
	l := newLab(t)
	// The laboratory has three sites, and nothing is installed yet.
	if c := l.call("-sites", "3", "-render", t.TempDir()); c.code != 0 {
		t.Fatal(c.stderr)
	}
	two := func(f *ownFile) { f.Sites = f.Sites[:2] }
	if c := l.told(l.own(two), func() call { return l.own(two, "-check") }); c.code != 0 {
		t.Fatalf("two sites: exit code %d\n%s\n%s", c.code, c.stderr, c.stdout)
	}
	first := l.installed("-sites", "3") // adds the third
	pairs := map[string]bool{}
	for _, f := range first.report(t).Findings {
		if f.Check == "mesh/services" {
			pairs[geored.Target{Site: f.Site, To: f.To}.String()] = true
		}
	}
	if len(pairs) != 6 {
		t.Errorf("proven ways: %v", pairs)
	}
	t.Run("what is rendered has no fault", func(t *testing.T) {
		folder := t.TempDir()
		if c := l.call("-render", folder); c.code != 0 || !strings.Contains(c.stdout, "kilo_dc3_part2.json") {
			t.Fatalf("exit code %d\n%s\n%s", c.code, c.stderr, c.stdout)
		}
		output, err := exec.Command(program, "-lint", folder, "-topology", l.running().Topology()).CombinedOutput()
		if err != nil {
			t.Errorf("%v\n%s", err, output)
		}
		file := filepath.Join(folder, "coredns", "coredns_dc2.json")
		text, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(file, bytes.ReplaceAll(text, []byte("dc1"), []byte("dc9")), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		command := exec.Command(program, "-lint", folder, "-topology", l.running().Topology())
		if output, _ := command.CombinedOutput(); command.ProcessState.ExitCode() != 1 || !strings.Contains(string(output), "dc9: is no site of the topology") {
			t.Errorf("exit code %d\n%s", command.ProcessState.ExitCode(), output)
		}
	})
	t.Run("a second run changes nothing", func(t *testing.T) {
		events := filepath.Join(t.TempDir(), "events")
		l.installed("-events", events)
		text, err := os.ReadFile(events)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, []byte(`"step-ended"`)) || bytes.Contains(text, []byte(`"step-applying"`)) {
			t.Errorf("events:\n%s", text)
		}
	})
	t.Run("a cut link is found, and no other", func(t *testing.T) {
		l.fault("cut", "dc1", "dc3")
		c := l.call("-check")
		if got := failing(c.report(t)); c.code != 1 || !slices.Equal(got, []string{"dc1 -> dc3", "dc3 -> dc1"}) {
			t.Errorf("exit code %d, failing: %v", c.code, got)
		}
		l.fault("mend")
		l.heals()
	})
	t.Run("a site that is away is unknown or failing, never passing", func(t *testing.T) {
		l.fault("freeze", "dc2")
		c := l.call("-check")
		if c.code != 4 && c.code != 1 { // the other sites may show that it is not reached
			t.Errorf("exit code %d: a site that does not answer is unknown\n%s", c.code, c.stderr)
		}
		for _, f := range c.report(t).Findings {
			if f.Site == "dc2" && (f.Verdict == geored.Pass || f.Verdict == geored.Warn) || f.Check == ice.CheckAnswers && (f.Site == "dc2") != (f.Verdict == geored.Unknown) {
				t.Errorf("%s %s: %s: %s", f.Check, f.Site, f.Verdict, f.Message)
			}
		}
		l.fault("thaw", "dc2")
		l.heals()
	})
}

// The link is cut before the tunnels can come up: the run waits, says for what, and goes on when the link is back.
func TestALinkThatIsCutIsWaitedFor(t *testing.T) {
	l := newLab(t)
	l.installed()
	l.fault("cut", "dc1", "dc2")
	events := filepath.Join(t.TempDir(), "events")
	_, wait := l.start("-events", events)
	waiting := func() bool {
		text, err := os.ReadFile(events)
		return err == nil && bytes.Contains(text, []byte(`"kind":"step-waiting","stage":"tunnels"`)) && bytes.Contains(text, []byte("packets leave and none comes back"))
	}
	labtest.Until(t, "a word on what is waited for", func() error {
		text, err := os.ReadFile(events)
		if err == nil && !waiting() {
			err = errors.New(string(text))
		}
		return err
	})
	l.fault("mend")
	if c := l.told(wait(), func() call { return l.call("-check") }); c.code != 0 {
		t.Errorf("exit code %d\n%s", c.code, c.stderr)
	}
}

// Killed again and again, at whatever moment, the program reaches its end, and under one run's name.
func TestKilledAtAnyMoment(t *testing.T) {
	l := newLab(t)
	journal := t.TempDir()
	for _, after := range []time.Duration{200, 3000, 500, 900, 1300, 1800, 2500, 300} {
		command, wait := l.start("-journal", journal)
		time.Sleep(after * time.Millisecond)
		if err := command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		wait()
	}
	l.installed("-journal", journal)
	l.installed("-journal", journal, "-check")
}

func TestALaboratoryThatWasKilledComesBack(t *testing.T) {
	l := newLab(t)
	l.installed()
	output, err := l.driver.Command(t.Context(), "status", "-name", l.name).Output()
	if err != nil {
		t.Fatal(err)
	}
	var status struct{ PID int }
	if err := json.Unmarshal(output, &status); err != nil || status.PID == 0 {
		t.Fatal(string(output), err)
	}
	if err := syscall.Kill(status.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	l.installed()
}

// watchCommandLines looks for a text in what every process was started with, until it is told to end.
func watchCommandLines(secret string) (end func() []string) {
	stop, found := make(chan struct{}), make(chan []string, 1)
	go func() {
		var guilty []string
		for {
			select {
			case <-stop:
				found <- guilty
				return
			case <-time.After(20 * time.Millisecond):
			}
			lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
			for _, path := range lines {
				if line, err := os.ReadFile(path); err == nil && bytes.Contains(line, []byte(secret)) {
					guilty = append(guilty, string(line))
				}
			}
		}
	}()
	return func() []string { close(stop); return <-found }
}

// tokensOf are the tokens that the program had made in a site.
func tokensOf(t *testing.T, running laboratory.Running, site string) []string {
	t.Helper()
	cluster, err := kube.Open(geored.SiteName(site), geored.KubeRef{Kubeconfig: filepath.Join(running.Dir, site+".kubeconfig")})
	if err != nil {
		t.Fatal(err)
	}
	list, err := cluster.Client().CoreV1().Secrets("kube-system").List(t.Context(), metav1.ListOptions{FieldSelector: "type=kubernetes.io/service-account-token"})
	if err != nil {
		t.Fatal(err)
	}
	var tokens []string
	for _, secret := range list.Items {
		tokens = append(tokens, string(secret.Data["token"]))
	}
	return tokens
}

// Private keys are on the nodes, tokens in the clusters, the password in its file, and nowhere else.
func TestSecretsStayWhereTheyBelong(t *testing.T) {
	l := newLab(t)
	if c := l.call("-render", t.TempDir()); c.code != 0 { // brings the laboratory up
		t.Fatal(c.stderr)
	}
	repo, err := l.running().ChartRepo()
	if err != nil {
		t.Fatal(err)
	}
	password, err := os.ReadFile(repo.PasswordFile)
	if err != nil {
		t.Fatal(err)
	}
	before := map[geored.SiteName]map[string]string{}
	for _, site := range l.sites() {
		l.annotateBefore(site.Name)
		before[site.Name] = l.inventory(site.Name)
	}
	watched := watchCommandLines(string(password))
	dir := t.TempDir()
	c := l.installed("-v", "-events", filepath.Join(dir, "events"), "-journal", filepath.Join(dir, "journal"), "-report", filepath.Join(dir, "report.json"),
		"-report", filepath.Join(dir, "report.html"), "-report", filepath.Join(dir, "report.xml"))
	if guilty := watched(); len(guilty) > 0 {
		t.Errorf("the password stands on command lines: %q", guilty)
	}
	if err := os.WriteFile(filepath.Join(dir, "output"), []byte(c.stdout+c.stderr), 0o600); err != nil {
		t.Fatal(err)
	}
	if c := l.call("-render", filepath.Join(dir, "rendered")); c.code != 0 {
		t.Error(c.stderr)
	}
	if c := l.call("-plan", filepath.Join(dir, "plan.json")); c.code != 0 {
		t.Error(c.stderr)
	}
	known := append(secrets.Secrets{string(password)}, append(tokensOf(t, l.running(), "dc1"), tokensOf(t, l.running(), "dc2")...)...)
	keys := 0
	for _, site := range []string{"dc1", "dc2"} {
		key, err := os.ReadFile(filepath.Join(l.running().Dir, site, site+"-1", "kilo", "key"))
		if err == nil && len(bytes.TrimSpace(key)) == 44 {
			known, keys = append(known, string(bytes.TrimSpace(key))), keys+1
		}
	}
	if len(known) != 5 || keys != 2 {
		t.Fatalf("%d secrets, %d private keys", len(known), keys)
	}
	if searched := known.NotBelow(t, repo.PasswordFile, dir, l.running().Dir); searched < 30 {
		t.Errorf("only %d files were searched", searched)
	}
	l.takenBack(before, "-journal", filepath.Join(dir, "journal"))
}

// With no laboratory kept, nothing is left of it.
func TestTheLaboratoryGoesWithTheProgram(t *testing.T) {
	l := newLab(t)
	output, err := exec.Command(program, "-lab", l.name).CombinedOutput()
	if err != nil || !bytes.Contains(output, []byte("PASS")) {
		t.Fatalf("%v\n%s", err, output)
	}
	if _, found, err := l.driver.Find(t.Context(), l.name); found || err != nil {
		t.Errorf("the laboratory is still there: %v, %v", found, err)
	}
}

func TestAFaultyTopologyIsRefusedBeforeAnyConnection(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sites.yaml")
	faulty := `
sites:
  - {name: dc1, kubeconfig: nowhere.kubeconfig, podCIDR: 10.90.0.1/16, serviceCIDR: 10.100.0.0/16, wireguardCIDR: 10.80.0.0/16}
  - {name: DC2, kubeconfig: nowhere.kubeconfig, podCIDR: 10.90.0.0/17, serviceCIDR: 10.130.0.0/16, wireguardCIDR: 10.130.0.0/16, colour: blue}
`
	if err := os.WriteFile(file, []byte(faulty), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program, "-topology", file, "-probe-image", "x", "-yes")
	output, _ := command.CombinedOutput()
	if code := command.ProcessState.ExitCode(); code != 2 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"host bits", "DNS-1123", "contains podCIDR", "wireguardCIDR", "colour: unknown key", "kubeconfig"} {
		if !strings.Contains(string(output), want) {
			t.Errorf("%q is missing in:\n%s", want, output)
		}
	}
}

// A downloaded module has no laboratory.
func TestOutsideACheckout(t *testing.T) {
	away := filepath.Join(t.TempDir(), "ice-install")
	if output, err := exec.Command("go", "build", "-trimpath", "-o", away, ".").CombinedOutput(); err != nil {
		t.Fatal(string(output))
	}
	command := exec.Command(away)
	command.Dir = t.TempDir()
	output, _ := command.CombinedOutput()
	if code := command.ProcessState.ExitCode(); code != 2 || !strings.Contains(string(output), "-topology") {
		t.Errorf("exit code %d\n%s", code, output)
	}
}

// A run whose answers were late is asked again; one that failed, or does not know for another reason, is not.
func TestLateAnswersAreToldFromOthers(t *testing.T) {
	finding := func(verdict, more string) string { return `{"check":"a","verdict":"` + verdict + `"` + more + `}` }
	late := finding("unknown", `,"unanswered":[{"target":{"site":"dc1"},"reason":"no answer within its time budget"}]`)
	again := func(lines string) string {
		return `,{"check":"dns/change-over","verdict":"warn","evidence":[` + lines + `]}`
	}
	for name, c := range map[string]struct {
		code     int
		findings string
		want     bool
	}{
		"late":             {4, finding("pass", "") + "," + late, true},
		"late, and failed": {4, late + "," + finding("fail", ""), false},
		"late, and warned": {4, late + "," + finding("warn", ""), false},
		"asked again":      {4, late + again(`"a","b"`), true},
		"not known":        {4, late + "," + finding("unknown", ""), false},
		"refused":          {4, finding("unknown", `,"unanswered":[{"target":{"site":"dc1"},"reason":"connection refused"}]`), false},
		"passed":           {0, finding("pass", ""), false},
		"no report":        {4, "x", false},
	} {
		if got := (call{code: c.code, stdout: `{"findings":[` + c.findings + `]}`}).isLate(); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
