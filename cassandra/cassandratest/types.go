package cassandratest

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/gocql/gocql"
)

const protocolVersion = 4

var natives = map[string]gocql.Type{
	"ascii": gocql.TypeAscii, "bigint": gocql.TypeBigInt, "blob": gocql.TypeBlob, "boolean": gocql.TypeBoolean,
	"decimal": gocql.TypeDecimal, "double": gocql.TypeDouble, "float": gocql.TypeFloat, "int": gocql.TypeInt,
	"timestamp": gocql.TypeTimestamp, "uuid": gocql.TypeUUID, "text": gocql.TypeVarchar, "varchar": gocql.TypeVarchar,
	"varint": gocql.TypeVarint, "timeuuid": gocql.TypeTimeUUID, "inet": gocql.TypeInet, "date": gocql.TypeDate,
	"time": gocql.TypeTime, "smallint": gocql.TypeSmallInt, "tinyint": gocql.TypeTinyInt,
}

// parseType reads a CQL type.
func parseType(text string) (gocql.TypeInfo, error) {
	text = strings.TrimSpace(text)
	if typ, ok := natives[text]; ok {
		return gocql.NewNativeType(protocolVersion, typ, ""), nil
	}
	outer, inner, ok := strings.Cut(strings.TrimSuffix(text, ">"), "<")
	if !ok || !strings.HasSuffix(text, ">") {
		return nil, fmt.Errorf("type %q is not supported", text)
	}
	switch outer {
	case "frozen":
		return parseType(inner)
	case "list", "set":
		elem, err := parseType(inner)
		kind := map[string]gocql.Type{"list": gocql.TypeList, "set": gocql.TypeSet}[outer]
		return gocql.CollectionType{NativeType: gocql.NewNativeType(protocolVersion, kind, ""), Elem: elem}, err
	case "map":
		k, v, _ := strings.Cut(inner, ",")
		key, err := parseType(k)
		if err != nil {
			return nil, err
		}
		elem, err := parseType(v)
		return gocql.CollectionType{NativeType: gocql.NewNativeType(protocolVersion, gocql.TypeMap, ""), Key: key, Elem: elem}, err
	}
	return nil, fmt.Errorf("type %q is not supported", text)
}

// appendType writes a type as the protocol's option.
func appendType(to []byte, t gocql.TypeInfo) []byte {
	to = binary.BigEndian.AppendUint16(to, uint16(t.Type()))
	if c, ok := t.(gocql.CollectionType); ok {
		if c.Key != nil {
			to = appendType(to, c.Key)
		}
		to = appendType(to, c.Elem)
	}
	return to
}
