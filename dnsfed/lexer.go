package dnsfed

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// token is a word of a Corefile. Its span in the text includes quotes.
type token struct {
	text       string
	line       int // on which it begins, from 1
	lastLine   int // on which it ends: a quoted word may hold line breaks
	start, end int
}

// byteOrderMark may begin a file; it is no part of the first word.
const byteOrderMark = "\uFEFF"

// tokens splits text into words as CoreDNS does (caddyfile/lexer.go), quirks included: # ends a word and begins a
// comment wherever it stands outside quotes, \r is no white space but nothing at all, and only quotes can be escaped.
func tokens(text string) []token {
	l := &lexer{line: 1}
	for i := len(text) - len(strings.TrimPrefix(text, byteOrderMark)); i < len(text); {
		ch, size := utf8.DecodeRuneInString(text[i:])
		l.take(ch, i, i+size)
		i += size
	}
	if l.word.Len() > 0 {
		l.finish(l.contentEnd)
	}
	return l.all
}

type lexer struct {
	all                      []token
	word                     strings.Builder
	start, contentEnd        int
	line, began              int
	comment, quoted, escaped bool
}

func (l *lexer) take(ch rune, start, end int) {
	switch {
	case l.quoted:
		l.takeQuoted(ch, end)
	case unicode.IsSpace(ch):
		l.takeSpace(ch)
	case l.comment:
	case ch == '#':
		l.comment = true
	case l.word.Len() == 0 && ch == '"':
		l.start, l.began, l.quoted = start, l.line, true
	default:
		if l.word.Len() == 0 {
			l.start, l.began = start, l.line
		}
		l.word.WriteRune(ch)
		l.contentEnd = end
	}
}

func (l *lexer) takeQuoted(ch rune, end int) {
	if !l.escaped && ch == '\\' {
		l.escaped = true
		return
	}
	if !l.escaped && ch == '"' {
		l.quoted = false
		l.finish(end)
		return
	}
	if ch == '\n' {
		l.line++
	}
	if l.escaped && ch != '"' {
		l.word.WriteRune('\\')
	}
	l.word.WriteRune(ch)
	l.escaped = false
	l.contentEnd = end
}

func (l *lexer) takeSpace(ch rune) {
	if ch == '\r' {
		return
	}
	if l.word.Len() > 0 {
		l.finish(l.contentEnd)
	}
	if ch == '\n' {
		l.line++
		l.comment = false
	}
}

func (l *lexer) finish(end int) {
	l.all = append(l.all, token{l.word.String(), l.began, l.line, l.start, end})
	l.word.Reset()
}
