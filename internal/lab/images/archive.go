// Package images writes container images as OCI archives, without a registry or a daemon.
// The same input gives the same bytes.
package images

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
)

const (
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar"
	typeIndex    = "application/vnd.oci.image.index.v1+json"
)

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Platform    *platform         `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

type archive struct {
	out     *tar.Writer
	written map[string]bool // blobs that images share are written once
}

// Write writes an archive that holds all the images.
func Write(out io.Writer, all []Image) error {
	a := archive{out: tar.NewWriter(out), written: map[string]bool{}}
	if err := a.file("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)); err != nil {
		return err
	}
	var manifests []descriptor
	for _, image := range all {
		manifest, err := a.image(image)
		if err != nil {
			return fmt.Errorf("image %s: %w", image.Ref, err)
		}
		manifests = append(manifests, manifest)
	}
	index, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": typeIndex, "manifests": manifests})
	if err != nil {
		return err
	}
	if err := a.file("index.json", index); err != nil {
		return err
	}
	return a.out.Close()
}

func (a *archive) image(image Image) (descriptor, error) {
	ref, err := normalise(image.Ref)
	if err != nil {
		return descriptor{}, err
	}
	tree, err := image.layer()
	if err != nil {
		return descriptor{}, err
	}
	layer, err := a.blob(typeLayer, tree)
	if err != nil {
		return descriptor{}, err
	}
	config, err := a.jsonBlob(typeConfig, map[string]any{
		"architecture": runtime.GOARCH,
		"os":           "linux",
		"config":       map[string]any{"Entrypoint": image.Entrypoint, "Cmd": image.Cmd, "Env": image.Env},
		"rootfs":       map[string]any{"type": "layers", "diff_ids": []string{layer.Digest}},
	})
	if err != nil {
		return descriptor{}, err
	}
	manifest, err := a.jsonBlob(typeManifest, map[string]any{
		"schemaVersion": 2, "mediaType": typeManifest, "config": config, "layers": []descriptor{layer},
	})
	manifest.Platform = &platform{Architecture: runtime.GOARCH, OS: "linux"}
	// The first is what containerd reads, the second what other tools do.
	manifest.Annotations = map[string]string{"io.containerd.image.name": ref, "org.opencontainers.image.ref.name": ref}
	return manifest, err
}

func (a *archive) jsonBlob(mediaType string, value any) (descriptor, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return descriptor{}, err
	}
	return a.blob(mediaType, text)
}

func (a *archive) blob(mediaType string, content []byte) (descriptor, error) {
	sum := sha256.Sum256(content)
	digest := hex.EncodeToString(sum[:])
	d := descriptor{MediaType: mediaType, Digest: "sha256:" + digest, Size: len(content)}
	if a.written[digest] {
		return d, nil
	}
	a.written[digest] = true
	return d, a.file("blobs/sha256/"+digest, content)
}

func (a *archive) file(name string, content []byte) error {
	if err := a.out.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
		return err
	}
	_, err := io.Copy(a.out, bytes.NewReader(content))
	return err
}
