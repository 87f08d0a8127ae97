package s3

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/georedkit/georedkit/objectstore"
)

// buffers are for pages under way. A page is read in a few pieces.
var buffers = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

var readers = sync.Pool{New: func() any { return &pageReader{} }}

// pageReader makes a page of a listing's XML.
type pageReader struct {
	page      objectstore.Page
	truncated string
	encoding  string
	next      [3]string // continuation token, key marker, version marker
	scratch   []byte
	names     []byte // keys, ETags and versions of all entries
	ends      []ends
	// markersApart says that the page holds delete markers, which some servers write apart from the versions.
	markersApart bool
	shared       sharedMetadata
	days         days
	elements     elements
}

// ends are where an entry's key, ETag and version end in the page's text; each begins where the one before ends.
type ends struct{ key, etag, version int }

// inListingOrder is by key, and of one key the newest first.
func inListingOrder(a, b objectstore.Object) int {
	switch {
	case a.Key != b.Key:
		return strings.Compare(a.Key, b.Key)
	case a.Latest != b.Latest:
		if a.Latest {
			return -1
		}
		return 1
	}
	return b.Modified.Compare(a.Modified)
}

// parsePage reads one page of ListObjectsV2 or ListObjectVersions to its very end. Anything less is an error that is
// [objectstore.ErrIncomplete]. Its objects go into the room, where there is some.
func parsePage(body io.Reader, room []objectstore.Object) (objectstore.Page, error) {
	buf, p := buffers.Get().(*[]byte), readers.Get().(*pageReader)
	s := newScanner(body, *buf)
	s.elements = p.elements
	defer func() { // the texts are used again, the page is the caller's
		*buf = s.buf
		*p = pageReader{scratch: p.scratch[:0], names: p.names[:0], ends: p.ends[:0], elements: s.elements}
		buffers.Put(buf)
		readers.Put(p)
	}()
	root, err := s.open()
	if err != nil {
		return objectstore.Page{}, err
	}
	if root != "ListBucketResult" && root != "ListVersionsResult" {
		return objectstore.Page{}, fmt.Errorf("%w: the page is a %q", objectstore.ErrIncomplete, root)
	}
	if p.page.Objects = room[:0]; cap(room) == 0 {
		p.page.Objects = make([]objectstore.Object, 0, pageLimit)
	}
	for {
		child, inside, err := s.next()
		if err != nil {
			return objectstore.Page{}, err
		}
		if child.name == nil {
			return p.finish()
		}
		if err := p.child(child, inside); err != nil {
			return objectstore.Page{}, err
		}
	}
}

func (p *pageReader) child(child element, inside []element) (err error) {
	content := child.content
	switch string(child.name) {
	case "Contents":
		return p.object(inside, objectstore.Object{Latest: true})
	case "Version":
		return p.object(inside, objectstore.Object{})
	case "DeleteMarker":
		p.markersApart = true
		return p.object(inside, objectstore.Object{DeleteMarker: true})
	case "CommonPrefixes":
		return p.prefix(inside)
	case "IsTruncated":
		p.truncated, err = p.text(content)
	case "EncodingType":
		p.encoding, err = p.text(content)
	case "NextContinuationToken":
		p.next[0], err = p.text(content)
	case "NextKeyMarker":
		p.next[1], err = p.text(content)
	case "NextVersionIdMarker":
		p.next[2], err = p.text(content)
	}
	return err
}

func (p *pageReader) text(content []byte) (string, error) {
	var err error
	p.scratch, err = appendText(p.scratch[:0], content)
	return string(p.scratch), err
}

func (p *pageReader) prefix(inside []element) error {
	if len(inside) == 0 || string(inside[0].name) != "Prefix" {
		return malformed("a folded prefix without its name")
	}
	prefix, err := p.text(inside[0].content)
	p.page.Prefixes = append(p.page.Prefixes, prefix)
	return err
}

// object reads one entry.
func (p *pageReader) object(inside []element, o objectstore.Object) error {
	var key, etag, version, size, modified, metadata, tags []byte
	for i := range inside {
		text := inside[i].content
		switch string(inside[i].name) {
		case "Key":
			key = text
		case "ETag":
			etag = text
		case "VersionId":
			version = text
		case "Size":
			size = text
		case "LastModified":
			modified = text
		case "IsLatest":
			o.Latest = string(text) == "true"
		case "UserMetadata":
			metadata = text
		case "UserTags":
			tags = text
		}
	}
	if metadata != nil { // without the right to read, MinIO tells tags alone
		if err := p.shared.read(&o, metadata, tags); err != nil {
			return err
		}
	}
	return p.keep(o, key, etag, version, size, modified)
}

func (p *pageReader) keep(o objectstore.Object, key, etag, version, size, modified []byte) (err error) {
	if o.Modified, err = p.days.parse(modified); err != nil {
		return malformed("an entry without a time")
	}
	if !o.DeleteMarker {
		n := digits(size)
		if n < 0 || len(size) == 0 || len(size) > 18 {
			return malformed("an entry without a size")
		}
		o.Size = int64(n)
	}
	var at ends
	begin := len(p.names)
	if p.names, err = appendText(p.names, key); err != nil {
		return err
	}
	if at.key = len(p.names); at.key == begin {
		return malformed("an entry without a key")
	}
	if p.names, err = appendText(p.names, unquoted(etag)); err != nil {
		return err
	}
	at.etag = len(p.names)
	if p.names, err = appendText(p.names, version); err != nil {
		return err
	}
	at.version = len(p.names)
	p.ends = append(p.ends, at)
	p.page.Objects = append(p.page.Objects, o)
	return nil
}

// name gives the entries their texts: they share one piece of memory per page.
func (p *pageReader) name() {
	text, begin := string(p.names), 0
	for i, at := range p.ends {
		o := &p.page.Objects[i]
		o.Key, o.ETag, o.VersionID = text[begin:at.key], objectstore.ETag(strings.Trim(text[at.key:at.etag], `"`)), text[at.etag:at.version]
		begin = at.version
	}
}

// finish decodes the names, now that the encoding is known, and sees whether the page says how it ends.
func (p *pageReader) finish() (objectstore.Page, error) {
	p.name()
	if p.encoding == "url" {
		if err := p.decode(); err != nil {
			return objectstore.Page{}, err
		}
	}
	if p.markersApart {
		slices.SortStableFunc(p.page.Objects, inListingOrder)
	}
	token := p.next[0]
	if p.next[1] != "" {
		token = p.next[1] + "\x00" + p.next[2]
	}
	switch p.truncated {
	case "true":
		if token == "" {
			return objectstore.Page{}, malformed("no token although it is not the last")
		}
		p.page.Token = token
	case "false":
	default:
		return objectstore.Page{}, malformed("no word whether it is the last")
	}
	return p.page, nil
}

func (p *pageReader) decode() (err error) {
	decode := func(text *string) {
		if err == nil {
			*text, err = decodeURL(*text)
		}
	}
	for i := range p.page.Objects {
		decode(&p.page.Objects[i].Key)
	}
	for i := range p.page.Prefixes {
		decode(&p.page.Prefixes[i])
	}
	decode(&p.next[1])
	if err != nil {
		return fmt.Errorf("%w: a key that cannot be decoded: %w", objectstore.ErrIncomplete, err)
	}
	return nil
}
