package s3

import (
	"bytes"
	"fmt"
	"io"

	"github.com/georedkit/georedkit/objectstore"
)

// maxElement is how large one entry of a listing may be, in bytes.
const maxElement = 1 << 20

// scanner reads the children of an XML document's root, one at a time, from a stream. It knows the XML that object
// stores write, and fails on any other: it never guesses. Its slices hold until the next call.
type scanner struct {
	r          io.Reader
	buf        []byte
	start, end int
	root       []byte
	closing    []byte // of the child that is read, "</Contents>"
}

func newScanner(r io.Reader, buf []byte) *scanner { return &scanner{r: r, buf: buf} }

// open reads up to the inside of the root and gives its name.
func (s *scanner) open() (string, error) {
	for {
		tag, err := s.tag()
		if err != nil {
			return "", err
		}
		if tag[0] == '?' {
			continue
		}
		s.root = bytes.Clone(nameOf(tag))
		if tag[len(tag)-1] == '/' {
			return "", malformed("an empty document")
		}
		return string(s.root), nil
	}
}

// next gives the next child's name and content; no name at the root's end.
func (s *scanner) next() (name, content []byte, err error) {
	tag, err := s.tag()
	if err != nil {
		return nil, nil, err
	}
	if tag[0] == '/' {
		if !bytes.Equal(tag[1:], s.root) {
			return nil, nil, malformed("a stray closing tag")
		}
		return nil, nil, nil
	}
	if tag[len(tag)-1] == '/' {
		return nameOf(tag[:len(tag)-1]), nil, nil
	}
	name = nameOf(tag)
	from := s.start // behind the tag; the tag itself stays in the buffer as long as start is not moved
	at := from - 1 - len(tag)
	for searched := 0; ; {
		s.closing = append(append(append(s.closing[:0], closing...), name...), '>')
		begin := from + max(0, searched-len(s.closing))
		if i := bytes.Index(s.buf[begin:s.end], s.closing); i >= 0 {
			i += begin - from
			s.start = from + i + len(s.closing)
			return name, s.buf[from : from+i], nil
		}
		searched = s.end - from
		s.start = at // keep the tag while more is read
		if err := s.more(); err != nil {
			return nil, nil, err
		}
		moved := at - s.start
		at, from = at-moved, from-moved
		name = s.buf[at : at+len(name)]
	}
}

// tag reads up to the next tag's end and gives what stands between its brackets. Only white space may stand before it.
func (s *scanner) tag() ([]byte, error) {
	for {
		rest := s.buf[s.start:s.end]
		trimmed := bytes.TrimLeft(rest, " \t\r\n")
		s.start += len(rest) - len(trimmed)
		if len(trimmed) > 0 && trimmed[0] != '<' {
			return nil, malformed("text between the entries")
		}
		if i := bytes.IndexByte(trimmed, '>'); i > 0 {
			tag := trimmed[1:i]
			if len(tag) == 0 || tag[0] == '!' {
				return nil, malformed("a comment or declaration")
			}
			s.start += i + 1
			return tag, nil
		}
		if err := s.more(); err != nil {
			return nil, err
		}
	}
}

// more reads on behind what is in the buffer, making room by moving it to the front or by a larger buffer.
func (s *scanner) more() error {
	if s.end-s.start > maxElement {
		return malformed("an entry of more than a megabyte")
	}
	if s.start > 0 {
		s.end = copy(s.buf, s.buf[s.start:s.end])
		s.start = 0
	} else if s.end == len(s.buf) {
		s.buf = append(s.buf, make([]byte, max(len(s.buf), 4096))...)
	}
	n, err := s.r.Read(s.buf[s.end:])
	s.end += n
	switch {
	case n > 0:
		return nil
	case err == io.EOF, err == io.ErrUnexpectedEOF:
		return fmt.Errorf("%w: the page breaks off", objectstore.ErrIncomplete)
	}
	return err
}

func malformed(what string) error {
	return fmt.Errorf("%w: the page holds %s", objectstore.ErrIncomplete, what)
}

// nameOf is a tag without its attributes.
func nameOf(tag []byte) []byte {
	if i := bytes.IndexByte(tag, ' '); i >= 0 {
		return tag[:i]
	}
	return tag
}

// indexClosing finds "</name>".
func indexClosing(text, name []byte, from int) int {
	for i := from; ; {
		at := bytes.Index(text[i:], closing)
		if at < 0 {
			return -1
		}
		i += at
		if rest := text[i+2:]; len(rest) > len(name) && rest[len(name)] == '>' && bytes.HasPrefix(rest, name) {
			return i
		}
		i += 2
	}
}

var closing = []byte("</")

// field takes the first element off an entry. It gives no name at the end.
func field(text []byte) (name, content, rest []byte, err error) {
	if len(text) > 0 && text[0] != '<' {
		text = bytes.TrimLeft(text, " \t\r\n")
	}
	if len(text) == 0 {
		return nil, nil, nil, nil
	}
	end := bytes.IndexByte(text, '>')
	if text[0] != '<' || end < 2 || text[1] == '!' || text[1] == '?' || text[1] == '/' {
		return nil, nil, nil, malformed("an entry with stray text")
	}
	if text[end-1] == '/' {
		return nameOf(text[1 : end-1]), nil, text[end+1:], nil
	}
	name, content = nameOf(text[1:end]), text[end+1:]
	i := indexClosing(content, name, 0)
	if i < 0 {
		return nil, nil, nil, malformed("an entry that is not closed")
	}
	return name, content[:i], content[i+len(name)+3:], nil
}
