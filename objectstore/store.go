package objectstore

import (
	"context"
	"io"

	"github.com/georedkit/georedkit/geored"
)

// Site is one site's object store.
type Site struct {
	Name  geored.SiteName
	Store Reader
}

// Reader is what comparing needs of a store. All methods are safe for concurrent use. Package s3 has one over S3; an
// adapter of your own is held to the contract by objecttest.Run.
type Reader interface {
	// Buckets names all buckets that the credentials may see, in any order.
	Buckets(ctx context.Context) ([]string, error)
	// Bucket describes one bucket, or fails with [ErrNoBucket].
	Bucket(ctx context.Context, name string) (Bucket, error)
	// List gives one page, which is the caller's to change. A page that was not read to its very end is an error, never a
	// shorter page.
	List(ctx context.Context, q Query) (Page, error)
	// Opener reads single objects.
	Opener
}

// Opener reads single objects, whatever the listing says.
type Opener interface {
	// Stat describes one object with its metadata, encryption and checksums, or fails with [ErrNoObject], also when the
	// current version is a delete marker.
	Stat(ctx context.Context, ref Ref) (Object, error)
	// Open reads one object. Reading fails when the bytes end early.
	Open(ctx context.Context, ref Ref) (io.ReadCloser, error)
}

// Writer is what changing a store needs.
type Writer interface {
	// Put writes a new current version of size bytes. The store must refuse bytes that are not what was sent.
	Put(ctx context.Context, ref Ref, size int64, meta Metadata, body io.Reader) error
	// Delete removes the current version, by a delete marker where the bucket keeps versions. An object that is not
	// there is no error.
	Delete(ctx context.Context, ref Ref) error
}

// Bucket is what the comparison needs to know of a bucket.
type Bucket struct {
	Name       string
	Versioning Versioning
}

// Versioning is whether a bucket keeps versions.
type Versioning string

// The states of versioning.
const (
	Unversioned Versioning = "unversioned"
	Versioned   Versioning = "versioned"
	Suspended   Versioning = "suspended" // old versions are kept, new ones overwrite each other
)

// Query asks for one page of a listing, in ascending byte order of keys.
type Query struct {
	Bucket, Prefix string
	// Delimiter folds keys into prefixes. Zero: none.
	Delimiter string
	// StartAfter is the key behind which the page begins; StartAfterVersion the version of it, to go on among its older
	// versions. Zero: at the beginning.
	StartAfter, StartAfterVersion string
	// Token goes on where the page that gave it ended; everything else must be as it was then.
	Token    string
	Versions bool // all versions and delete markers, of each key the newest first
	Metadata bool // where the server can: user metadata, tags and encryption of each version
	Limit    int  // objects per page; zero: as many as the server gives
	// Room is memory that the page's objects may be put into, whatever it holds: a page that the caller is done with. Zero:
	// none, and nobody must use it.
	Room []Object
}

// Page is one page of a listing.
type Page struct {
	Objects  []Object
	Prefixes []string // with a delimiter only
	// Token goes on with the next page. It is empty when, and only when, the listing is at its end.
	Token string
}
