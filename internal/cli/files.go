package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// render writes what the program would install. The files hold no secret: they may go into a repository.
func (s *session) render(ctx context.Context, d Deployment) (int, error) {
	renderer, ok := d.(Renderer)
	if !ok {
		return ExitUsage, errors.New("-render: this program writes no files")
	}
	files, err := renderer.Render(ctx)
	if err != nil {
		return ExitUnknown, interruptedOr(ctx, err)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(s.Render, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return ExitUsage, err
		}
		if err := os.WriteFile(path, files[name], 0o644); err != nil {
			return ExitUsage, err
		}
		fmt.Fprintln(s.stdout, path)
	}
	return ExitPass, nil
}

// lint names the faults of files that an operator has.
func (p Program) lint(o Options, stdout, stderr io.Writer) int {
	if p.Lint == nil {
		fmt.Fprintf(stderr, "%s: -lint: this program reads no files\n", p.Name)
		return ExitUsage
	}
	var topology []byte
	if o.Topology != "" {
		text, err := os.ReadFile(o.Topology)
		if err != nil {
			fmt.Fprintf(stderr, "%s: %v\n", p.Name, err)
			return ExitUsage
		}
		topology = text
	}
	faults, err := p.Lint(os.DirFS(o.Lint), topology)
	if err != nil {
		fmt.Fprint(stderr, lines(p.Name, err))
		return ExitUsage
	}
	for _, fault := range faults {
		fmt.Fprintln(stdout, fault.Error())
	}
	fmt.Fprintf(stderr, "%s: %d faults in %s\n", p.Name, len(faults), o.Lint)
	if len(faults) > 0 {
		return ExitFail
	}
	return ExitPass
}
