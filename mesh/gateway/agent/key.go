package agent

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/georedkit/georedkit/mesh"
)

// loadKey reads the node's private key, and makes it when there is none. The file appears whole or not at all, and a
// file that is no key is an error: to replace it would cut the node off from all its peers.
func loadKey(path string) (mesh.PrivateKey, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKey(path)
	}
	if err != nil {
		return mesh.PrivateKey{}, err
	}
	key, err := mesh.ParsePrivateKey(strings.TrimSpace(string(text)))
	if err != nil {
		return mesh.PrivateKey{}, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

func makeKey(path string) (mesh.PrivateKey, error) {
	key, err := mesh.NewPrivateKey(rand.Reader)
	if err != nil {
		return mesh.PrivateKey{}, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return mesh.PrivateKey{}, err
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".key-")
	if err != nil {
		return mesh.PrivateKey{}, err
	}
	defer os.Remove(file.Name())
	_, err = file.WriteString(key.Reveal() + "\n")
	err = errors.Join(err, file.Sync(), file.Close())
	if err != nil {
		return mesh.PrivateKey{}, err
	}
	// A link, unlike a rename, never replaces a key that another agent made meanwhile.
	if err := os.Link(file.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return mesh.PrivateKey{}, err
	} else if err != nil {
		return loadKey(path)
	}
	return key, nil
}
