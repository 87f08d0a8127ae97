package objecttest

import (
	"bytes"
	"encoding/xml"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/georedkit/georedkit/objectstore"
)

type listResult struct {
	XMLName               xml.Name
	Name                  string
	Prefix                string
	MaxKeys               int
	KeyCount              int `xml:",omitempty"`
	IsTruncated           bool
	NextContinuationToken string `xml:",omitempty"`
	NextKeyMarker         string `xml:",omitempty"`
	NextVersionIdMarker   string `xml:",omitempty"`
	Entries               []entry
	CommonPrefixes        []commonPrefix
	EncodingType          string `xml:",omitempty"`
}

type commonPrefix struct{ Prefix string }

type entry struct {
	XMLName      xml.Name
	Key          string
	VersionId    string `xml:",omitempty"`
	IsLatest     *bool  `xml:",omitempty"`
	LastModified string
	ETag         string `xml:",omitempty"`
	Size         *int64 `xml:",omitempty"`
	StorageClass string `xml:",omitempty"`
	UserMetadata *userMetadata
	UserTags     string `xml:",omitempty"`
	key          string
}

// userMetadata is MinIO's extension: one element per header, named like it.
type userMetadata map[string]string

func (m userMetadata) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	if err := e.EncodeToken(start); err != nil {
		return err
	}
	for name, value := range m {
		if err := e.EncodeElement(value, xml.StartElement{Name: xml.Name{Local: name}}); err != nil {
			return err
		}
	}
	return e.EncodeToken(start.End())
}

// list answers ListObjectsV2 and ListObjectVersions.
func (s *Server) list(w http.ResponseWriter, r *http.Request, name string) {
	s.pages++
	q := r.URL.Query()
	versions := q.Has("versions")
	l := &lister{server: s, query: q, versions: versions, result: listResult{Name: name, Prefix: q.Get("prefix"), EncodingType: q.Get("encoding-type")}}
	l.result.XMLName.Local = "ListBucketResult"
	after, afterVersion := q.Get("start-after"), ""
	if token := q.Get("continuation-token"); token != "" {
		after = strings.TrimPrefix(token, "token:")
	}
	if versions {
		l.result.XMLName.Local = "ListVersionsResult"
		after, afterVersion = q.Get("key-marker"), q.Get("version-id-marker")
	}
	l.limit, _ = strconv.Atoi(q.Get("max-keys"))
	if l.limit <= 0 || l.limit > 1000 {
		l.limit = 1000
	}
	l.result.MaxKeys = l.limit
	l.fill(s.buckets[name], after, afterVersion)
	l.send(w)
}

type lister struct {
	server   *Server
	query    url.Values
	versions bool
	limit    int
	result   listResult
}

// fill adds entries behind the marker until the page is full.
func (l *lister) fill(b *bucket, after, afterVersion string) {
	keys := b.sortedKeys()
	i, _ := slices.BinarySearch(keys, after)
	for _, key := range keys[i:] {
		stale := l.server.has(staleListing)
		switch {
		case !strings.HasPrefix(key, l.result.Prefix), key == after && afterVersion == "":
			continue
		case stale != nil && stale.key == key:
			l.server.bites++
			continue
		}
		if folded := l.fold(key); folded != "" {
			if folded > after && !l.addPrefix(folded) {
				return
			}
			continue
		}
		skipping := key == after // up to the version of the marker
		for _, v := range b.keys[key] {
			if skipping {
				skipping = v.VersionID != afterVersion
				continue
			}
			if (l.versions || v.Latest && !v.DeleteMarker) && !l.add(v) {
				return
			}
		}
	}
}

// fold is the common prefix of a key, if the delimiter makes one.
func (l *lister) fold(key string) string {
	delimiter := l.query.Get("delimiter")
	if delimiter == "" {
		return ""
	}
	rest := key[len(l.result.Prefix):]
	i := strings.Index(rest, delimiter)
	if i < 0 {
		return ""
	}
	return l.result.Prefix + rest[:i+len(delimiter)]
}

func (l *lister) full() bool {
	return len(l.result.Entries)+len(l.result.CommonPrefixes) >= l.limit
}

func (l *lister) addPrefix(folded string) bool {
	p := l.encode(folded)
	if n := len(l.result.CommonPrefixes); n > 0 && l.result.CommonPrefixes[n-1].Prefix == p {
		return true
	}
	if l.full() {
		l.result.IsTruncated = true
		return false
	}
	l.result.CommonPrefixes = append(l.result.CommonPrefixes, commonPrefix{p})
	l.result.NextContinuationToken = "token:" + folded + "\xff"
	return true
}

// add adds a version, or says that the page is full.
func (l *lister) add(v *version) bool {
	if l.full() {
		l.result.IsTruncated = true
		return false
	}
	e := entry{Key: l.encode(v.Key), LastModified: stamp(v.Modified), key: v.Key}
	e.XMLName.Local = "Contents"
	if l.versions {
		e.XMLName.Local, e.VersionId, e.IsLatest = "Version", v.VersionID, &v.Latest
	}
	if v.DeleteMarker {
		e.XMLName.Local = "DeleteMarker"
	} else {
		e.ETag, e.Size, e.StorageClass = `"`+string(v.ETag)+`"`, &v.Size, "STANDARD"
		if l.query.Get("metadata") == "true" {
			e.UserMetadata, e.UserTags = l.metadata(v)
		}
	}
	if f := l.server.has(wrongETag); f != nil && f.key == v.Key {
		l.server.bites++
		e.ETag = `"00000000000000000000000000000000"`
	}
	l.result.Entries = append(l.result.Entries, e)
	l.result.NextContinuationToken = "token:" + v.Key
	l.result.NextKeyMarker, l.result.NextVersionIdMarker = l.encode(v.Key), v.VersionID
	return true
}

func (l *lister) metadata(v *version) (*userMetadata, string) {
	m := userMetadata{}
	for name, value := range headersOf(v) {
		m[name] = value
	}
	delete(m, "expires") // as MinIO does
	tags := url.Values{}
	if l.server.has(hiddenTags) != nil {
		return &m, ""
	}
	for name, value := range v.Metadata.Tags {
		tags.Set(name, value)
	}
	return &m, tags.Encode()
}

func (l *lister) encode(key string) string {
	if l.result.EncodingType != "url" {
		return key
	}
	return strings.ReplaceAll(url.QueryEscape(key), "%2F", "/")
}

// send writes the page, with the faults of listings.
func (l *lister) send(w http.ResponseWriter) {
	if !l.result.IsTruncated {
		l.result.NextContinuationToken, l.result.NextKeyMarker, l.result.NextVersionIdMarker = "", "", ""
	} else if l.versions {
		l.result.NextContinuationToken = ""
	} else {
		l.result.NextKeyMarker, l.result.NextVersionIdMarker = "", ""
	}
	l.result.KeyCount = len(l.result.Entries) + len(l.result.CommonPrefixes)
	if l.server.has(unsorted) != nil && len(l.result.Entries) > 1 {
		l.server.bites++
		slices.Reverse(l.result.Entries)
	}
	var page bytes.Buffer
	page.WriteString(xml.Header)
	_ = xml.NewEncoder(&page).Encode(l.result) // plain data into memory
	w.Header().Set("Content-Type", "application/xml")
	if at := l.cut(page.Bytes()); at > 0 {
		_, _ = w.Write(page.Bytes()[:at])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(page.Bytes()) // a client that is gone gets nothing
}

// cut is where the fault breaks the page off; 0 for not at all.
func (l *lister) cut(page []byte) int {
	f := l.server.has(cutListing)
	if f == nil {
		return 0
	}
	behind := 0
	for _, e := range l.result.Entries {
		if e.key > f.key {
			if behind++; behind > f.count {
				l.server.bites++
				return bytes.Index(page, []byte("<Key>"+e.Key+"</Key>"))
			}
		}
	}
	return 0
}

func headersOf(v *version) map[string]string {
	headers := map[string]string{}
	for name, value := range v.Metadata.Headers {
		headers[name] = value
	}
	for name, value := range v.Metadata.User {
		headers["X-Amz-Meta-"+name] = value
	}
	switch v.Encryption {
	case objectstore.ServerKey, objectstore.KMSKey:
		headers["X-Amz-Server-Side-Encryption"] = string(v.Encryption)
	case objectstore.CustomerKey:
		headers["X-Amz-Server-Side-Encryption-Customer-Algorithm"] = "AES256"
	}
	return headers
}
