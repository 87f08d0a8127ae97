package cassandra

import (
	"context"
	"encoding/binary"
	"errors"
	"iter"
	"strings"
	"time"
)

// keyedRow is a row as the second look sees it.
type keyedRow struct {
	token   int64
	raw     string // the key, as appendValue writes its parts
	sum     Sum
	written int64 // microseconds; zero: no write time
}

var errStopped = errors.New("stopped by the reader")

// rows gives the rows of a range on one node, by token. The last pair may be an error.
func (c *Cluster) rows(ctx context.Context, p plan, n Node, r Range) iter.Seq2[keyedRow, error] {
	return func(yield func(keyedRow, error) bool) {
		var buffer []byte
		q := Query{CQL: p.schema.selectKeyed(), Args: []any{r.Start, r.End}, PageSize: p.PageSize}
		err := c.query(ctx, n.Address, q, func(row Row) error {
			var k keyedRow
			k, buffer = p.keyed(row, buffer)
			if !yield(k, nil) {
				return errStopped
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStopped) {
			yield(keyedRow{}, err)
		}
	}
}

// keyed reads a row of selectKeyed: token, keys, values, write times.
func (p plan) keyed(row Row, buffer []byte) (keyedRow, []byte) {
	values := row.Values[1:]
	k := keyedRow{token: decodeInt(row.Values[0])}
	k.sum, buffer = p.hash.row(values, buffer)
	var raw []byte
	keys, others := len(p.schema.keys), len(p.schema.others)
	for _, v := range values[:keys] {
		raw = appendValue(raw, v)
	}
	k.raw = string(raw)
	for _, v := range values[keys+others:] {
		k.written = max(k.written, decodeInt(v))
	}
	return k, buffer
}

// keyText writes a raw key as the WHERE clause that finds the row.
func (s tableSchema) keyText(raw string) string {
	var parts []string
	for _, c := range s.keys {
		v, rest := cutValue([]byte(raw))
		if v == nil {
			break // a partition that has only static columns
		}
		parts, raw = append(parts, c.name+" = "+constant(c.cqlType, v)), string(rest)
	}
	return strings.Join(parts, " AND ")
}

// cutValue takes back what appendValue wrote.
func cutValue(from []byte) (value, rest []byte) {
	if len(from) < 4 {
		return nil, nil
	}
	n := int32(binary.BigEndian.Uint32(from))
	from = from[4:]
	if n < 0 || int(n) > len(from) {
		return nil, from
	}
	return from[:n], from[n:]
}

func writeTime(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}
