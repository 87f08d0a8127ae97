package dnsfed

import (
	"strings"

	"github.com/georedkit/georedkit/geored"
)

// What this package writes into a file stands between marks. Lines that it replaced stand there too, behind kept.
const (
	beginMark = "# georedkit dnsfed: begin, do not edit"
	ownLine   = " (on a line that the file did not end)"
	endMark   = "# georedkit dnsfed: end"
	kept      = "#|"
)

// substitute puts new lines in the place of a directive's, and keeps those in comments. The last line keeps its break, or
// the lack of one.
func (c Corefile) substitute(d Directive, text string) (Corefile, error) {
	start, end, err := c.linesOf(d)
	if err != nil {
		return c, err
	}
	body, ended := strings.CutSuffix(c.text[start:end], "\n")
	var b strings.Builder
	b.WriteString(beginMark + "\n")
	for _, line := range strings.Split(body, "\n") {
		b.WriteString(kept + line + "\n")
	}
	b.WriteString(text + endMark)
	if ended {
		b.WriteString("\n")
	}
	return c.Replace(d, b.String())
}

// appended is text to be put at the end of a file, between marks.
func appended(file, text string) string {
	if file == "" || strings.HasSuffix(file, "\n") {
		return beginMark + "\n" + text + endMark + "\n"
	}
	return "\n" + beginMark + ownLine + "\n" + text + endMark + "\n"
}

// Remove takes out what [Federation.Merge] put into a Corefile and gives back what stood there before, byte for byte. A
// file without marks stays as it is. A mark without its counterpart is a [geored.Fault].
func Remove(corefile string) (string, error) {
	var b strings.Builder
	began := 0
	for i, line := range strings.SplitAfter(corefile, "\n") {
		mark, ended := strings.CutSuffix(line, "\n")
		switch {
		case mark == beginMark || mark == beginMark+ownLine:
			if began > 0 {
				return "", unpaired(i+1, mark)
			}
			began = i + 1
			if mark != beginMark {
				text := strings.TrimSuffix(b.String(), "\n")
				b.Reset()
				b.WriteString(text)
			}
		case mark == endMark:
			if began == 0 {
				return "", unpaired(i+1, mark)
			}
			began = 0
			if text := b.String(); !ended && strings.HasSuffix(text, "\n") {
				b.Reset()
				b.WriteString(text[:len(text)-1])
			}
		case began == 0:
			b.WriteString(line)
		case strings.HasPrefix(line, kept):
			b.WriteString(line[len(kept):])
		}
	}
	if began > 0 {
		return "", unpaired(began, beginMark)
	}
	return b.String(), nil
}

func unpaired(line int, mark string) geored.Fault {
	return lineFault(line, mark, "has no counterpart", "restore the file from before the federation by hand")
}
