// Package wholefile writes files that are never seen half written, whenever the writer is killed.
package wholefile

import (
	"io/fs"
	"os"
)

// Write replaces a file, or makes it. One writer at a time.
func Write(path string, content []byte, mode fs.FileMode) error {
	unfinished := path + ".unfinished"
	if err := os.WriteFile(unfinished, content, mode); err != nil {
		return err
	}
	return os.Rename(unfinished, path)
}
