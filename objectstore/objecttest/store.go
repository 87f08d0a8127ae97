package objecttest

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"hash/crc64"
	"slices"
	"strconv"
	"time"

	"github.com/georedkit/georedkit/objectstore"
)

// bucket is what a server keeps of one bucket.
type bucket struct {
	versioning objectstore.Versioning
	keys       map[string][]*version // newest first
	sorted     []string              // nil: keys changed
}

type version struct {
	objectstore.Object
	body []byte
}

func (b *bucket) sortedKeys() []string {
	if b.sorted == nil {
		b.sorted = make([]string, 0, len(b.keys))
		for key := range b.keys {
			b.sorted = append(b.sorted, key)
		}
		slices.Sort(b.sorted)
	}
	return b.sorted
}

// add makes v the current version of its key.
func (b *bucket) add(v *version) {
	old := b.keys[v.Key]
	if old == nil {
		b.sorted = nil
	}
	if b.versioning != objectstore.Versioned {
		v.VersionID = "null"
		old = slices.DeleteFunc(old, func(o *version) bool { return o.VersionID == "null" })
	}
	if len(old) > 0 {
		old[0].Latest = false
	}
	v.Latest = true
	b.keys[v.Key] = append([]*version{v}, old...)
}

// remove is DELETE: of one version for good, else of the current one by a marker where versions are kept.
func (b *bucket) remove(key, id, newID string, now time.Time) {
	switch {
	case id != "":
		b.keys[key] = slices.DeleteFunc(b.keys[key], func(v *version) bool { return v.VersionID == id })
		if left := b.keys[key]; len(left) > 0 {
			left[0].Latest = true
			return
		}
	case b.versioning != objectstore.Unversioned:
		b.add(&version{Object: objectstore.Object{Key: key, VersionID: newID, Modified: now, DeleteMarker: true}})
		return
	}
	delete(b.keys, key)
	b.sorted = nil
}

// find gives the current version or the one named, nil when there is none.
func (b *bucket) find(key, id string) *version {
	for _, v := range b.keys[key] {
		if id == "" || v.VersionID == id {
			return v
		}
	}
	return nil
}

func newVersion(key string, body []byte, meta objectstore.Metadata, now time.Time, serial int) *version {
	if meta.Headers["content-type"] == "" {
		meta.Headers = map[string]string{"content-type": "application/octet-stream"} // as servers do
	}
	sum := md5.Sum(body)
	return &version{body: body, Object: objectstore.Object{
		Key: key, VersionID: "v" + strconv.Itoa(serial), Size: int64(len(body)), Modified: now,
		ETag: objectstore.ETag(hex.EncodeToString(sum[:])), Encryption: objectstore.Plain, Metadata: &meta,
		Checksums: []objectstore.Checksum{{Algorithm: "CRC64NVME", Value: crc64nvme(body)}},
	}}
}

var nvme = crc64.MakeTable(0x9a6c9329ac4bc9b5)

func crc64nvme(body []byte) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, crc64.Checksum(body, nvme)))
}
