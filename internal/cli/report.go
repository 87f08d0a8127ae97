package cli

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

// writers are the formats of a report, by the extension of its file.
var writers = map[string]func(io.Writer, geored.Report) error{
	".txt":  func(w io.Writer, r geored.Report) error { return r.WriteText(w) },
	".json": writeJSON,
}

func writeJSON(w io.Writer, r geored.Report) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(struct {
		Verdict geored.Verdict `json:"verdict"`
		geored.Report
	}{r.Verdict(), r})
}

func extensions() string { return strings.Join(slices.Sorted(maps.Keys(writers)), " or ") }

// writeReports writes the result to standard output and the files of -report, all of them also when one fails.
func (s *session) writeReports(r geored.Report) error {
	s.screen.clear()
	write := writers["."+map[string]string{"text": "txt", "json": "json"}[s.Output]]
	errs := []error{write(s.stdout, r)}
	for _, path := range s.Reports {
		errs = append(errs, writeFile(path, r))
	}
	return errors.Join(errs...)
}

// writeFile leaves the old report in place until the new one is whole.
func writeFile(path string, r geored.Report) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".report-")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	if err := errors.Join(writers[filepath.Ext(path)](file, r), file.Close()); err != nil {
		return err
	}
	if err := os.Chmod(file.Name(), 0o644); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
