//go:build lab

package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/internal/laboratory"
	"github.com/georedkit/georedkit/internal/laboratory/joined"
	"github.com/georedkit/georedkit/internal/laboratory/labtest"
	"github.com/georedkit/georedkit/internal/laboratory/secrets"
)

// rig is a laboratory in which ice-install installed the product.
type rig struct {
	t     *testing.T
	name  string
	dir   string // of the programs
	wrote string // the folder with their outputs, reports and journals
}

func up(t *testing.T) rig {
	t.Helper()
	r := rig{t, fmt.Sprintf("upgrade-%d", os.Getpid()), t.TempDir(), t.TempDir()}
	if output, err := exec.Command("go", "build", "-o", r.dir, ".", "../ice-install").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	driver, err := laboratory.Driver(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.WithoutCancel(t.Context()) // it has ended when this is cleaned up
	t.Cleanup(func() {
		_ = driver.Command(ctx, "down", "-name", r.name, "-purge").Run() // it may never have come up
		if output, err := driver.Command(ctx, "status", "-name", r.name).CombinedOutput(); err == nil {
			t.Errorf("the laboratory goes on: %s", output)
		}
	})
	return r
}

func (r rig) call(program string, args ...string) (int, string) {
	r.t.Helper()
	kept := filepath.Join(r.wrote, fmt.Sprint(program, time.Now().UnixNano()))
	command := exec.Command(filepath.Join(r.dir, program), append([]string{"-lab", r.name, "-keep", "-v", "-journal", r.wrote, "-report", kept + ".html", "-report", kept + ".json"}, args...)...)
	output, _ := command.CombinedOutput() // its code is what counts
	if err := os.WriteFile(kept, output, 0o600); err != nil {
		r.t.Error(err)
	}
	return command.ProcessState.ExitCode(), string(output)
}

const chart = "ice-helm-operator-develop="

// Up to a version that works, refused without a backup; then to one whose modelmanager never completes, and back.
func TestUpgradeAndBack(t *testing.T) {
	r := up(t)
	if code, output := r.call("ice-install", "-whole"); code != 0 {
		t.Fatalf("exit code %d\n%s", code, output)
	}
	good := []string{"-chart-version", chart + "3.5.41630", "-timeout", "5m"}
	if code, output := r.call("ice-upgrade", good...); code == 0 || !strings.Contains(output, "before/backup=no-backup-before-3.5.41630") {
		t.Fatalf("without a backup: exit code %d\n%s", code, output)
	}
	events := filepath.Join(r.wrote, "events")
	if code, output := r.call("ice-upgrade", append(good, "-confirm", "before/backup=no-backup-before-3.5.41630", "-events", events)...); code != 0 {
		t.Fatalf("exit code %d\n%s", code, output)
	}
	if text, err := os.ReadFile(events); err != nil || bytes.Index(text, []byte(`upgrade-dc1/dc1/gates`)) > bytes.Index(text, []byte(`upgrade-dc2/dc2/install`)) {
		t.Errorf("the second site did not wait for the gates of the first: %v", err)
	}
	bad := []string{"-chart-version", chart + "3.5.41631", "-timeout", "90s", "-confirm", "before/backup=no-backup-before-3.5.41631"}
	if code, output := r.call("ice-upgrade", bad...); code != 1 || !strings.Contains(output, "was rolled back to revision") {
		t.Fatalf("a version that fails: exit code %d\n%s", code, output)
	}
	if code, output := r.call("ice-install", "-check", "-chart-version", chart+"3.5.41630"); code != 0 {
		t.Errorf("after the way back: exit code %d\n%s", code, output)
	}
	r.tellsNoSecret()
}

// tellsNoSecret holds what the programs wrote, to people, files and ConfigMaps, against the sites' Secrets.
func (r rig) tellsNoSecret() {
	r.t.Helper()
	driver, err := laboratory.Driver(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	running, found, err := driver.Find(r.t.Context(), r.name)
	if err != nil || !found {
		r.t.Fatalf("the laboratory is gone: %v", err)
	}
	sites := maps.Values(joined.Found(r.t, labtest.Found(r.t, running)).Clusters)
	known := secrets.Of(r.t, slices.Collect(sites)...)
	known.NotInConfigMaps(r.t, slices.Collect(sites)...)
	if searched := known.NotBelow(r.t, "", r.wrote); searched < 15 {
		r.t.Errorf("only %d files were searched", searched)
	}
}
