package objectstore

import "strings"

// State is what is known of two objects. The zero value is invalid.
type State string

// The states.
const (
	Equal     State = "equal"
	Different State = "different"
	Unproven  State = "unproven" // neither is shown; what would show it is told by the [Judgement]
)

// Proof is what a state rests on.
type Proof string

// The proofs, the weaker first.
const (
	ByListing  Proof = "listing"  // one site lists it and another does not
	BySize     Proof = "size"     // in bytes
	ByETag     Proof = "etag"     // by the rules of [Judge]
	ByAbsence  Proof = "absence"  // asked for by its key, it is not there
	ByChecksum Proof = "checksum" // a checksum over the whole object, by HEAD
	ByBytes    Proof = "bytes"    // both were read
)

// Doubt is why equality is not proven.
type Doubt string

// The doubts, each with what would end it.
const (
	NoETag            Doubt = "a site gives no ETag"                                       // checksum or bytes
	EncryptionUntold  Doubt = "the ETags differ, but may be those of SSE-KMS or SSE-C"     // HEAD
	EncryptionHides   Doubt = "the ETags of SSE-KMS and SSE-C say nothing about the bytes" // checksum or bytes
	PartSizes         Doubt = "the ETags differ, but so they do for other part sizes"      // checksum or bytes
	ProofLimitReached Doubt = "the limit of proofs for one bucket is used up"              // a higher limit
	SiteSilent        Doubt = "a site did not answer when asked for the object"            // another run
	MetadataUnseen    Doubt = "a site tells no metadata"                                   // a server that does
	HistoryTooLong    Doubt = "a key has more versions than are held at once"              // a higher limit
)

// Judgement is the state of two objects, with the proof when it is proven and the doubt when it is not.
type Judgement struct {
	State State
	Proof Proof
	Doubt Doubt
}

// Judge compares the content of two objects by what is known of them, without asking anybody.
//
//   - Other sizes are other content.
//   - An ETag of SSE-KMS or SSE-C is random: it proves nothing. Those of SSE-S3 and of plain objects compare.
//   - Equal ETags are equal content, also of multipart uploads.
//   - Two unequal MD5s are other content, once it is known that neither is one of the random kind.
//   - Unequal ETags of which one belongs to a multipart upload prove nothing: they depend on the part size.
//   - Checksums over the whole object decide what is left; composite ones can only show equality.
func Judge(a, b Object) Judgement { return judge(&a, &b) }

func judge(a, b *Object) Judgement {
	if a.Size != b.Size {
		return Judgement{State: Different, Proof: BySize}
	}
	j := judgeETags(a, b)
	if j.State == Unproven {
		if state, ok := judgeChecksums(a.Checksums, b.Checksums); ok {
			return Judgement{State: state, Proof: ByChecksum}
		}
	}
	return j
}

func judgeETags(a, b *Object) Judgement {
	switch {
	case a.Encryption.hidesContent() || b.Encryption.hidesContent():
		return Judgement{State: Unproven, Doubt: EncryptionHides}
	case a.ETag == "" || b.ETag == "":
		return Judgement{State: Unproven, Doubt: NoETag}
	case a.ETag == b.ETag:
		return Judgement{State: Equal, Proof: ByETag}
	case !a.ETag.looksLikeMD5() || !b.ETag.looksLikeMD5():
		return Judgement{State: Unproven, Doubt: PartSizes}
	case a.Encryption == EncryptionUnknown || b.Encryption == EncryptionUnknown:
		return Judgement{State: Unproven, Doubt: EncryptionUntold}
	}
	return Judgement{State: Different, Proof: ByETag}
}

// judgeChecksums looks for an algorithm that both have.
func judgeChecksums(as, bs []Checksum) (State, bool) {
	for _, a := range as {
		for _, b := range bs {
			switch {
			case a.Algorithm != b.Algorithm:
			case a.Composite == b.Composite && a.Value == b.Value:
				return Equal, true
			case !a.Composite && !b.Composite:
				return Different, true
			}
		}
	}
	return "", false
}

// ignoredMetadata differs between mirrors by design.
func ignoredMetadata(name string) bool {
	return name == "mm-source-mtime" || strings.HasPrefix(name, "x-amz-replication") ||
		strings.HasPrefix(name, "x-minio-") || strings.HasPrefix(name, "x-amz-server-side-encryption")
}

// sameValues compares metadata, leaving out what replication writes itself.
func sameValues(a, b map[string]string) bool {
	count := func(m map[string]string) (n int) {
		for name := range m {
			if !ignoredMetadata(name) {
				n++
			}
		}
		return n
	}
	if count(a) != count(b) {
		return false
	}
	for name, value := range a {
		if other, ok := b[name]; !ignoredMetadata(name) && (!ok || other != value) {
			return false
		}
	}
	return true
}
