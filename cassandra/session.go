package cassandra

import (
	"context"
	"errors"
)

// Session reads through one node and no other: that node coordinates every query, always at LOCAL_ONE, so that it is
// answered inside the node's own site. It is safe for concurrent use.
type Session interface {
	// Query hands each row to each, page by page, and stops with the error that each gives. A row is valid only during
	// the call. An error of the server's or the driver's own patience is [ErrTimeout], one of the connection
	// [ErrUnreachable], by errors.Is.
	Query(ctx context.Context, q Query, each func(Row) error) error
	Close()
}

// Query is one statement: a SELECT, or in a rebuild ALTER KEYSPACE or TRUNCATE, which give no rows.
type Query struct {
	CQL      string
	Args     []any // int64, string or []string, as the statement's types want them
	PageSize int   // rows; zero: 5000
}

// Column is a column of an answer.
type Column struct {
	Name string
}

// Row is one row of an answer, as it came over the wire.
type Row struct {
	Columns []Column
	Values  [][]byte // in the order of Columns; nil is null
}

// Errors of sessions.
var (
	ErrTimeout     = errors.New("timed out")
	ErrUnreachable = errors.New("cannot be reached")
)
