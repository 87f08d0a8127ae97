package s3

import (
	"bytes"
	"maps"
	"net/url"
	"strings"

	"github.com/georedkit/georedkit/objectstore"
)

// sharedMetadata is the metadata of entries before: in most buckets it is the same from one to the next. MinIO writes the
// same in any order, so that a few ways to write it are known.
type sharedMetadata struct {
	known []writtenMetadata
	next  int // the one to be forgotten when there are too many
}

type writtenMetadata struct {
	text       []byte // of user metadata, then of tags
	tagsAt     int
	metadata   *objectstore.Metadata
	encryption objectstore.Encryption
}

// maxKnown is how many ways of writing are held.
const maxKnown = 6

func (s *sharedMetadata) read(o *objectstore.Object, metadata, tags []byte) error {
	for i := range s.known {
		if w := &s.known[i]; w.is(metadata, tags) {
			o.Metadata, o.Encryption = w.metadata, w.encryption
			return nil
		}
	}
	if err := readMetadata(o, metadata); err != nil {
		return err
	}
	if err := readTags(o, tags); err != nil {
		return err
	}
	for i := range s.known { // one thing, however it is written
		if m := s.known[i].metadata; maps.Equal(m.User, o.Metadata.User) && maps.Equal(m.Headers, o.Metadata.Headers) && maps.Equal(m.Tags, o.Metadata.Tags) {
			o.Metadata = m
		}
	}
	s.keep(o, metadata, tags)
	return nil
}

func (s *sharedMetadata) keep(o *objectstore.Object, metadata, tags []byte) {
	if len(s.known) < maxKnown {
		s.known = append(s.known, writtenMetadata{})
	}
	w := &s.known[s.next]
	s.next = (s.next + 1) % maxKnown
	*w = writtenMetadata{append(append(w.text[:0], metadata...), tags...), len(metadata), o.Metadata, o.Encryption}
}

func (w *writtenMetadata) is(metadata, tags []byte) bool {
	return len(w.text) == len(metadata)+len(tags) && w.tagsAt == len(metadata) &&
		bytes.Equal(w.text[:w.tagsAt], metadata) && bytes.Equal(w.text[w.tagsAt:], tags)
}

// readMetadata reads what MinIO writes with metadata=true: user metadata, content headers and encryption in one list.
func readMetadata(o *objectstore.Object, text []byte) error {
	m := &objectstore.Metadata{}
	o.Metadata = m
	if text != nil { // it would hold the encryption
		o.Encryption = objectstore.Plain
	}
	for {
		header, rest, err := field(text)
		if err != nil || header.name == nil {
			return err
		}
		text = rest
		value, err := appendText(nil, header.content)
		if err != nil {
			return err
		}
		setHeader(o, m, string(bytes.ToLower(header.name)), string(value))
	}
}

// setHeader sorts a header into what it tells: the encryption, user metadata, or how the content is to be taken.
func setHeader(o *objectstore.Object, m *objectstore.Metadata, name, value string) {
	switch user, ok := strings.CutPrefix(name, "x-amz-meta-"); {
	case ok:
		set(&m.User, user, value)
	case name == "x-amz-server-side-encryption":
		o.Encryption = objectstore.Encryption(strings.TrimSuffix(value, ":dsse"))
	case name == "x-amz-server-side-encryption-customer-algorithm":
		o.Encryption = objectstore.CustomerKey
	case contentHeaders[name]:
		set(&m.Headers, name, value)
	}
}

var contentHeaders = map[string]bool{"content-type": true, "content-encoding": true, "content-language": true,
	"content-disposition": true, "cache-control": true, "expires": true}

func set(m *map[string]string, name, value string) {
	if *m == nil {
		*m = map[string]string{}
	}
	(*m)[name] = value
}

func readTags(o *objectstore.Object, content []byte) error {
	text, err := appendText(nil, content)
	if err != nil {
		return err
	}
	tags, err := url.ParseQuery(string(text))
	if err != nil {
		return malformed("tags that cannot be read")
	}
	for name, values := range tags {
		set(&o.Metadata.Tags, name, values[len(values)-1])
	}
	return nil
}
