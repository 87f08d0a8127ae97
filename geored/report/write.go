package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// formats are the writers by the extension of a file.
var formats = map[string]func(io.Writer, Document) error{
	".html": WriteHTML,
	".json": WriteJSON,
	".md":   WriteMarkdown,
	".txt":  WriteText,
	".xml":  WriteJUnit,
}

// Extensions are those that [Write] knows, sorted: ".html", ".json", ".md", ".txt" and ".xml", which is JUnit.
func Extensions() []string { return slices.Sorted(maps.Keys(formats)) }

// Write writes the document in the format of a file extension. One that it does not know is an error, and then nothing
// is written.
func Write(w io.Writer, extension string, d Document) error {
	write, ok := formats[extension]
	if !ok {
		return fmt.Errorf("report: no format has the extension %q: write one of %s", extension, strings.Join(Extensions(), ", "))
	}
	return write(w, d)
}
