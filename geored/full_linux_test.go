package geored_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/georedkit/georedkit/geored"
)

// fullDisk names the journal that a child process writes to until its disk is full.
const fullDisk = "GEORED_TEST_FULL_DISK"

// TestMain lets the test binary be that child: the limit of a process's files cannot be taken back.
func TestMain(m *testing.M) {
	if path := os.Getenv(fullDisk); path != "" {
		os.Exit(fillDisk(path))
	}
	os.Exit(m.Run())
}

// fillDisk prints how many records the journal took before it said that it took no more.
func fillDisk(path string) int {
	signal.Ignore(syscall.SIGXFSZ) // as on a full disk, a write fails and nobody is killed
	limit := syscall.Rlimit{Cur: 10_000, Max: 10_000}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		fmt.Println(err)
		return 1
	}
	j, err := geored.OpenFileJournal(path)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	for n := 0; ; n++ {
		err := j.Append(context.Background(), geored.Record{Step: geored.StepID(fmt.Sprint(n)), Detail: "a record of some length"})
		if err == nil {
			continue
		}
		again := j.Append(context.Background(), geored.Record{Step: "after"})
		fmt.Println(n, errors.Is(err, syscall.EFBIG), errors.Is(again, syscall.EFBIG))
		return 0
	}
}

// A disk that is full loses nothing that was acknowledged, and the journal goes on when there is room again.
func TestFileJournalOnAFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(self)
	child.Env = append(os.Environ(), fullDisk+"="+path)
	output, err := child.CombinedOutput()
	var took int
	var full, stays bool
	if _, scan := fmt.Sscan(string(output), &took, &full, &stays); err != nil || scan != nil || took < 50 || !full || !stays {
		t.Fatalf("%s, %v", output, err)
	}
	text, err := os.ReadFile(path)
	if err != nil || len(text) != 10_000 || bytes.HasSuffix(text, []byte("\n")) {
		t.Fatalf("the limit did not bite within a record: %d bytes, %v", len(text), err)
	}
	j := open(t, path)
	fill(t, j, "room again")
	got := steps(t, j)
	if len(got) != took+1 || got[took] != "room again" {
		t.Fatalf("%d records, %d were acknowledged", len(got)-1, took)
	}
	for i, id := range got[:took] {
		if id != geored.StepID(fmt.Sprint(i)) {
			t.Fatalf("record %d is %s", i, id)
		}
	}
}
