package cassandra

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
)

// Digest stands for the rows of a range, in any order: how many, and a sum over them. Each row counts with its keys,
// values and write times. Digests of two parts add up to that of the whole.
type Digest struct {
	Rows int64 `json:"rows"`
	Sum  Sum   `json:"sum"`
}

// Sum is the sum, modulo 2^128, of the first 16 bytes of each row's SHA-256. In text it is hexadecimal.
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

func (s Sum) plus(t Sum) Sum {
	low, carry := bits.Add64(s[1], t[1], 0)
	high, _ := bits.Add64(s[0], t[0], carry)
	return Sum{high, low}
}

func (d Digest) plus(e Digest) Digest { return Digest{d.Rows + e.Rows, d.Sum.plus(e.Sum)} }

// rowSum hashes one row. buffer is kept between rows.
func rowSum(values [][]byte, buffer []byte) (Sum, []byte) {
	buffer = buffer[:0]
	for _, v := range values {
		buffer = appendValue(buffer, v)
	}
	h := sha256.Sum256(buffer)
	return Sum{binary.BigEndian.Uint64(h[:]), binary.BigEndian.Uint64(h[8:])}, buffer
}
