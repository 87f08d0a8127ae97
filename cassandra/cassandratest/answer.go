package cassandratest

import (
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/gocql/gocql"
)

// serverError is an error that goes over the wire.
type serverError struct {
	code    int
	message string
}

func (e serverError) Error() string { return e.message }

func invalid(format string, args ...any) error {
	return serverError{errInvalid, fmt.Sprintf(format, args...)}
}

// result is rows and their columns.
type result struct {
	relation
	rows [][][]byte
}

// answer handles the frames of a connection that is logged in.
func (n *Node) answer(op byte, in *reader) (byte, []byte) {
	var body []byte
	var err error
	switch op {
	case opRegister:
		return opReady, nil
	case opQuery:
		text := in.long()
		body, err = n.execute(text, in.parameters())
	case opPrepare:
		body, err = n.prepare(in.long())
	case opExecute:
		id := in.string()
		n.mu.Lock()
		text, ok := n.prepared[id]
		n.mu.Unlock()
		if !ok {
			return opError, append(failure(errUnprepared, "not prepared"), appendString(nil, id)...)
		}
		body, err = n.execute(text, in.parameters())
	default:
		err = serverError{errProtocol, fmt.Sprintf("message %d is not supported", op)}
	}
	if err == nil && !in.ok {
		err = serverError{errProtocol, "frame too short"}
	}
	if err != nil {
		return opError, errorBody(err)
	}
	return opResult, body
}

func errorBody(err error) []byte {
	e, ok := err.(serverError)
	if !ok {
		e = serverError{errSyntax, err.Error()}
	}
	body := failure(e.code, e.message)
	if e.code == errReadTimeout { // consistency LOCAL_ONE, received 0 of 1, no data
		body = append(appendInt(appendInt(binary.BigEndian.AppendUint16(body, 0x0A), 0), 1), 0)
	}
	return body
}

// prepare answers PREPARE: an ID, the markers and the columns.
func (n *Node) prepare(text string) ([]byte, error) {
	s, err := parse(text)
	if err != nil {
		return nil, err
	}
	r, err := n.relation(s)
	if err != nil {
		return nil, err
	}
	var markers []typedColumn
	for _, c := range s.conditions {
		if c.bound {
			marker, err := r.marker(c)
			if err != nil {
				return nil, err
			}
			markers = append(markers, marker)
		}
	}
	columns, err := r.selected(s)
	if err != nil {
		return nil, err
	}
	sum := md5.Sum([]byte(text))
	id := string(sum[:])
	n.set(func() {
		if n.prepared == nil {
			n.prepared = map[string]string{}
		}
		n.prepared[id] = text
	})
	body := appendString(appendInt(nil, resultPrepared), id)
	body = appendInt(appendInt(appendInt(body, flagGlobalTable), len(markers)), 0)
	body = r.appendSpecs(body, markers)
	body = appendInt(appendInt(body, flagGlobalTable), len(columns))
	return r.appendSpecs(body, columns), nil
}

func (r relation) marker(c condition) (typedColumn, error) {
	if c.column == "" {
		return typedColumn{Column: Column{Name: "partition key token"}, typ: native(gocql.TypeBigInt)}, nil
	}
	i, ok := r.find(c.column)
	if !ok {
		return typedColumn{}, invalid("Undefined column name %s in table %s.%s", c.column, r.keyspace, r.name)
	}
	return r.columns[i], nil
}

func native(t gocql.Type) gocql.TypeInfo { return gocql.NewNativeType(protocolVersion, t, "") }

// selected are the columns of an answer.
func (r relation) selected(s statement) ([]typedColumn, error) {
	if len(s.items) == 0 {
		return r.columns, nil
	}
	columns := make([]typedColumn, len(s.items))
	for k, item := range s.items {
		i, ok := r.find(item.column)
		switch {
		case item.function == "count":
			columns[k] = typedColumn{Column: Column{Name: "count"}, typ: native(gocql.TypeBigInt)}
		case item.function == "token":
			columns[k] = typedColumn{Column: Column{Name: "system.token"}, typ: native(gocql.TypeBigInt)}
		case !ok:
			return nil, invalid("Undefined column name %s in table %s.%s", item.column, r.keyspace, r.name)
		case item.function == "writetime":
			if c := r.columns[i]; c.Kind == PartitionKey || c.Kind == Clustering || isCollection(c) {
				return nil, invalid("Cannot use selection function writeTime on column %s", item.column)
			}
			columns[k] = typedColumn{Column: Column{Name: "writetime(" + item.column + ")"}, typ: native(gocql.TypeBigInt)}
		case item.function != "":
			return nil, invalid("Unknown function '%s'", item.function)
		default:
			columns[k] = r.columns[i]
		}
	}
	return columns, nil
}

func isCollection(c typedColumn) bool {
	_, ok := c.typ.(gocql.CollectionType)
	return ok && !strings.HasPrefix(c.Type, "frozen<")
}

func (r relation) appendSpecs(to []byte, columns []typedColumn) []byte {
	to = appendString(appendString(to, r.keyspace), r.name)
	for _, c := range columns {
		to = appendType(appendString(to, c.Name), c.typ)
	}
	return to
}

// execute answers QUERY and EXECUTE: one page of rows.
func (n *Node) execute(text string, p parameters) ([]byte, error) {
	s, err := parse(text)
	if err != nil {
		return nil, err
	}
	n.set(func() { n.queries++ })
	if s.alters != nil || s.truncates || s.deletes {
		return n.change(s)
	}
	got, err := n.read(s, p.values)
	if err != nil {
		return nil, err
	}
	last := len(got.rows)
	if p.pageSize > 0 {
		last = min(last, p.offset+p.pageSize)
	}
	flags := 0
	if p.skipMeta {
		flags |= flagNoMetadata
	} else {
		flags |= flagGlobalTable
	}
	if last < len(got.rows) {
		flags |= flagMorePages
	}
	body := appendInt(appendInt(appendInt(nil, resultRows), flags), len(got.columns))
	if last < len(got.rows) {
		body = appendBytes(body, binary.BigEndian.AppendUint32(nil, uint32(last)))
	}
	if !p.skipMeta {
		body = got.appendSpecs(body, got.columns)
	}
	body = appendInt(body, last-min(p.offset, last))
	for _, row := range got.rows[min(p.offset, last):last] {
		for _, value := range row {
			body = appendBytes(body, value)
		}
	}
	return body, nil
}
