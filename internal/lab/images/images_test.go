package images_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/georedkit/georedkit/internal/lab/images"
)

func program(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "main.go"), []byte("package main\nfunc main() {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(folder, "hello")
	build := exec.Command("go", "build", "-o", binary, filepath.Join(folder, "main.go"))
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return binary
}

func write(t *testing.T, all ...images.Image) []byte {
	t.Helper()
	var buffer bytes.Buffer
	if err := images.Write(&buffer, all); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

func files(t *testing.T, archive []byte) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	for reader := tar.NewReader(bytes.NewReader(archive)); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		if found[header.Name], err = io.ReadAll(reader); err != nil {
			t.Fatal(err)
		}
	}
}

func TestArchiveIsReproducibleAndComplete(t *testing.T) {
	binary := program(t)
	image, err := images.FromPrograms("example/hello:1", binary)
	if err != nil {
		t.Fatal(err)
	}
	archive := write(t, image)
	if !bytes.Equal(archive, write(t, image)) {
		t.Error("the same input gives other bytes")
	}
	all := files(t, archive)
	type descriptor struct {
		Digest      string
		Annotations map[string]string
	}
	var index struct{ Manifests []descriptor }
	if err := json.Unmarshal(all["index.json"], &index); err != nil {
		t.Fatal(err)
	}
	if name := index.Manifests[0].Annotations["io.containerd.image.name"]; name != "localhost/example/hello:1" {
		t.Errorf("name %q", name)
	}
	blob := func(d descriptor) []byte { return all["blobs/sha256/"+d.Digest[len("sha256:"):]] }
	var manifest struct {
		Config descriptor
		Layers []descriptor
	}
	if err := json.Unmarshal(blob(index.Manifests[0]), &manifest); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(files(t, blob(manifest.Layers[0]))["hello"], content) {
		t.Error("the layer does not hold the program")
	}
	var config struct{ Config struct{ Entrypoint []string } }
	if err := json.Unmarshal(blob(manifest.Config), &config); err != nil {
		t.Fatal(err)
	}
	if e := config.Config.Entrypoint; len(e) != 1 || e[0] != "/hello" {
		t.Errorf("entrypoint %v", e)
	}
}

func TestFaultyImagesAreRefused(t *testing.T) {
	binary := program(t)
	if _, err := images.FromPrograms("x:1"); err == nil {
		t.Error("no program: accepted")
	}
	if _, err := images.FromPrograms("x:1", "/etc/passwd"); err == nil {
		t.Error("not a program: accepted")
	}
	for _, ref := range []string{"x", "x:", "localhost:5000/x", ""} {
		image, err := images.FromPrograms(ref, binary)
		if err == nil {
			err = images.Write(io.Discard, []images.Image{image})
		}
		if err == nil {
			t.Errorf("name %q: accepted", ref)
		}
	}
}

func TestDynamicProgramsAreRefused(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip(err)
	}
	if shell, err = filepath.EvalSymlinks(shell); err != nil {
		t.Fatal(err)
	}
	if _, err := images.FromPrograms("x:1", shell); err == nil {
		t.Error("a program that needs a loader is accepted")
	}
}
