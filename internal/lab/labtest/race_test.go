//go:build race

package labtest

import "os"

// The command is built as the tests are, because its supervisor is where the goroutines are. A race ends it, and
// with it the test.
func init() {
	buildFlags = append(buildFlags, "-race")
	os.Setenv("GORACE", "halt_on_error=1")
}
