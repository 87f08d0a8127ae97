package cassandratest

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// partitionToken is Murmur3Partitioner's token of a partition key.
func partitionToken(key [][]byte) int64 {
	bytes := key[0]
	if len(key) > 1 { // as CompositeType writes it
		bytes = nil
		for _, part := range key {
			bytes = binary.BigEndian.AppendUint16(bytes, uint16(len(part)))
			bytes = append(append(bytes, part...), 0)
		}
	}
	if token := murmur3(bytes); token != math.MinInt64 {
		return token
	}
	return math.MaxInt64
}

const (
	c1 uint64 = 0x87c37b91114253d5
	c2 uint64 = 0x4cf5ad432745937f
)

// murmur3 is the first half of MurmurHash3_x64_128 with seed 0 as Cassandra has it: its bytes are signed in the tail.
func murmur3(data []byte) int64 {
	var h1, h2 uint64
	length := len(data)
	for ; len(data) >= 16; data = data[16:] {
		h1 ^= scramble(binary.LittleEndian.Uint64(data), c1, 31, c2)
		h1 = (bits.RotateLeft64(h1, 27)+h2)*5 + 0x52dce729
		h2 ^= scramble(binary.LittleEndian.Uint64(data[8:]), c2, 33, c1)
		h2 = (bits.RotateLeft64(h2, 31)+h1)*5 + 0x38495ab5
	}
	var k1, k2 uint64
	for i, b := range data {
		signed := uint64(int64(int8(b)))
		if i < 8 {
			k1 ^= signed << (8 * i)
		} else {
			k2 ^= signed << (8 * (i - 8))
		}
	}
	h1 ^= scramble(k1, c1, 31, c2)
	h2 ^= scramble(k2, c2, 33, c1)
	h1 ^= uint64(length)
	h2 ^= uint64(length)
	h1 += h2
	h2 += h1
	h1, h2 = finish(h1), finish(h2)
	return int64(h1 + h2)
}

func scramble(k, by uint64, turn int, then uint64) uint64 {
	return bits.RotateLeft64(k*by, turn) * then
}

func finish(h uint64) uint64 {
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
