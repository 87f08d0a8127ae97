//go:build !windows && (!unix || solaris || illumos || aix)

package geored

import (
	"errors"
	"os"
)

// openLocked: no lock at all would be worse than none that works.
func openLocked(string) (*os.File, error) { return nil, errors.ErrUnsupported }
