package images

import (
	"debug/elf"
	"fmt"
)

// checkStatic refuses a program that needs a loader or libraries: a scratch image has neither.
func checkStatic(path string) error {
	file, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("program %s: %w", path, err)
	}
	defer file.Close()
	for _, segment := range file.Progs {
		if segment.Type == elf.PT_INTERP {
			return fmt.Errorf("program %s: not static; build it with CGO_ENABLED=0", path)
		}
	}
	return nil
}
