package servers

import (
	"fmt"
	"strings"
)

// script puts together what a container of a pod starts with. The text of files may name variables of its environment.
type script struct{ strings.Builder }

func newScript() *script {
	s := new(script)
	s.line("#!/bin/bash\nset -eu")
	return s
}

func (s *script) line(format string, args ...any) { fmt.Fprintf(s, format+"\n", args...) }

// file writes a file when the container starts.
func (s *script) file(path string, text []byte) {
	s.line("cat > %s <<END-OF-FILE\n%s\nEND-OF-FILE", path, strings.TrimRight(string(text), "\n"))
}

// run ends the script with a program that takes its place; more is appended to the arguments as it is.
func (s *script) run(more, program string, args ...string) string {
	quoted := make([]string, len(args))
	for i, a := range args {
		quoted[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
	}
	s.line("exec %s %s%s", program, strings.Join(quoted, " "), more)
	return s.String()
}
