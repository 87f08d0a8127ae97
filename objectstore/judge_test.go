package objectstore_test

import (
	"testing"

	"github.com/georedkit/georedkit/objectstore"
)

func TestJudge(t *testing.T) {
	const md5a, md5b = "900150983cd24fb0d6963f7d28e17f72", "0cc175b9c0f1b6a831c399e269772661"
	plain := func(etag string, sums ...objectstore.Checksum) objectstore.Object {
		return objectstore.Object{Size: 3, ETag: objectstore.ETag(etag), Encryption: objectstore.Plain, Checksums: sums}
	}
	with := func(o objectstore.Object, e objectstore.Encryption) objectstore.Object { o.Encryption = e; return o }
	full := func(value string) objectstore.Checksum {
		return objectstore.Checksum{Algorithm: "CRC64NVME", Value: value}
	}
	composite := func(value string) objectstore.Checksum {
		return objectstore.Checksum{Algorithm: "CRC32C", Value: value, Composite: true}
	}
	longer := plain(md5a)
	longer.Size = 4
	for _, c := range []struct {
		name  string
		a, b  objectstore.Object
		state objectstore.State
		proof objectstore.Proof
		doubt objectstore.Doubt
	}{
		{"same MD5", plain(md5a), plain(md5a), objectstore.Equal, objectstore.ByETag, ""},
		{"other MD5", plain(md5a), plain(md5b), objectstore.Different, objectstore.ByETag, ""},
		{"other size, same ETag", plain(md5a), longer, objectstore.Different, objectstore.BySize, ""},
		{"other MD5, encryption untold", plain(md5a), with(plain(md5b), ""), objectstore.Unproven, "", objectstore.EncryptionUntold},
		{"same MD5, encryption untold", with(plain(md5a), ""), with(plain(md5a), ""), objectstore.Equal, objectstore.ByETag, ""},
		{"SSE-S3 against plain, same", plain(md5a), with(plain(md5a), objectstore.ServerKey), objectstore.Equal, objectstore.ByETag, ""},
		{"SSE-S3 against plain, other", plain(md5a), with(plain(md5b), objectstore.ServerKey), objectstore.Different, objectstore.ByETag, ""},
		{"SSE-KMS, other", plain(md5a), with(plain(md5b), objectstore.KMSKey), objectstore.Unproven, "", objectstore.EncryptionHides},
		{"SSE-KMS, same", with(plain(md5a), objectstore.KMSKey), plain(md5a), objectstore.Unproven, "", objectstore.EncryptionHides},
		{"SSE-C", with(plain(md5a), objectstore.CustomerKey), plain(md5b), objectstore.Unproven, "", objectstore.EncryptionHides},
		{"SSE-KMS with checksums", with(plain(md5a, full("x")), objectstore.KMSKey), plain(md5b, full("x")), objectstore.Equal, objectstore.ByChecksum, ""},
		{"multipart, same", plain(md5a + "-2"), plain(md5a + "-2"), objectstore.Equal, objectstore.ByETag, ""},
		{"multipart, other", plain(md5a + "-2"), plain(md5b + "-3"), objectstore.Unproven, "", objectstore.PartSizes},
		{"multipart, other, as many parts", plain(md5a + "-2"), plain(md5b + "-2"), objectstore.Unproven, "", objectstore.PartSizes},
		{"multipart against single", plain(md5a + "-2"), plain(md5b), objectstore.Unproven, "", objectstore.PartSizes},
		{"multipart, same checksum", plain(md5a+"-2", full("x")), plain(md5b, full("x")), objectstore.Equal, objectstore.ByChecksum, ""},
		{"multipart, other checksum", plain(md5a+"-2", full("x")), plain(md5b, full("y")), objectstore.Different, objectstore.ByChecksum, ""},
		{"same composite checksum", plain(md5a+"-2", composite("x-2")), plain(md5b+"-2", composite("x-2")), objectstore.Equal, objectstore.ByChecksum, ""},
		{"other composite checksum", plain(md5a+"-2", composite("x-2")), plain(md5b+"-2", composite("y-2")), objectstore.Unproven, "", objectstore.PartSizes},
		{"checksums of two kinds", plain(md5a+"-2", full("x")), plain(md5b, composite("x")), objectstore.Unproven, "", objectstore.PartSizes},
		{"no ETag", plain(""), plain(md5a), objectstore.Unproven, "", objectstore.NoETag},
		{"two without ETag", plain(""), plain(""), objectstore.Unproven, "", objectstore.NoETag},
		{"neither form", plain("opaque"), plain(md5a), objectstore.Unproven, "", objectstore.PartSizes},
	} {
		want := objectstore.Judgement{State: c.state, Proof: c.proof, Doubt: c.doubt}
		if got := objectstore.Judge(c.a, c.b); got != want {
			t.Errorf("%s: %+v, want %+v", c.name, got, want)
		}
		if got := objectstore.Judge(c.b, c.a); got != want {
			t.Errorf("%s, turned round: %+v, want %+v", c.name, got, want)
		}
	}
}
