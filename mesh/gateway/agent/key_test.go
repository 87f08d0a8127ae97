package agent

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/georedkit/georedkit/mesh"
)

func TestAKeyIsMadeOnceAndForItsOwnerOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "wireguard.key")
	made, err := loadKey(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder: mode %v, %v", info.Mode(), err)
	}
	again, err := loadKey(path)
	if err != nil || !again.Equal(made) || made.IsZero() {
		t.Errorf("another key, %v", err)
	}
	onlyTheKey(t, path)
}

// onlyTheKey: what was left of its making would hold a key too.
func onlyTheKey(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestAgentsThatStartAtOnceAgreeOnOneKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "wireguard.key")
	var all sync.WaitGroup
	keys := make([]mesh.PublicKey, 32)
	for i := range keys {
		all.Add(1)
		go func() {
			defer all.Done()
			key, err := loadKey(path)
			if err != nil {
				t.Error(err)
			}
			keys[i] = key.Public()
		}()
	}
	all.Wait()
	for _, key := range keys {
		if key != keys[0] || key.IsZero() {
			t.Fatalf("%v and %v", key, keys[0])
		}
	}
	onlyTheKey(t, path)
}

func TestWhatIsNoKeyIsRefusedAndStays(t *testing.T) {
	key, err := mesh.NewPrivateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	whole := key.Reveal()
	for name, text := range map[string]string{
		"empty": "", "half": whole[:20], "two": whole + "\n" + whole, "garbage": "\x00\x01", "zeros": strings.Repeat("A", 43) + "=", "a public key's JSON": `"` + whole + `"`,
	} {
		path := filepath.Join(t.TempDir(), "wireguard.key")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := loadKey(path)
		if err == nil || !strings.HasPrefix(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
		if strings.Contains(fmt.Sprint(err), whole[:20]) {
			t.Errorf("%s: the error tells the key: %v", name, err)
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != text {
			t.Errorf("%s became %q, %v", name, after, err)
		}
	}
}

func TestAKeyThatCannotBeReadOrMade(t *testing.T) {
	folder := t.TempDir()
	if _, err := loadKey(folder); err == nil {
		t.Error("a folder is no key")
	}
	file := filepath.Join(folder, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadKey(filepath.Join(file, "wireguard.key")); err == nil || errors.Is(err, os.ErrExist) {
		t.Errorf("below a file: %v", err)
	}
}
