package objecttest

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/georedkit/georedkit/objectstore"
)

func (s *Server) listBuckets(w http.ResponseWriter) {
	type named struct{ Name, CreationDate string }
	var answer struct {
		XMLName xml.Name `xml:"ListAllMyBucketsResult"`
		Buckets struct{ Bucket []named }
	}
	for name := range s.buckets {
		answer.Buckets.Bucket = append(answer.Buckets.Bucket, named{name, "2024-01-01T00:00:00.000Z"})
	}
	slices.SortFunc(answer.Buckets.Bucket, func(a, b named) int { return strings.Compare(a.Name, b.Name) })
	writeXML(w, answer)
}

func writeXML(w http.ResponseWriter, answer any) {
	w.Header().Set("Content-Type", "application/xml")
	_ = xml.NewEncoder(w).Encode(answer) // a client that is gone gets nothing
}

// route finds the operation of an authentic request. The server is locked.
func (s *Server) route(w http.ResponseWriter, r *http.Request, name, key string, body []byte) {
	q := r.URL.Query()
	switch {
	case key == "" && q.Has("versioning"):
		s.versioning(w, r, name, body)
	case key == "" && r.Method == http.MethodPut:
		s.bucket(name)
	case key == "" && r.Method == http.MethodGet && (q.Has("versions") || q.Get("list-type") == "2"):
		s.list(w, r, name)
	case key == "" && r.Method == http.MethodHead:
	case key == "" || q.Has("uploads") || q.Has("uploadId") || q.Has("tagging") && r.Method != http.MethodGet:
		(&refusal{http.StatusNotImplemented, "NotImplemented", "this fake does not do that"}).write(w, r)
	case r.Method == http.MethodPut:
		s.put(w, r, name, key, body)
	case r.Method == http.MethodDelete:
		s.drop(name, key, q.Get("versionId"))
		w.WriteHeader(http.StatusNoContent)
	default:
		s.get(w, r, name, key)
	}
}

func (s *Server) versioning(w http.ResponseWriter, r *http.Request, name string, body []byte) {
	var state struct {
		XMLName xml.Name `xml:"VersioningConfiguration"`
		Status  string   `xml:",omitempty"`
	}
	states := map[string]objectstore.Versioning{"Enabled": objectstore.Versioned, "Suspended": objectstore.Suspended}
	if r.Method == http.MethodPut {
		if err := xml.Unmarshal(body, &state); err != nil || states[state.Status] == "" {
			(&refusal{http.StatusBadRequest, "MalformedXML", "no versioning"}).write(w, r)
			return
		}
		s.buckets[name].versioning = states[state.Status]
		return
	}
	for text, v := range states {
		if v == s.buckets[name].versioning {
			state.Status = text
		}
	}
	writeXML(w, state)
}

// kept are the headers that an object keeps.
var kept = map[string]bool{"content-type": true, "cache-control": true, "content-disposition": true, "content-language": true,
	"content-encoding": true, "expires": true}

// unchunked is a header without what says how the request itself was sent.
func unchunked(values []string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "aws-chunked" }), ",")
}

func (s *Server) put(w http.ResponseWriter, r *http.Request, name, key string, body []byte) {
	meta := objectstore.Metadata{Headers: map[string]string{}, User: map[string]string{}, Tags: map[string]string{}}
	for header, values := range r.Header {
		lower := strings.ToLower(header)
		if user, ok := strings.CutPrefix(lower, "x-amz-meta-"); ok {
			meta.User[user] = values[0]
		} else if value := unchunked(values); kept[lower] && value != "" {
			meta.Headers[lower] = value
		}
	}
	tags, err := url.ParseQuery(r.Header.Get("X-Amz-Tagging"))
	if err != nil {
		(&refusal{http.StatusBadRequest, "InvalidArgument", "tags"}).write(w, r)
		return
	}
	for tag := range tags {
		meta.Tags[tag] = tags.Get(tag)
	}
	s.serial++
	v := newVersion(key, body, meta, s.clock.Now(), s.serial)
	if want := r.Header.Get("X-Amz-Checksum-Crc64nvme"); want != "" && want != crc64nvme(body) {
		(&refusal{http.StatusBadRequest, "XAmzContentChecksumMismatch", "the checksum is of other bytes"}).write(w, r)
		return
	}
	s.keep(name, v)
	w.Header().Set("ETag", `"`+string(v.ETag)+`"`)
}

// get answers GET, HEAD and the tags of an object.
func (s *Server) get(w http.ResponseWriter, r *http.Request, name, key string) {
	v := s.buckets[name].find(key, r.URL.Query().Get("versionId"))
	if v == nil || v.DeleteMarker {
		if v != nil {
			w.Header().Set("X-Amz-Delete-Marker", "true")
		}
		(&refusal{http.StatusNotFound, "NoSuchKey", "The specified key does not exist"}).write(w, r)
		return
	}
	if r.URL.Query().Has("tagging") && s.bite(hiddenTags) != nil {
		(&refusal{http.StatusForbidden, "AccessDenied", "Access Denied"}).write(w, r)
		return
	}
	if r.URL.Query().Has("tagging") {
		writeTags(w, v.Metadata.Tags)
		return
	}
	if v.Encryption == objectstore.CustomerKey && r.Header.Get("X-Amz-Server-Side-Encryption-Customer-Key") == "" {
		(&refusal{http.StatusBadRequest, "InvalidRequest", "the object needs its customer's key"}).write(w, r)
		return
	}
	h := w.Header()
	for header, value := range headersOf(v) {
		h.Set(header, value)
	}
	for _, sum := range v.Checksums {
		h.Set("X-Amz-Checksum-"+sum.Algorithm, sum.Value)
		h.Set("X-Amz-Checksum-Type", map[bool]string{false: "FULL_OBJECT", true: "COMPOSITE"}[sum.Composite])
	}
	if n := len(v.Metadata.Tags); n > 0 {
		h.Set("X-Amz-Tagging-Count", strconv.Itoa(n))
	}
	h.Set("ETag", `"`+string(v.ETag)+`"`)
	h.Set("Last-Modified", v.Modified.UTC().Format(http.TimeFormat))
	h.Set("X-Amz-Version-Id", v.VersionID)
	h.Set("Content-Length", strconv.FormatInt(v.Size, 10))
	if r.Method == http.MethodGet {
		_, _ = w.Write(v.body) // a client that is gone gets nothing
	}
}

func writeTags(w http.ResponseWriter, tags map[string]string) {
	type tag struct{ Key, Value string }
	var answer struct {
		XMLName xml.Name `xml:"Tagging"`
		TagSet  struct{ Tag []tag }
	}
	for key, value := range tags {
		answer.TagSet.Tag = append(answer.TagSet.Tag, tag{key, value})
	}
	writeXML(w, answer)
}
