package cassandratest

import (
	"encoding/binary"
	"errors"
	"io"
)

// The protocol's numbers, from native_protocol_v4.spec.
const (
	opError         = 0x00
	opStartup       = 0x01
	opReady         = 0x02
	opAuthenticate  = 0x03
	opOptions       = 0x05
	opSupported     = 0x06
	opQuery         = 0x07
	opResult        = 0x08
	opPrepare       = 0x09
	opExecute       = 0x0A
	opRegister      = 0x0B
	opAuthResponse  = 0x0F
	opAuthSuccess   = 0x10
	resultVoid      = 1
	resultRows      = 2
	resultPrepared  = 4
	resultSchema    = 5
	errProtocol     = 0x000A
	errCredentials  = 0x0100
	errReadTimeout  = 0x1200
	errSyntax       = 0x2000
	errInvalid      = 0x2200
	errUnprepared   = 0x2500
	flagGlobalTable = 1
	flagMorePages   = 2
	flagNoMetadata  = 4
)

// frame is a message of the protocol.
type frame struct {
	version byte
	stream  [2]byte
	op      byte
	body    []byte
}

const maxBody = 16 << 20

func readFrame(from io.Reader) (frame, error) {
	var head [9]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return frame{}, err
	}
	if head[0] != protocolVersion { // another version, or no CQL at all: nothing can be said of the rest
		return frame{version: head[0], stream: [2]byte(head[2:4])}, nil
	}
	size := binary.BigEndian.Uint32(head[5:])
	if size > maxBody {
		return frame{}, errors.New("frame too large")
	}
	f := frame{version: head[0], stream: [2]byte(head[2:4]), op: head[4], body: make([]byte, size)}
	_, err := io.ReadFull(from, f.body)
	return f, err
}

func (f frame) write(to io.Writer) error {
	head := []byte{f.version | 0x80, 0, f.stream[0], f.stream[1], f.op}
	head = binary.BigEndian.AppendUint32(head, uint32(len(f.body)))
	_, err := to.Write(append(head, f.body...))
	return err
}

func appendString(to []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(to, uint16(len(s))), s...)
}

func appendInt(to []byte, n int) []byte { return binary.BigEndian.AppendUint32(to, uint32(int32(n))) }

func appendBytes(to, value []byte) []byte {
	if value == nil {
		return appendInt(to, -1)
	}
	return append(appendInt(to, len(value)), value...)
}

// reader takes a body apart. What is missing reads as zero, and ok becomes false.
type reader struct {
	rest []byte
	ok   bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.rest) {
		r.ok = false
		return make([]byte, max(0, min(n, 8)))
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *reader) byte() byte     { return r.take(1)[0] }
func (r *reader) short() int     { return int(binary.BigEndian.Uint16(r.take(2))) }
func (r *reader) int() int       { return int(int32(binary.BigEndian.Uint32(r.take(4)))) }
func (r *reader) long() string   { return string(r.take(r.int())) }
func (r *reader) string() string { return string(r.take(r.short())) }

func (r *reader) bytes() []byte {
	if n := r.int(); n >= 0 {
		return r.take(n)
	}
	return nil
}

// parameters are those of QUERY and EXECUTE.
type parameters struct {
	values   [][]byte
	skipMeta bool
	pageSize int // zero: all rows
	offset   int // where the page begins, from the paging state
}

func (r *reader) parameters() parameters {
	var p parameters
	r.short() // consistency
	flags := r.byte()
	p.skipMeta = flags&0x02 != 0
	if flags&0x01 != 0 {
		for range r.short() {
			p.values = append(p.values, r.bytes())
		}
	}
	if flags&0x04 != 0 {
		p.pageSize = r.int()
	}
	if state := []byte(nil); flags&0x08 != 0 {
		if state = r.bytes(); len(state) == 4 {
			p.offset = int(binary.BigEndian.Uint32(state))
		}
	}
	return p
}
