package s3

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/minio/minio-go/v7"

	"github.com/georedkit/georedkit/objectstore"
)

// recorded are pages as real servers wrote them.
func recorded(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/*.xml")
	if err != nil || len(files) < 4 {
		t.Fatalf("%d recorded pages: %v", len(files), err)
	}
	pages := map[string][]byte{}
	for _, file := range files {
		if pages[file], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	return pages
}

func parse(page []byte) (objectstore.Page, error) { return parsePage(bytes.NewReader(page), nil) }

// plain is what both readers tell of an entry.
type plain struct {
	key, version, etag string
	size               int64
	modified           int64
	marker, latest     bool
}

func ours(page objectstore.Page) (entries []plain) {
	for _, o := range page.Objects {
		entries = append(entries, plain{o.Key, o.VersionID, string(o.ETag), o.Size, o.Modified.UnixNano(), o.DeleteMarker, o.Latest})
	}
	return entries
}

// theirs reads a page with minio-go's own types.
func theirs(page []byte) (entries []plain, prefixes int, token string, err error) {
	if bytes.Contains(page, []byte("ListVersionsResult")) {
		var r minio.ListVersionsResult
		if err := xml.Unmarshal(page, &r); err != nil {
			return nil, 0, "", err
		}
		for _, v := range r.Versions {
			key, err := decodeKey(v.Key, r.EncodingType)
			if err != nil {
				return nil, 0, "", err
			}
			marker := v.Size == 0 && v.ETag == ""
			entries = append(entries, plain{key, v.VersionID, strings.Trim(v.ETag, `"`), v.Size, v.LastModified.UnixNano(), marker, v.IsLatest})
		}
		return entries, len(r.CommonPrefixes), r.NextKeyMarker, nil
	}
	var r minio.ListBucketV2Result
	if err := xml.Unmarshal(page, &r); err != nil {
		return nil, 0, "", err
	}
	for _, o := range r.Contents {
		key, err := decodeKey(o.Key, r.EncodingType)
		if err != nil {
			return nil, 0, "", err
		}
		entries = append(entries, plain{key, o.VersionID, strings.Trim(o.ETag, `"`), o.Size, o.LastModified.UnixNano(), false, true})
	}
	return entries, len(r.CommonPrefixes), r.NextContinuationToken, nil
}

func decodeKey(key, encoding string) (string, error) {
	if encoding != "url" {
		return key, nil
	}
	return decodeURL(key)
}

// agree holds our reader to minio-go's where both read the page.
func agree(t *testing.T, page []byte) {
	t.Helper()
	mine, err := parse(page)
	if err != nil {
		return
	}
	want, prefixes, _, err := theirs(page)
	if err != nil {
		return
	}
	got := ours(mine)
	for _, entries := range [][]plain{got, want} { // ours are put in order where delete markers stand apart
		slices.SortFunc(entries, func(a, b plain) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	}
	if len(got) != len(want) || len(mine.Prefixes) != prefixes {
		t.Fatalf("%d entries and %d prefixes, minio-go reads %d and %d in %q", len(got), len(mine.Prefixes), len(want), prefixes, page)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("entry %d is %+v, minio-go reads %+v in %q", i, got[i], want[i], page)
		}
	}
}

func TestRecordedPages(t *testing.T) {
	for file, page := range recorded(t) {
		parsed, err := parse(page)
		if err != nil || len(parsed.Objects)+len(parsed.Prefixes) == 0 {
			t.Errorf("%s: %d objects, %v", file, len(parsed.Objects), err)
		}
		agree(t, page)
		slow, err := parsePage(iotest.OneByteReader(bytes.NewReader(page)), nil)
		if err != nil || len(slow.Objects) != len(parsed.Objects) || slow.Token != parsed.Token {
			t.Errorf("%s byte by byte: %d objects, %v", file, len(slow.Objects), err)
		}
	}
}

// TestPageThatBreaksOff cuts pages at every byte: none may pass for a whole one.
func TestPageThatBreaksOff(t *testing.T) {
	for file, page := range recorded(t) {
		page = bytes.TrimSpace(page)
		for n := range page {
			if parsed, err := parse(page[:n]); !errors.Is(err, objectstore.ErrIncomplete) {
				t.Fatalf("%s cut at %d of %d: %d objects, %v", file, n, len(page), len(parsed.Objects), err)
			}
		}
	}
}

func TestPagesThatAreNone(t *testing.T) {
	entry := func(inner string) string {
		return "<ListBucketResult><IsTruncated>false</IsTruncated><Contents>" + inner + "</Contents></ListBucketResult>"
	}
	const good = "<Key>k</Key><LastModified>2026-01-02T03:04:05.006Z</LastModified><Size>1</Size>"
	if page, err := parse([]byte(entry(good))); err != nil || len(page.Objects) != 1 {
		t.Fatalf("the good page: %v", err)
	}
	for name, page := range map[string]string{
		"an error":        "<Error><Code>SlowDown</Code></Error>",
		"HTML":            "<!DOCTYPE html><html></html>",
		"nothing":         "",
		"text":            "hello",
		"no end told":     "<ListBucketResult></ListBucketResult>",
		"no token":        "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
		"other closing":   "<ListBucketResult><IsTruncated>false</IsTruncated></ListVersionsResult>",
		"a comment":       "<ListBucketResult><!-- <Contents> --><IsTruncated>false</IsTruncated></ListBucketResult>",
		"no key":          entry("<LastModified>2026-01-02T03:04:05.006Z</LastModified><Size>1</Size>"),
		"no size":         entry("<Key>k</Key><LastModified>2026-01-02T03:04:05.006Z</LastModified>"),
		"no time":         entry("<Key>k</Key><Size>1</Size>"),
		"negative size":   entry(strings.Replace(good, ">1<", ">-1<", 1)),
		"no such day":     entry(strings.Replace(good, "01-02T", "02-30T", 1)),
		"open reference":  entry(strings.Replace(good, ">k<", ">a&amp<", 1)),
		"other reference": entry(strings.Replace(good, ">k<", ">&nbsp;<", 1)),
		"CDATA":           entry(strings.Replace(good, ">k<", "><![CDATA[k]]><", 1)),
		"stray text":      entry(good + "stray"),
	} {
		if parsed, err := parse([]byte(page)); err == nil {
			t.Errorf("%s reads as %+v", name, parsed)
		}
	}
}

func TestReadErrorIsNoEnd(t *testing.T) {
	for _, page := range recorded(t) {
		broken := io.MultiReader(bytes.NewReader(page[:len(page)/2]), iotest.ErrReader(io.ErrClosedPipe))
		if _, err := parsePage(broken, nil); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("got %v", err)
		}
	}
}

func FuzzPage(f *testing.F) {
	for _, page := range recorded(f) {
		f.Add(page)
	}
	f.Fuzz(agree)
}

func BenchmarkPage(b *testing.B) {
	entry := `<Contents><Key>p001/object-000001</Key><LastModified>2026-01-02T03:04:05.006Z</LastModified><ETag>&#34;900150983cd24fb0d6963f7d28e17f72&#34;</ETag><Size>1</Size><Owner><ID></ID><DisplayName></DisplayName></Owner><StorageClass>STANDARD</StorageClass></Contents>`
	whole := `<Version><Key>p001/object-000001</Key><LastModified>2026-01-02T03:04:05.006Z</LastModified><ETag>&#34;900150983cd24fb0d6963f7d28e17f72&#34;</ETag><Size>1</Size><Owner><ID>02d6176db174dc93cb1b899f7c6078f08654445fe8cf1b6ce98d8855f66bdbf4</ID><DisplayName>minio</DisplayName></Owner><StorageClass>STANDARD</StorageClass><UserMetadata><X-Amz-Meta-Owner>bench</X-Amz-Meta-Owner><content-type>application/octet-stream</content-type></UserMetadata><Internal><K>1</K><M>0</M></Internal><IsLatest>true</IsLatest><VersionId>0a730574-42e6-4b11-936e-e2ff4b862ab1</VersionId></Version>`
	page := func(root, entry string) []byte {
		return []byte("<" + root + "><IsTruncated>false</IsTruncated>" + strings.Repeat(entry, 1000) + "<EncodingType>url</EncodingType></" + root + ">")
	}
	plain, versions := page("ListBucketResult", entry), page("ListVersionsResult", whole)
	for name, page := range map[string][]byte{"own": plain, "own-versions-metadata": versions} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var room []objectstore.Object
			for b.Loop() {
				p, err := parsePage(bytes.NewReader(page), room)
				if err != nil || len(p.Objects) != 1000 {
					b.Fatal(err)
				}
				room = p.Objects
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/object")
		})
	}
	b.Run("minio-go", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if entries, _, _, err := theirs(plain); err != nil || len(entries) != 1000 {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/object")
	})
}
