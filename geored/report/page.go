package report

import (
	"fmt"
	"unicode/utf8"
)

// markup is HTML of ours. A string from elsewhere does not become markup without a conversion, so that the compiler
// keeps findings out of it.
type markup string

// page is an HTML document as it grows, written by hand so that ten thousand findings take no time.
type page struct{ b []byte }

// raw adds HTML of ours.
func (p *page) raw(m markup) { p.b = append(p.b, m...) }

// num adds a number.
func (p *page) num(n int) { p.b = fmt.Append(p.b, n) }

// put adds a text between two pieces of HTML.
func (p *page) put(before markup, s string, after markup) {
	p.raw(before)
	p.text(s)
	p.raw(after)
}

// text adds a text, escaped for elements and for attributes in double quotes; hidden characters become visible.
func (p *page) text(s string) {
	plain := 0 // where what needs no escape begins
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf && asciiEscapes[c] == "" {
			i++
			continue
		}
		size := 1
		escape := ""
		if c < utf8.RuneSelf {
			escape = asciiEscapes[c]
		} else if _, size = utf8.DecodeRuneInString(s[i:]); visible(s[i:i+size]) != s[i:i+size] {
			escape = visible(s[i : i+size])
		}
		if escape != "" {
			p.b = append(append(p.b, s[plain:i]...), escape...)
			plain = i + size
		}
		i += size
	}
	p.b = append(p.b, s[plain:]...)
}

// asciiEscapes says for each ASCII character what stands for it; most stand for themselves.
var asciiEscapes = func() (escapes [utf8.RuneSelf]string) {
	for c := range escapes {
		if s := string(rune(c)); visible(s) != s {
			escapes[c] = visible(s)
		}
	}
	escapes['<'], escapes['>'], escapes['&'], escapes['"'], escapes['\''] = "&lt;", "&gt;", "&amp;", "&#34;", "&#39;"
	return escapes
}()
