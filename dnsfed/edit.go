package dnsfed

import "strings"

// Replace puts lines of new text in the place of a directive, which must have its lines for itself; a comment behind it
// goes with it. The rest stays as it is. Line breaks are the text's own.
func (c Corefile) Replace(d Directive, text string) (Corefile, error) {
	start, end, err := c.linesOf(d)
	if err != nil {
		return c, err
	}
	return ParseCorefile(c.text[:start] + text + c.text[end:])
}

// linesOf is the span of the lines that a directive stands on, with the last one's break when there is one.
func (c Corefile) linesOf(d Directive) (start, end int, err error) {
	start = strings.LastIndexByte(c.text[:d.start], '\n') + 1
	end = len(c.text)
	if i := strings.IndexByte(c.text[d.end:], '\n'); i >= 0 {
		end = d.end + i + 1
	}
	before, after := strings.TrimSpace(c.text[start:d.start]), strings.TrimSpace(c.text[d.end:end])
	if before != "" || after != "" && after[0] != '#' {
		return 0, 0, lineFault(d.Line, d.Name, "shares its lines with something else", "give it lines of its own")
	}
	return start, end, nil
}

// indentOf is the white space before a directive, on its line.
func (c Corefile) indentOf(d Directive) string {
	line := c.text[strings.LastIndexByte(c.text[:d.start], '\n')+1 : d.start]
	return line[:len(line)-len(strings.TrimLeft(line, " \t"))]
}
