package prereq

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
)

// Setup installs the packages whose programs are missing. It runs nothing when there are none.
func Setup(ctx context.Context, output io.Writer) error {
	var names []string
	for _, p := range slices.Concat(Packages, StorePackages) {
		if _, err := LookUp(p.Program); err != nil {
			names = append(names, p.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	install := append([]string{"install", "-y", "--no-install-recommends"}, names...)
	for _, args := range [][]string{{"update"}, install} {
		fmt.Fprintln(output, "apt-get", args)
		command := exec.CommandContext(ctx, "apt-get", args...)
		command.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		command.Stdout, command.Stderr = output, output
		if err := command.Run(); err != nil {
			return fmt.Errorf("apt-get %v: %w", args, err)
		}
	}
	return nil
}
