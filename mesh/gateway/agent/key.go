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
	key, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKey(path)
	}
	return key, err
}

func readKey(path string) (mesh.PrivateKey, error) {
	text, err := os.ReadFile(path)
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
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return mesh.PrivateKey{}, err
	}
	file, err := os.CreateTemp(folder, ".key-") // which nobody else may read
	if err != nil {
		return mesh.PrivateKey{}, err
	}
	defer os.Remove(file.Name())
	_, err = file.WriteString(key.Reveal() + "\n")
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return mesh.PrivateKey{}, err
	}
	// A link, unlike a rename, never replaces a key that another agent made meanwhile.
	err = os.Link(file.Name(), path)
	if errors.Is(err, fs.ErrExist) {
		return readKey(path)
	}
	if err != nil {
		return mesh.PrivateKey{}, err
	}
	return key, syncFolder(folder)
}

// syncFolder makes a new name last over a power cut: the peers will know the key by then.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
