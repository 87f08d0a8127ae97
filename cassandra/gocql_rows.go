package cassandra

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/gocql/gocql"
)

type goCQLSession struct{ *gocql.Session }

func (s goCQLSession) Query(ctx context.Context, q Query, each func(Row) error) error {
	size := q.PageSize
	if size <= 0 {
		size = defaultPageSize
	}
	iter := s.Session.Query(q.CQL, q.Args...).WithContext(ctx).Consistency(gocql.LocalOne).PageSize(size).Iter()
	raw := newRawRow(iter.Columns())
	for iter.Scan(raw.dest...) {
		raw.joinTuples()
		if err := each(raw.Row); err != nil {
			_ = iter.Close() // the reader's own error says more
			return err
		}
	}
	return classify(iter.Close())
}

// classify gives the driver's errors the meaning that [Session] promises.
func classify(err error) error {
	var late *gocql.RequestErrReadTimeout
	var server gocql.RequestError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &late), errors.Is(err, gocql.ErrTimeoutNoResponse):
		return fmt.Errorf("%w: %w", ErrTimeout, err)
	case errors.As(err, &server), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnreachable, err)
}

// rawRow receives rows undecoded.
type rawRow struct {
	Row
	dest   []any
	tuples []tuple
}

// tuple is a column that the driver hands out element by element.
type tuple struct {
	column   int
	elements [][]byte
}

// rawCell takes a value as it is.
type rawCell struct{ at *[]byte }

func (c rawCell) UnmarshalCQL(_ gocql.TypeInfo, data []byte) error {
	*c.at = data
	return nil
}

func newRawRow(columns []gocql.ColumnInfo) *rawRow {
	r := &rawRow{Row: Row{Columns: make([]Column, len(columns)), Values: make([][]byte, len(columns))}}
	for i, column := range columns {
		r.Columns[i] = Column{column.Name}
		if t, ok := column.TypeInfo.(gocql.TupleTypeInfo); ok {
			elements := make([][]byte, len(t.Elems))
			for j := range elements {
				r.dest = append(r.dest, rawCell{&elements[j]})
			}
			r.tuples = append(r.tuples, tuple{i, elements})
			continue
		}
		r.dest = append(r.dest, rawCell{&r.Values[i]})
	}
	return r
}

// joinTuples puts tuples together again, as the wire had them. A tuple that is null looks like one of nulls.
func (r *rawRow) joinTuples() {
	for _, t := range r.tuples {
		var value []byte
		for _, element := range t.elements {
			value = appendValue(value, element)
		}
		r.Values[t.column] = value
	}
}

// appendValue writes a value as the protocol does: its length, -1 for null, and its bytes.
func appendValue(to, value []byte) []byte {
	if value == nil {
		return binary.BigEndian.AppendUint32(to, 0xffffffff)
	}
	to = binary.BigEndian.AppendUint32(to, uint32(len(value)))
	return append(to, value...)
}
