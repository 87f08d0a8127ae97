package cassandra

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/maphash"
)

// Digest stands for the rows of a range, in any order: how many, and a sum over them. Each row counts with its keys,
// values and write times. Digests of two parts add up to that of the whole. Those of one comparison tell whether rows
// differ; between comparisons they say nothing, for each has a random key of its own.
type Digest struct {
	Rows int64 `json:"rows"`
	Sum  Sum   `json:"sum"`
}

// Sum is two sums, modulo 2^64, of two keyed hashes of each row. In text it is hexadecimal.
type Sum [2]uint64

// MarshalText writes 32 hexadecimal digits.
func (s Sum) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%016x%016x", s[0], s[1]), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *Sum) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != 16 {
		return fmt.Errorf("sum %q: not 32 hexadecimal digits", text)
	}
	s[0], s[1] = binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
	return nil
}

func (s Sum) plus(t Sum) Sum { return Sum{s[0] + t[0], s[1] + t[1]} }

func (d Digest) plus(e Digest) Digest { return Digest{d.Rows + e.Rows, d.Sum.plus(e.Sum)} }

// hasher hashes rows. Two keyed hashes of 64 bits cost a tenth of a SHA-256, which would be most of what a comparison
// needs of its own processor; against accidents, which are what is looked for, they are as good.
type hasher [2]maphash.Seed

func newHasher() hasher { return hasher{maphash.MakeSeed(), maphash.MakeSeed()} }

// row hashes one row. buffer is kept between rows.
func (h hasher) row(values [][]byte, buffer []byte) (Sum, []byte) {
	buffer = buffer[:0]
	for _, v := range values {
		buffer = appendValue(buffer, v)
	}
	return Sum{maphash.Bytes(h[0], buffer), maphash.Bytes(h[1], buffer)}, buffer
}
