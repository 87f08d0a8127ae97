package objecttest

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/objectstore"
)

// Store is what is held to the contract.
type Store interface {
	objectstore.Reader
	objectstore.Writer
}

// Subject is an adapter and the server behind it.
type Subject struct {
	Store Store
	// NewBucket makes an empty bucket that the test may use alone. Required.
	NewBucket func(t *testing.T, versioning objectstore.Versioning) string
	// Lacks names what this server is known not to do, by the name of the part of the suite, each with the reason. A name
	// that is of no part fails.
	Lacks map[string]string
}

type part struct {
	name string
	run  func(*testing.T, Subject)
}

var parts = []part{
	{"pages", testPages}, {"order", testOrder}, {"odd keys", testOddKeys}, {"control characters", testControlKeys},
	{"folders", testFolders}, {"versions", testVersions}, {"metadata in listings", testListedMetadata},
	{"single objects", testObjects}, {"missing", testMissing}, {"deleting", testDelete}, {"cancelling", testCancel},
}

// knowsWhatItLacks refuses names that are of no part, and parts without a reason: they would leave nothing out.
func (s Subject) knowsWhatItLacks() error {
	for _, name := range slices.Sorted(maps.Keys(s.Lacks)) {
		switch i := slices.IndexFunc(parts, func(p part) bool { return p.name == name }); {
		case i < 0:
			return fmt.Errorf("%q in Lacks is no part of the suite", name)
		case s.Lacks[name] == "":
			return fmt.Errorf("%q in Lacks has no reason", name)
		}
	}
	return nil
}

// Run holds an adapter of objectstore.Reader and objectstore.Writer to its contract, on a real server or a fake.
func Run(t *testing.T, s Subject) {
	if err := s.knowsWhatItLacks(); err != nil {
		t.Error(err)
	}
	for _, part := range parts {
		t.Run(part.name, func(t *testing.T) {
			if reason := s.Lacks[part.name]; reason != "" {
				t.Skip("known of this server: " + reason)
			}
			part.run(t, s)
		})
	}
}

func put(t *testing.T, s Subject, bucket, key, body string) {
	t.Helper()
	meta := objectstore.Metadata{Headers: map[string]string{"content-type": "text/plain"}}
	if err := s.Store.Put(t.Context(), objectstore.Ref{Bucket: bucket, Key: key}, int64(len(body)), meta, strings.NewReader(body)); err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
}

// all lists to the end by token. Each page may use the room of the one before.
func all(t *testing.T, s Subject, q objectstore.Query) []objectstore.Object {
	t.Helper()
	var objects []objectstore.Object
	for range 1000 {
		page, err := s.Store.List(t.Context(), q)
		if err != nil {
			t.Fatalf("list %+v: %v", q, err)
		}
		objects = append(objects, page.Objects...)
		q.Room = page.Objects
		if q.Token = page.Token; q.Token == "" {
			return objects
		}
	}
	t.Fatal("the listing does not end")
	return nil
}

func keysOf(objects []objectstore.Object) []string {
	keys := make([]string, len(objects))
	for i, o := range objects {
		keys[i] = o.Key
	}
	return keys
}

func sameKeys(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func testPages(t *testing.T, s Subject) {
	bucket := s.NewBucket(t, objectstore.Unversioned)
	var want []string
	for i := range 25 {
		want = append(want, fmt.Sprintf("d%d/k%02d", i/9, i))
		put(t, s, bucket, want[i], "body")
	}
	for _, limit := range []int{0, 1, 7, 25} {
		sameKeys(t, fmt.Sprintf("pages of %d", limit), keysOf(all(t, s, objectstore.Query{Bucket: bucket, Limit: limit})), want)
	}
	for i, key := range want {
		page, err := s.Store.List(t.Context(), objectstore.Query{Bucket: bucket, StartAfter: key, Limit: 7})
		if err != nil {
			t.Fatal(err)
		}
		sameKeys(t, "behind "+key, keysOf(page.Objects), want[i+1:min(i+8, len(want))])
		if more := i+8 < len(want); (page.Token != "") != more {
			t.Errorf("behind %s: token %q, want one: %v", key, page.Token, more)
		}
	}
	sameKeys(t, "prefix", keysOf(all(t, s, objectstore.Query{Bucket: bucket, Prefix: "d1/", Limit: 4})), want[9:18])
	sameKeys(t, "prefix and key", keysOf(all(t, s, objectstore.Query{Bucket: bucket, Prefix: "d1/", StartAfter: want[11]})), want[12:18])
	sameKeys(t, "nothing", keysOf(all(t, s, objectstore.Query{Bucket: bucket, Prefix: "x"})), []string{})
}

// testOrder holds listings to the order of bytes, also where folders and names meet.
func testOrder(t *testing.T, s Subject) {
	bucket := s.NewBucket(t, objectstore.Unversioned)
	keys := []string{"A", "a-b", "a.b", "a/x", "a/y/z", "a0", "b", "b-", "dir/a", "dir-", "dir!", "z/1", "Ä", "ä", "日"}
	for _, key := range keys {
		put(t, s, bucket, key, key)
	}
	slices.Sort(keys)
	for _, limit := range []int{0, 1, 2} {
		sameKeys(t, fmt.Sprintf("pages of %d", limit), keysOf(all(t, s, objectstore.Query{Bucket: bucket, Limit: limit})), keys)
	}
}

// testOddKeys tries what S3 allows and listings tend to mangle.
func testOddKeys(t *testing.T, s Subject) {
	bucket := s.NewBucket(t, objectstore.Unversioned)
	keys := []string{"sp ace", "plus+", "per%cent", "per%2Fcent", "amp&<>\"'", "semi;colon", "que?ry=1", "ha#sh", "back\\slash",
		"caf\u00e9", "cafe\u0301", "colon:at@", "tilde~", "star*", "bracket[1]", "pipe|", "\U0001f600", "comma,", "dollar$", "caret^`{}"}
	for _, key := range keys {
		put(t, s, bucket, key, "body of "+key)
	}
	slices.Sort(keys)
	sameKeys(t, "listed", keysOf(all(t, s, objectstore.Query{Bucket: bucket})), keys)
	sameKeys(t, "listed one by one", keysOf(all(t, s, objectstore.Query{Bucket: bucket, Limit: 1})), keys)
	for _, key := range keys {
		if got := read(t, s, objectstore.Ref{Bucket: bucket, Key: key}); got != "body of "+key {
			t.Errorf("%q reads %q", key, got)
		}
	}
}

// testControlKeys: XML cannot hold these but encoded.
func testControlKeys(t *testing.T, s Subject) {
	bucket := s.NewBucket(t, objectstore.Unversioned)
	keys := []string{"bell\x07", "new\nline", "tab\tkey", "del\x7f", "esc\x1b["}
	for _, key := range keys {
		put(t, s, bucket, key, key)
	}
	slices.Sort(keys)
	sameKeys(t, "listed", keysOf(all(t, s, objectstore.Query{Bucket: bucket})), keys)
}

func read(t *testing.T, s Subject, ref objectstore.Ref) string {
	t.Helper()
	body, err := s.Store.Open(t.Context(), ref)
	if err != nil {
		t.Fatalf("open %s: %v", ref, err)
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatalf("read %s: %v", ref, err)
	}
	return string(text)
}

func testFolders(t *testing.T, s Subject) {
	bucket := s.NewBucket(t, objectstore.Unversioned)
	for _, key := range []string{"a/1", "a/2", "b/c/3", "top", "z/4"} {
		put(t, s, bucket, key, key)
	}
	page, err := s.Store.List(t.Context(), objectstore.Query{Bucket: bucket, Delimiter: "/"})
	if err != nil {
		t.Fatal(err)
	}
	sameKeys(t, "objects", keysOf(page.Objects), []string{"top"})
	sameKeys(t, "prefixes", page.Prefixes, []string{"a/", "b/", "z/"})
	page, err = s.Store.List(t.Context(), objectstore.Query{Bucket: bucket, Delimiter: "/", Prefix: "b/"})
	if err != nil {
		t.Fatal(err)
	}
	sameKeys(t, "inner prefixes", page.Prefixes, []string{"b/c/"})
}

func testVersions(t *testing.T, s Subject) {
	bucket := s.NewBucket(t, objectstore.Versioned)
	if b, err := s.Store.Bucket(t.Context(), bucket); err != nil || b.Versioning != objectstore.Versioned {
		t.Fatalf("bucket: %+v, %v", b, err)
	}
	for _, body := range []string{"one", "two", "three"} {
		put(t, s, bucket, "k", body)
	}
	put(t, s, bucket, "gone", "x")
	if err := s.Store.Delete(t.Context(), objectstore.Ref{Bucket: bucket, Key: "gone"}); err != nil {
		t.Fatal(err)
	}
	sameKeys(t, "current", keysOf(all(t, s, objectstore.Query{Bucket: bucket})), []string{"k"})
	versions := all(t, s, objectstore.Query{Bucket: bucket, Versions: true})
	var got []string
	for _, v := range versions {
		got = append(got, fmt.Sprintf("%s %d marker=%v latest=%v", v.Key, v.Size, v.DeleteMarker, v.Latest))
	}
	want := []string{"gone 0 marker=true latest=true", "gone 1 marker=false latest=false",
		"k 5 marker=false latest=true", "k 3 marker=false latest=false", "k 3 marker=false latest=false"}
	if sameKeys(t, "versions", got, want); t.Failed() {
		return
	}
	if got := read(t, s, objectstore.Ref{Bucket: bucket, Key: "k", VersionID: versions[4].VersionID}); got != "one" {
		t.Errorf("the oldest version reads %q", got)
	}
	for i, v := range versions {
		page, err := s.Store.List(t.Context(), objectstore.Query{Bucket: bucket, Versions: true, StartAfter: v.Key, StartAfterVersion: v.VersionID})
		if err != nil {
			t.Fatal(err)
		}
		rest := slices.DeleteFunc(page.Objects, func(o objectstore.Object) bool { return o.VersionID == v.VersionID }) // may be repeated
		if len(rest) != len(versions)-i-1 {
			t.Errorf("behind version %d: %d versions, want %d", i, len(rest), len(versions)-i-1)
		}
	}
}

func testListedMetadata(t *testing.T, s Subject) {
	bucket := s.NewBucket(t, objectstore.Versioned)
	if err := s.Store.Put(t.Context(), objectstore.Ref{Bucket: bucket, Key: "k"}, 1, rich(), strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	for _, versions := range []bool{false, true} {
		objects := all(t, s, objectstore.Query{Bucket: bucket, Metadata: true, Versions: versions})
		if len(objects) != 1 || objects[0].Metadata == nil {
			t.Fatalf("versions %v: no metadata in %+v", versions, objects)
		}
		want := rich()
		delete(want.Headers, "expires") // MinIO tells it by HEAD alone
		checkMetadata(t, objects[0], want)
	}
}

// rich is all that an object can carry; one name of its user metadata is that of a header.
func rich() objectstore.Metadata {
	return objectstore.Metadata{User: map[string]string{"owner": "a<b", "expires": "never"}, Tags: map[string]string{"kind": "x y"},
		Headers: map[string]string{"content-type": "text/plain", "content-encoding": "gzip", "content-language": "de",
			"content-disposition": "attachment", "cache-control": "no-store", "expires": "Thu, 01 Jan 2032 00:00:00 GMT"}}
}

func checkMetadata(t *testing.T, o objectstore.Object, want objectstore.Metadata) {
	t.Helper()
	m := o.Metadata
	if !maps.Equal(m.User, want.User) || !maps.Equal(m.Tags, want.Tags) || !maps.Equal(m.Headers, want.Headers) {
		t.Errorf("metadata is %+v, want %+v", *m, want)
	}
	if o.Encryption != objectstore.Plain {
		t.Errorf("encryption is %q, want it known to be plain", o.Encryption)
	}
}

func testObjects(t *testing.T, s Subject) {
	bucket := s.NewBucket(t, objectstore.Unversioned)
	for _, body := range []string{"", "hello", strings.Repeat("large", 300_000)} {
		put(t, s, bucket, "k", body)
		sum := md5.Sum([]byte(body))
		o, err := s.Store.Stat(t.Context(), objectstore.Ref{Bucket: bucket, Key: "k"})
		if err != nil {
			t.Fatal(err)
		}
		if o.Size != int64(len(body)) || string(o.ETag) != hex.EncodeToString(sum[:]) || o.Modified.IsZero() || o.Key != "k" {
			t.Errorf("%d bytes: %+v", len(body), o)
		}
		if got := read(t, s, objectstore.Ref{Bucket: bucket, Key: "k"}); got != body {
			t.Errorf("%d bytes were written, others are read", len(body))
		}
		if listed := all(t, s, objectstore.Query{Bucket: bucket}); listed[0].ETag != o.ETag || listed[0].Size != o.Size {
			t.Errorf("listed %+v, HEAD says %+v", listed[0], o)
		}
	}
	if err := s.Store.Put(t.Context(), objectstore.Ref{Bucket: bucket, Key: "m"}, 1, rich(), strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	o, err := s.Store.Stat(t.Context(), objectstore.Ref{Bucket: bucket, Key: "m"})
	if err != nil {
		t.Fatal(err)
	}
	checkMetadata(t, o, rich())
	if got := read(t, s, objectstore.Ref{Bucket: bucket, Key: "m"}); got != "x" { // nobody decodes it on the way
		t.Errorf("read %q of an object that says that it is encoded", got)
	}
}

func testMissing(t *testing.T, s Subject) {
	bucket := s.NewBucket(t, objectstore.Unversioned)
	ref := objectstore.Ref{Bucket: bucket, Key: "nothing"}
	if _, err := s.Store.Stat(t.Context(), ref); !errors.Is(err, objectstore.ErrNoObject) {
		t.Errorf("stat: %v", err)
	}
	if _, err := s.Store.Open(t.Context(), ref); !errors.Is(err, objectstore.ErrNoObject) {
		t.Errorf("open: %v", err)
	}
	if _, err := s.Store.Bucket(t.Context(), "no-such-bucket"); !errors.Is(err, objectstore.ErrNoBucket) {
		t.Errorf("bucket: %v", err)
	}
	if _, err := s.Store.List(t.Context(), objectstore.Query{Bucket: "no-such-bucket"}); !errors.Is(err, objectstore.ErrNoBucket) {
		t.Errorf("list: %v", err)
	}
	names, err := s.Store.Buckets(t.Context())
	if err != nil || !slices.Contains(names, bucket) || slices.Contains(names, "no-such-bucket") {
		t.Errorf("buckets: %q, %v", names, err)
	}
}

func testDelete(t *testing.T, s Subject) {
	bucket := s.NewBucket(t, objectstore.Unversioned)
	put(t, s, bucket, "k", "x")
	ref := objectstore.Ref{Bucket: bucket, Key: "k"}
	for range 2 { // the second time it is gone already
		if err := s.Store.Delete(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Store.Stat(t.Context(), ref); !errors.Is(err, objectstore.ErrNoObject) {
			t.Errorf("stat: %v", err)
		}
	}
}

func testCancel(t *testing.T, s Subject) {
	bucket := s.NewBucket(t, objectstore.Unversioned)
	put(t, s, bucket, "k", "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if page, err := s.Store.List(ctx, objectstore.Query{Bucket: bucket}); err == nil {
		t.Errorf("a cancelled listing gave %+v", page)
	}
	if _, err := s.Store.Stat(ctx, objectstore.Ref{Bucket: bucket, Key: "k"}); err == nil || errors.Is(err, objectstore.ErrNoObject) {
		t.Errorf("a cancelled stat gave %v", err)
	}
}
