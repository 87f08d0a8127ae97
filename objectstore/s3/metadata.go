package s3

import (
	"bytes"
	"net/url"
	"strings"

	"github.com/georedkit/georedkit/objectstore"
)

// sharedMetadata is the metadata of the entry before: in most buckets it is the same from one to the next.
type sharedMetadata struct {
	text       []byte // of user metadata, then of tags
	tagsAt     int
	metadata   *objectstore.Metadata
	encryption objectstore.Encryption
}

func (s *sharedMetadata) read(o *objectstore.Object, metadata, tags []byte) error {
	if s.metadata == nil || !bytes.Equal(s.text[:s.tagsAt], metadata) || !bytes.Equal(s.text[s.tagsAt:], tags) {
		if err := readMetadata(o, metadata); err != nil {
			return err
		}
		if err := readTags(o, tags); err != nil {
			return err
		}
		s.text, s.tagsAt = append(append(s.text[:0], metadata...), tags...), len(metadata)
		s.metadata, s.encryption = o.Metadata, o.Encryption
	}
	o.Metadata, o.Encryption = s.metadata, s.encryption
	return nil
}

// readMetadata reads what MinIO writes with metadata=true: user metadata, content headers and encryption in one list.
func readMetadata(o *objectstore.Object, text []byte) error {
	m := &objectstore.Metadata{}
	o.Metadata = m
	if text != nil { // it would hold the encryption
		o.Encryption = objectstore.Plain
	}
	for {
		name, content, rest, err := field(text)
		if err != nil || name == nil {
			return err
		}
		text = rest
		value, err := appendText(nil, content)
		if err != nil {
			return err
		}
		setHeader(o, m, string(bytes.ToLower(name)), string(value))
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
