package images

import (
	"archive/tar"
	"bytes"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Image is what goes into one image: a layer and how to start it.
type Image struct {
	Ref        string
	Programs   []string          // static binaries on this machine, each stored as /NAME
	Skeleton   bool              // the empty folders and links of a Debian, for the host's /usr to be mounted into
	Scripts    map[string]string // executable text by its path, without the slash it begins with
	Entrypoint []string
	Cmd        []string
	Env        []string
}

// FromPrograms is an image that holds nothing but static binaries; the first one is its entrypoint.
func FromPrograms(ref string, programs ...string) (Image, error) {
	if len(programs) == 0 {
		return Image{}, fmt.Errorf("image %s: no program given", ref)
	}
	for _, program := range programs {
		if err := checkStatic(program); err != nil {
			return Image{}, err
		}
	}
	return Image{Ref: ref, Programs: programs, Entrypoint: []string{"/" + filepath.Base(programs[0])}}, nil
}

// normalise spells a reference out: the container runtime wants to know whose image it is, and ours are nobody else's.
func normalise(ref string) (string, error) {
	name, tag, ok := cutTag(ref)
	if !ok || name == "" || tag == "" {
		return "", fmt.Errorf("%q: want NAME:TAG", ref)
	}
	if host, _, slash := strings.Cut(name, "/"); !slash || !strings.ContainsAny(host, ".:") && host != "localhost" {
		name = "localhost/" + name
	}
	return name + ":" + tag, nil
}

// cutTag splits at the last colon after the last slash: the one before it is a port's.
func cutTag(ref string) (name, tag string, ok bool) {
	colon := strings.LastIndexByte(ref, ':')
	if colon <= strings.LastIndexByte(ref, '/') {
		return "", "", false
	}
	return ref[:colon], ref[colon+1:], true
}

func (i Image) layer() ([]byte, error) {
	var buffer bytes.Buffer
	w := tar.NewWriter(&buffer)
	if i.Skeleton {
		for _, header := range skeleton() {
			if err := w.WriteHeader(header); err != nil {
				return nil, err
			}
		}
		for _, file := range accounts {
			if err := writeFile(w, file.name, 0o644, []byte(file.text)); err != nil {
				return nil, err
			}
		}
	}
	for _, program := range i.Programs {
		content, err := os.ReadFile(program)
		if err != nil {
			return nil, err
		}
		if err := writeFile(w, path.Base(program), 0o755, content); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(i.Scripts)) {
		if err := writeFile(w, name, 0o755, []byte(i.Scripts[name])); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return buffer.Bytes(), err
}

func writeFile(w *tar.Writer, name string, mode int64, content []byte) error {
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(content))}); err != nil {
		return err
	}
	_, err := w.Write(content)
	return err
}
