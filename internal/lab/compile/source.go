package compile

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

const modulePath = "github.com/georedkit/georedkit/internal/lab"

// sourceFolder finds the laboratory's module: where this program was compiled from, else above the working directory.
func sourceFolder() (string, error) {
	if _, file, _, ok := runtime.Caller(0); ok {
		if folder := filepath.Dir(filepath.Dir(file)); isModule(folder) {
			return folder, nil
		}
	}
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; folder != "/"; folder = filepath.Dir(folder) {
		for _, candidate := range []string{folder, filepath.Join(folder, "internal", "lab")} {
			if isModule(candidate) {
				return candidate, nil
			}
		}
	}
	return "", errors.New("the laboratory's sources: not found; run this inside a checkout of georedkit")
}

func isModule(folder string) bool {
	text, err := os.ReadFile(filepath.Join(folder, "go.mod"))
	return err == nil && bytes.HasPrefix(text, []byte("module "+modulePath+"\n"))
}

// key names a state of everything that decides what the group's programs are.
func (g Group) key(source string) (string, error) {
	hash := sha256.New()
	fmt.Fprintf(hash, "%s %s %+v\n", runtime.Version(), runtime.GOARCH, g.modules)
	for _, m := range g.modules {
		if err := hashFolder(hash, source, m.sources()); err != nil {
			return "", fmt.Errorf("the laboratory's sources: %w", err)
		}
	}
	return hex.EncodeToString(hash.Sum(nil))[:16], nil
}

// sources is the folder whose files make the module's programs; the driver's own module only lends the one they lie in.
func (m module) sources() string {
	if m.folder == "." {
		lent := "pod"
		for _, p := range m.programs {
			lent, _, _ = strings.Cut(strings.TrimPrefix(p.path, "./"), "/")
		}
		return lent
	}
	return m.folder
}

func hashFolder(hash io.Writer, source, folder string) error {
	return filepath.WalkDir(filepath.Join(source, folder), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || strings.HasSuffix(path, "_test.go") {
			return err
		}
		if entry.IsDir() {
			if entry.Name() == "testdata" {
				return fs.SkipDir
			}
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(source, path)
		if err != nil {
			return err
		}
		fmt.Fprintf(hash, "%s %d\n", relative, len(text))
		_, err = hash.Write(text)
		return err
	})
}

// Folder is where the laboratory's sources are.
func Folder() (string, error) { return sourceFolder() }
