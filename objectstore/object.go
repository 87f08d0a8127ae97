package objectstore

import (
	"strings"
	"time"
)

// Object is one version of one key, as a listing or a HEAD shows it.
type Object struct {
	Key       string
	VersionID string // zero: the listing was asked for current versions only
	ETag      ETag
	Size      int64 // bytes
	Modified  time.Time
	// Latest says that it is the current version. A listing without versions shows no others.
	Latest       bool
	DeleteMarker bool
	Encryption   Encryption
	Metadata     *Metadata  // nil: it was not asked for, or the server does not tell it to these credentials; never written to: objects may share it
	Checksums    []Checksum // from HEAD only
}

// Metadata is what a store keeps about an object besides its bytes. Names are in lower case.
type Metadata struct {
	User    map[string]string // x-amz-meta-…, without that prefix
	Headers map[string]string // content-type, content-encoding, cache-control and their kin
	Tags    map[string]string
}

// Encryption is how the store keeps the bytes. It decides what an ETag means.
type Encryption string

// The encryptions.
const (
	EncryptionUnknown Encryption = ""             // nobody told
	Plain             Encryption = "plain"        // none
	ServerKey         Encryption = "AES256"       // SSE-S3: the ETag stays the MD5 of the plain bytes
	KMSKey            Encryption = "aws:kms"      // SSE-KMS: the ETag is random, though it looks like an MD5
	CustomerKey       Encryption = "customer-key" // SSE-C: likewise, and HEAD needs the key
)

// hidesContent says whether the ETag tells nothing about the bytes.
func (e Encryption) hidesContent() bool { return e == KMSKey || e == CustomerKey }

// Checksum is one checksum of an object, as HEAD gives it in checksum mode.
type Checksum struct {
	Algorithm string // "CRC64NVME", "SHA256", …
	Value     string // base64; of a composite one with "-parts" behind it
	Composite bool   // over the checksums of the parts: it depends on how the object was cut
}

// ETag is an entity tag without its quotes. The zero value is none.
type ETag string

// looksLikeMD5 says whether the tag has the form of an MD5, which also a random one has.
func (e ETag) looksLikeMD5() bool {
	if len(e) != 32 {
		return false
	}
	return strings.Trim(string(e), "0123456789abcdef") == ""
}

// Ref names an object in a store.
type Ref struct {
	Bucket, Key string
	VersionID   string // zero: the current version
}

func (r Ref) String() string { return r.Bucket + "/" + r.Key }
