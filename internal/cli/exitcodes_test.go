package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The table of every program tells of each code, and of no other.
func TestEveryExitCodeIsDocumented(t *testing.T) {
	codes := []int{ExitPass, ExitFail, ExitUsage, ExitWarn, ExitUnknown, ExitInterrupted}
	for _, program := range []string{"ice-install", "ice-recover", "ice-upgrade"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "examples", program, "README.md"))
		if err != nil {
			t.Fatal(err)
		}
		_, table, _ := strings.Cut(string(text), "\n| Code | When")
		table, _, _ = strings.Cut(table, "\n\n")
		for _, code := range codes {
			if !strings.Contains(table, fmt.Sprintf("\n| %d | ", code)) {
				t.Errorf("%s: nothing says when it ends with %d", program, code)
			}
		}
		if rows := strings.Count(table, "\n| "); rows != len(codes) {
			t.Errorf("%s: %d codes are told, and there are %d", program, rows, len(codes))
		}
	}
}
