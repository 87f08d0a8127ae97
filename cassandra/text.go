package cassandra

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/big"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// nativeTypes are the types of CQL that are one value, and how their values are written as CQL constants.
var nativeTypes = map[string]func([]byte) string{
	"ascii": textConstant, "text": textConstant, "varchar": textConstant,
	"tinyint": intConstant, "smallint": intConstant, "int": intConstant, "bigint": intConstant, "counter": intConstant,
	"varint": varintConstant, "boolean": boolConstant, "float": floatConstant, "double": floatConstant,
	"uuid": uuidConstant, "timeuuid": uuidConstant, "inet": inetConstant, "timestamp": timeConstant,
	"date": dateConstant, "time": intConstant, "blob": blobConstant, "decimal": blobConstant, "duration": blobConstant,
}

// constant writes a value as CQL would have it in a statement. Types that it does not know, and values that do not fit
// their type, are written as a blob.
func constant(cqlType string, v []byte) string {
	if v == nil {
		return "null"
	}
	if write, ok := nativeTypes[cqlType]; ok {
		if text := write(v); text != "" {
			return text
		}
	}
	return blobConstant(v)
}

func blobConstant(v []byte) string { return "0x" + hex.EncodeToString(v) }

func textConstant(v []byte) string {
	if !utf8.Valid(v) {
		return ""
	}
	return "'" + strings.ReplaceAll(string(v), "'", "''") + "'"
}

func intConstant(v []byte) string {
	switch len(v) {
	case 1, 2, 4, 8:
		return strconv.FormatInt(decodeInt(v), 10)
	}
	return ""
}

func varintConstant(v []byte) string {
	if len(v) == 0 {
		return ""
	}
	n := new(big.Int).SetBytes(v)
	if v[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(v))))
	}
	return n.String()
}

func boolConstant(v []byte) string {
	if len(v) != 1 {
		return ""
	}
	return strconv.FormatBool(v[0] != 0)
}

func floatConstant(v []byte) string {
	switch len(v) {
	case 4:
		return strconv.FormatFloat(float64(math.Float32frombits(binary.BigEndian.Uint32(v))), 'g', -1, 32)
	case 8:
		return strconv.FormatFloat(math.Float64frombits(binary.BigEndian.Uint64(v)), 'g', -1, 64)
	}
	return ""
}

func uuidConstant(v []byte) string { return decodeUUID(v) }

func inetConstant(v []byte) string {
	addr, ok := netip.AddrFromSlice(v)
	if !ok {
		return ""
	}
	return "'" + addr.String() + "'"
}

func timeConstant(v []byte) string {
	if len(v) != 8 {
		return ""
	}
	return "'" + time.UnixMilli(decodeInt(v)).UTC().Format("2006-01-02T15:04:05.000Z") + "'"
}

// dateConstant reads days since 1970, with 2^31 for that day.
func dateConstant(v []byte) string {
	if len(v) != 4 {
		return ""
	}
	days := int64(binary.BigEndian.Uint32(v)) - 1<<31
	return "'" + time.Unix(days*86400, 0).UTC().Format("2006-01-02") + "'"
}
