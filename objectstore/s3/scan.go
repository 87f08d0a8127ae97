package s3

import (
	"bytes"
	"errors"
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
	elements   elements
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

// next gives the next child of the root with what stands inside it; no name at the root's end.
func (s *scanner) next() (child element, inside []element, err error) {
	tag, err := s.tag()
	if err != nil {
		return element{}, nil, err
	}
	if tag[0] == '/' {
		if !bytes.Equal(tag[1:], s.root) {
			return element{}, nil, malformed("a stray closing tag")
		}
		return element{}, nil, nil
	}
	if tag[len(tag)-1] == '/' {
		return element{name: nameOf(tag[:len(tag)-1])}, nil, nil
	}
	name := nameOf(tag)
	for at := s.start - 1 - len(tag); ; { // of the tag's name
		from := s.start
		content, n, err := s.elements.read(s.buf[from:s.end], name)
		if err == nil {
			s.start += n
			return element{name, content}, s.elements.list, nil
		}
		if !errors.Is(err, errShort) {
			return element{}, nil, err
		}
		s.start = at // keep the tag while more is read
		if err := s.more(); err != nil {
			return element{}, nil, err
		}
		moved := at - s.start
		at, s.start = at-moved, from-moved
		name = s.buf[at : at+len(name)]
	}
}

// tag reads up to the next tag's end and gives what stands between its brackets. Only white space may stand before it.
func (s *scanner) tag() ([]byte, error) {
	for {
		rest := s.buf[s.start:s.end]
		trimmed := rest
		if len(rest) > 0 && rest[0] != '<' {
			trimmed = bytes.TrimLeft(rest, space)
		}
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
