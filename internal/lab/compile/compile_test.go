package compile

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// small builds one tiny program, into a cache of the test's own.
func small(t *testing.T) Group {
	t.Helper()
	cache, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOCACHE", strings.TrimSpace(string(cache)))
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	return Group{"small", []module{{folder: ".", ldflags: "-s -w", programs: []program{{"pause", "./pod/pause"}}}}}
}

func TestTwoAtOnceBuildOnce(t *testing.T) {
	group := small(t)
	var builders sync.WaitGroup
	var outputs [2]bytes.Buffer
	for i := range outputs {
		builders.Go(func() {
			if _, err := Ensure(t.Context(), group, &outputs[i]); err != nil {
				t.Error(err)
			}
		})
	}
	builders.Wait()
	if built := strings.Count(outputs[0].String()+outputs[1].String(), "built pause"); built != 1 {
		t.Errorf("built %d times: %q, %q", built, outputs[0].String(), outputs[1].String())
	}
}

func TestNothingIsBuiltTwice(t *testing.T) {
	group := small(t)
	bin, err := Ensure(t.Context(), group, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	var told bytes.Buffer
	if again, err := Ensure(t.Context(), group, &told); err != nil || again != bin || told.Len() > 0 {
		t.Errorf("%s, then %s, %v: %s", bin, again, err, told.String())
	}
}

// A build that was killed left a half program under its temporary name and no stamp.
func TestInterruptedBuildIsFinished(t *testing.T) {
	group := small(t)
	bin, err := Ensure(t.Context(), group, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(bin, "pause")
	if err := os.Remove(filepath.Join(filepath.Dir(bin), "complete")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(target); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(target+".unfinished", []byte("half"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Ensure(t.Context(), group, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(target); err != nil || info.Size() < 1000 {
		t.Errorf("program: %v, %v", info, err)
	}
}

func TestKeyFollowsTheSources(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"build/x/main.go", "pod/y/main.go"} {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	keys := map[string]bool{}
	for _, content := range []string{"a", "b", "a"} {
		if err := os.WriteFile(filepath.Join(folder, "build/x/main.go"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		k, err := Group{"x", []module{{folder: "build/x"}, {folder: "."}}}.key(folder)
		if err != nil {
			t.Fatal(err)
		}
		keys[k] = true
	}
	if len(keys) != 2 {
		t.Errorf("%d keys for two states", len(keys))
	}
}
