package geored_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/georedkit/georedkit/geored"
)

func open(t *testing.T, path string) *geored.FileJournal {
	t.Helper()
	j, err := geored.OpenFileJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func steps(t *testing.T, j geored.Journal) []geored.StepID {
	t.Helper()
	var ids []geored.StepID
	for r, err := range j.Records(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, r.Step)
	}
	return ids
}

func fill(t *testing.T, j geored.Journal, ids ...geored.StepID) {
	t.Helper()
	for _, id := range ids {
		if err := j.Append(t.Context(), geored.Record{Time: start, Run: "r", Kind: geored.Intent, Step: id, Detail: "line\nbreak"}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFileJournalOutlivesItsProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	fill(t, open(t, path), "a", "b")
	fill(t, open(t, path), "c")
	if got := steps(t, open(t, path)); len(got) != 3 || got[2] != "c" {
		t.Errorf("%v", got)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// A crash can cut the last line off anywhere.
func TestFileJournalCutOffAnywhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	fill(t, open(t, path), "a", "b")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	second := bytes.IndexByte(whole, '\n') + 1
	for end := second; end < len(whole); end++ {
		if err := os.WriteFile(path, whole[:end], 0o600); err != nil {
			t.Fatal(err)
		}
		j := open(t, path)
		fill(t, j, "c")
		if got := steps(t, j); len(got) != 2 || got[0] != "a" || got[1] != "c" {
			t.Fatalf("cut at %d: %v", end, got)
		}
	}
}

func TestFileJournalCorruptedAnywhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	fill(t, open(t, path), "a", "b")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		broken := bytes.Clone(whole)
		broken[i] ^= 0x04
		if err := os.WriteFile(path, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := geored.OpenFileJournal(path)
		if err == nil {
			// Only the end of the last line may be lost: that looks like a crash.
			if got := steps(t, j); i != len(whole)-1 || len(got) != 1 {
				t.Errorf("byte %d was changed and %v was read", i, got)
			}
			j.Close()
		} else if !errors.Is(err, geored.ErrJournalCorrupt) {
			t.Errorf("byte %d: %v", i, err)
		}
	}
}

func TestFileJournalTakesManyAtOnce(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "journal"))
	var writers sync.WaitGroup
	for range 50 {
		writers.Add(1)
		go func() {
			defer writers.Done()
			for range 20 {
				if err := j.Append(context.WithoutCancel(t.Context()), geored.Record{Step: "x"}); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	writers.Wait()
	if got := len(steps(t, j)); got != 1000 {
		t.Errorf("%d records, want 1000", got)
	}
}

func TestFileJournalSaysSoWhenItCannotWrite(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "journal"))
	fill(t, j, "a")
	j.Close()
	for range 2 {
		if err := j.Append(t.Context(), geored.Record{Step: "b"}); !errors.Is(err, os.ErrClosed) {
			t.Errorf("error %v", err)
		}
	}
	if _, err := geored.OpenFileJournal(filepath.Join(t.TempDir(), "no", "such", "folder")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}
