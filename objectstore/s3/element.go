package s3

import (
	"bytes"
	"errors"
)

// element is an XML element: its name, and the text between its tags as it stands.
type element struct{ name, content []byte }

// elements are the children of one entry after the other, in one pass over the text. Most entries hold elements with
// children of their own, as Owner, that are the same from one to the next, or nearly: those are known again by their bytes.
type elements struct {
	list []element
	seen [][]seen // by place, the latest
}

// maxSeen is how many elements are known again at one place.
const maxSeen = 3

// seen is an element with children that stood at a place.
type seen struct {
	text       []byte // from tag to tag
	name       int    // length
	begin, end int    // of the content
}

// errShort says that the text ends before the element does.
var errShort = errors.New("the text ends early")

const space = " \t\r\n"

// maxDepth is how deep elements may stand in each other.
const maxDepth = 16

// read reads what stands inside an element, up to behind its closing tag: n bytes. Its children are in the list; content
// is its text when it has none.
func (e *elements) read(text, name []byte) (content []byte, n int, err error) {
	e.list = e.list[:0]
	for at := 0; ; {
		open := bytes.IndexByte(text[at:], '<')
		if open < 0 || at+open+1 >= len(text) {
			return nil, 0, errShort
		}
		gap := text[at : at+open]
		at += open
		closes := text[at+1] == '/'
		if closes && len(e.list) == 0 {
			n, err := closing(text[at:], name)
			return gap, at + n, err
		}
		if open > 0 && len(bytes.TrimLeft(gap, space)) > 0 {
			return nil, 0, malformed("an entry with stray text")
		}
		if closes {
			n, err := closing(text[at:], name)
			return nil, at + n, err
		}
		child, n, err := e.child(text[at:])
		if err != nil {
			return nil, 0, err
		}
		e.list = append(e.list, child)
		at += n
	}
}

// child reads the element that the text begins with, n bytes.
func (e *elements) child(text []byte) (child element, n int, err error) {
	place := len(e.list)
	if len(e.seen) <= place {
		e.seen = append(e.seen, nil)
	}
	for i := range e.seen[place] {
		if s := &e.seen[place][i]; bytes.HasPrefix(text, s.text) {
			return element{text[1 : 1+s.name], text[s.begin:s.end]}, len(s.text), nil
		}
	}
	child, nested, n, err := elementOf(text, 0)
	if nested && err == nil {
		e.keep(place, child, text[:n])
	}
	return child, n, err
}

func (e *elements) keep(place int, child element, text []byte) {
	all := e.seen[place]
	if len(all) < maxSeen {
		all = append(all, seen{})
	}
	oldest := all[len(all)-1]
	copy(all[1:], all)
	end := len(text) - len(child.name) - len("</>")
	all[0] = seen{append(oldest.text[:0], text...), len(child.name), end - len(child.content), end}
	e.seen[place] = all
}

// elementOf reads the element that the text begins with, n bytes; nested says that it has children.
func elementOf(text []byte, depth int) (e element, nested bool, n int, err error) {
	end := bytes.IndexByte(text, '>')
	switch {
	case end < 0:
		return e, false, 0, errShort
	case end < 2 || text[0] != '<' || text[1] == '!' || text[1] == '?' || text[1] == '/':
		return e, false, 0, malformed("an entry with stray text")
	case depth > maxDepth:
		return e, false, 0, malformed("elements too deep in each other")
	case text[end-1] == '/':
		return element{name: nameOf(text[1 : end-1])}, false, end + 1, nil
	}
	e.name = nameOf(text[1:end])
	for at := end + 1; ; {
		open := bytes.IndexByte(text[at:], '<')
		if at += open; open < 0 || at+1 >= len(text) {
			return e, nested, 0, errShort
		}
		if text[at+1] == '/' {
			n, err := closing(text[at:], e.name)
			e.content = text[end+1 : at]
			return e, nested, at + n, err
		}
		nested = true
		_, _, n, err := elementOf(text[at:], depth+1)
		if err != nil {
			return e, nested, 0, err
		}
		at += n
	}
}

// closing is the length of the closing tag that the text begins with.
func closing(text, name []byte) (int, error) {
	n := len(name) + len("</>")
	switch {
	case len(text) < n:
		return 0, errShort
	case text[n-1] != '>' || !bytes.Equal(text[2:n-1], name):
		return 0, malformed("an entry that is not closed")
	}
	return n, nil
}

// field takes the first element off a text. It gives no name at the end.
func field(text []byte) (e element, rest []byte, err error) {
	if len(text) > 0 && text[0] != '<' {
		text = bytes.TrimLeft(text, space)
	}
	if len(text) == 0 {
		return element{}, nil, nil
	}
	e, _, n, err := elementOf(text, 0)
	if errors.Is(err, errShort) {
		err = malformed("an entry that is not closed")
	}
	return e, text[n:], err
}
