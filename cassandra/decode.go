package cassandra

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"time"
)

// The system tables hold few types; these read them from the wire. What is null or malformed reads as zero: the
// schema of system tables is the server's own.

func (r Row) value(name string) []byte {
	for i, c := range r.Columns {
		if c.Name == name {
			return r.Values[i]
		}
	}
	return nil
}

func (r Row) text(name string) string { return string(r.value(name)) }

func (r Row) bool(name string) bool {
	v := r.value(name)
	return len(v) == 1 && v[0] != 0
}

func (r Row) number(name string) int64 { return decodeInt(r.value(name)) }

func (r Row) uuid(name string) string { return decodeUUID(r.value(name)) }

func (r Row) addr(name string) netip.Addr {
	addr, _ := netip.AddrFromSlice(r.value(name))
	return addr.Unmap()
}

// time reads a timestamp, which the wire has in milliseconds.
func (r Row) time(name string) time.Time {
	v := r.value(name)
	if len(v) != 8 {
		return time.Time{}
	}
	return time.UnixMilli(decodeInt(v)).UTC()
}

// texts reads a set, list or map of text; a map gives keys and values in turn.
func (r Row) texts(name string) []string { return decodeTexts(r.value(name)) }

func (r Row) textMap(name string) map[string]string {
	flat := r.texts(name)
	m := make(map[string]string, len(flat)/2)
	for i := 0; i+1 < len(flat); i += 2 {
		m[flat[i]] = flat[i+1]
	}
	return m
}

func decodeInt(v []byte) int64 {
	switch len(v) {
	case 1:
		return int64(int8(v[0]))
	case 2:
		return int64(int16(binary.BigEndian.Uint16(v)))
	case 4:
		return int64(int32(binary.BigEndian.Uint32(v)))
	case 8:
		return int64(binary.BigEndian.Uint64(v))
	}
	return 0
}

func decodeUUID(v []byte) string {
	if len(v) != 16 {
		return ""
	}
	h := hex.EncodeToString(v)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func decodeTexts(v []byte) []string {
	if len(v) < 4 {
		return nil
	}
	var texts []string
	for v = v[4:]; len(v) >= 4; {
		n := int32(binary.BigEndian.Uint32(v))
		v = v[4:]
		if n < 0 {
			n = 0
		}
		if int(n) > len(v) {
			break
		}
		texts, v = append(texts, string(v[:n])), v[n:]
	}
	return texts
}
