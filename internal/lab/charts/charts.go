// Package charts is a Helm repository that holds stand-ins of a vendor's charts. Each folder is a chart; its file
// "versions" says under which versions it is offered, one a line: the chart's and, if that changes too, the application's.
package charts

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

//go:embed all:ice-*
var embedded embed.FS

// What is no part of a chart as it is offered: its versions, and the charts whose files it takes in, as parts/CHART/FILE
// for its own templates to render; their custom resource definitions become its own.
const (
	versionsFile = "versions"
	partsFile    = "parts"
)

// Chart is one version of a chart, packed.
type Chart struct {
	Name, Version, AppVersion, Description string
	Archive                                []byte
}

// FileName is the name of its archive in the repository.
func (c Chart) FileName() string { return c.Name + "-" + c.Version + ".tgz" }

// Embedded are all versions of the laboratory's charts, by name and in the order of their files "versions".
func Embedded() ([]Chart, error) { return pack(embedded) }

func pack(files fs.FS) ([]Chart, error) {
	folders, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil, err
	}
	var all []Chart
	for _, folder := range folders {
		text, err := fs.ReadFile(files, path.Join(folder.Name(), versionsFile))
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			versions := strings.Fields(line)
			if len(versions) == 0 {
				continue
			}
			chart, err := packVersion(files, folder.Name(), versions)
			if err != nil {
				return nil, fmt.Errorf("chart %s %s: %w", folder.Name(), versions[0], err)
			}
			all = append(all, chart)
		}
	}
	return all, nil
}

// packVersion packs a folder as the version given. The same input gives the same bytes.
func packVersion(files fs.FS, name string, versions []string) (Chart, error) {
	manifest, err := fs.ReadFile(files, path.Join(name, "Chart.yaml"))
	if err != nil {
		return Chart{}, err
	}
	lines := strings.Split(string(manifest), "\n")
	set(lines, "version", versions[0])
	if len(versions) > 1 {
		set(lines, "appVersion", versions[1])
	}
	chart := Chart{Name: name, Version: versions[0], AppVersion: get(lines, "appVersion"), Description: get(lines, "description")}
	var buffer bytes.Buffer
	zipped := gzip.NewWriter(&buffer)
	out := tar.NewWriter(zipped)
	if err := writeEntry(out, path.Join(name, "Chart.yaml"), []byte(strings.Join(lines, "\n"))); err != nil {
		return Chart{}, err
	}
	if err := writeTree(out, files, name, name, "Chart.yaml", versionsFile, partsFile); err != nil {
		return Chart{}, err
	}
	if err := writeParts(out, files, name); err != nil {
		return Chart{}, err
	}
	if err := out.Close(); err != nil {
		return Chart{}, err
	}
	err = zipped.Close()
	chart.Archive = buffer.Bytes()
	return chart, err
}

// writeTree packs the files below a folder, those of the given names left out, under another folder of the archive.
func writeTree(out *tar.Writer, files fs.FS, folder, as string, without ...string) error {
	return fs.WalkDir(files, folder, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || slices.Contains(without, entry.Name()) {
			return err
		}
		content, err := fs.ReadFile(files, file)
		if err != nil {
			return err
		}
		return writeEntry(out, as+strings.TrimPrefix(file, folder), content)
	})
}

// writeParts packs what a chart takes from others.
func writeParts(out *tar.Writer, files fs.FS, name string) error {
	text, err := fs.ReadFile(files, path.Join(name, partsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, part := range strings.Fields(string(text)) {
		if err := writeTree(out, files, path.Join(part, "templates"), path.Join(name, "parts", part)); err != nil {
			return err
		}
		if err := writeTree(out, files, path.Join(part, "crds"), path.Join(name, "crds")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func writeEntry(out *tar.Writer, name string, content []byte) error {
	if err := out.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
		return err
	}
	_, err := out.Write(content)
	return err
}

// get and set know the top level of Chart.yaml, where each key stands on a line of its own.
func get(lines []string, key string) string {
	for _, line := range lines {
		if value, ok := strings.CutPrefix(line, key+": "); ok {
			return strings.Trim(value, `"`)
		}
	}
	return ""
}

func set(lines []string, key, value string) {
	for i, line := range lines {
		if strings.HasPrefix(line, key+": ") {
			lines[i] = fmt.Sprintf("%s: %q", key, value)
		}
	}
}
