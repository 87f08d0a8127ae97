package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/metrics"
	"github.com/georedkit/georedkit/geored/report"
)

// metricsExtension is that of a file for the textfile collector of Prometheus' node exporter.
const metricsExtension = ".prom"

func extensions() []string { return append(report.Extensions(), metricsExtension) }

func isReport(path string) bool { return slices.Contains(extensions(), filepath.Ext(path)) }

func write(w io.Writer, extension string, d report.Document) error {
	if extension == metricsExtension {
		return metrics.WriteText(w, d)
	}
	return report.Write(w, extension, d)
}

// begun fills in what is known of a document before anything is done.
func (s *session) begun(d Deployment) {
	s.document = report.Document{Title: s.Name, Operator: operator(), Started: s.began, Inputs: s.inputs, Versions: versions(s.Name)}
	if departer, ok := d.(Departer); ok {
		s.document.Departures = departer.Departures()
	}
}

// versions are those of the program itself, as its build tells them.
func versions(program string) []report.Version {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	return []report.Version{{Name: program, Version: info.Main.Version}, {Name: "Go", Version: info.GoVersion}}
}

// problem is why nothing more is known, beside the steps that failed: they say it themselves.
func problem(ctx context.Context, err error) string {
	if ctx.Err() != nil {
		return context.Cause(ctx).Error()
	}
	var lines []string
	for _, err := range parts(err) {
		if failed := new(geored.StepError); !errors.As(err, &failed) {
			lines = append(lines, err.Error())
		}
	}
	return strings.Join(lines, "; ")
}

// parts takes joined errors apart.
func parts(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, err := range joined.Unwrap() {
			all = append(all, parts(err)...)
		}
		return all
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// writeUnproven reports a run after which nothing was proven: it failed, was interrupted, or was taken back. Without a
// run there is nothing to report.
func (s *session) writeUnproven(ctx context.Context, err error) error {
	if s.document.Run.Run == "" {
		return nil
	}
	if s.document.Problem = problem(ctx, err); err == nil {
		s.document.Problem = "taken back: nothing is left to be proven"
	}
	if s.Undo {
		s.document.Client = usage()
		return s.writeFiles()
	}
	return s.writeReports()
}

// writeReports writes the result to standard output and the files of -report, all of them also when one fails.
func (s *session) writeReports() error {
	s.screen.clear()
	s.document.Client = usage()
	if s.Output == "json" {
		return errors.Join(report.Write(s.stdout, ".json", s.document), s.writeFiles())
	}
	return errors.Join(report.WriteSummary(s.stdout, s.document), s.writeFiles())
}

func (s *session) writeFiles() error {
	var errs []error
	for _, path := range s.Reports {
		errs = append(errs, writeFile(path, s.document))
	}
	return errors.Join(errs...)
}

// writeFile leaves the old report in place until the new one is whole.
func writeFile(path string, d report.Document) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".report-")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	if err := errors.Join(write(file, filepath.Ext(path), d), file.Close()); err != nil {
		return err
	}
	if err := os.Chmod(file.Name(), 0o644); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
