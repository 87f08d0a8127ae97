package cassandratest

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Node is one node of a [Ring].
type Node struct {
	ring   *Ring
	site   geored.SiteName
	number int
	hostID [16]byte
	token  int64

	mu         sync.Mutex
	address    string
	listener   net.Listener
	conns      map[net.Conn]bool
	hang       chan struct{} // closed when the node goes on; nil: it does not hang
	delay      time.Duration
	dataCenter string // zero: its site's
	version    string // zero: 4.1.10
	schema     [16]byte
	settings   map[string]string
	faults     map[string]bool // "strange <number>", "deaf <number>", "old <number>", "closed <table>"
	hints      map[*Node]int
	widest     uint64 // ranges wider than this time out; zero: none does
	passesTo   *Node
	scans      map[string]int64 // by table
	prepared   map[string]string
	refuses    bool
	repairs    []*repair
	streams    []*streamed
	snapshots  []string        // NAME.KEYSPACE.TABLE
	received   map[string]bool // keyspaces whose rows came by a rebuild: another would stream nothing
	generation int             // rises with each restart; zero: it never restarted
	visitors   []string        // users of other clients
	stubborn   bool            // its schema does not change by being read again
	queries    int
	down       bool // its server does not run, or serves nobody
	drained    bool
	lost       bool       // nor is its disk there
	ghosts     [][16]byte // host IDs of replaced nodes that it lists still
	version3   bool       // it speaks no other version of the protocol
}

// Address is host and port.
func (n *Node) Address() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.address
}

// Queries is how many queries the node has answered.
func (n *Node) Queries() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.queries
}

func (n *Node) addrPort() netip.AddrPort { return netip.MustParseAddrPort(n.Address()) }

// internode is where other nodes reach it: an address of its own, on which nobody listens.
func (n *Node) internode() netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(n.number)}) }

func (n *Node) listen(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	if n.ring.certificate != nil {
		l = tls.NewListener(l, n.ring.server())
	}
	n.mu.Lock()
	n.listener, n.address, n.conns, n.down = l, l.Addr().String(), map[net.Conn]bool{}, false
	n.drained = false
	n.mu.Unlock()
	go n.accept(l)
	return nil
}

func (n *Node) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		n.mu.Lock()
		n.conns[conn] = true
		n.mu.Unlock()
		go n.serve(conn)
	}
}

// mode is what nodetool says of a node whose process runs.
func (n *Node) mode() (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.drained:
		return "Mode: DRAINED\n", nil
	case n.down:
		return "", errors.New("nodetool: Failed to connect: Connection refused")
	}
	return "Mode: NORMAL\n", nil
}

// close ends the node: whoever connects is refused.
func (n *Node) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = true
	if n.hang != nil {
		close(n.hang)
		n.hang = nil
	}
	n.listener.Close()
	for conn := range n.conns {
		conn.Close()
	}
}

func (n *Node) serve(conn net.Conn) {
	defer n.hangUp(conn)
	in := bufio.NewReader(conn)
	authenticated := false
	for {
		f, err := readFrame(in)
		if err != nil {
			return
		}
		n.linger()
		if speaks := n.speaks(); f.version != speaks {
			f.version, f.op, f.body = speaks, opError, failure(errProtocol, fmt.Sprintf("Invalid or unsupported protocol version (%d); the only supported version is %d", f.version, speaks))
			_ = f.write(conn) // it is closed either way
			return
		}
		f.op, f.body, authenticated = n.reply(f, authenticated)
		if err := f.write(conn); err != nil {
			return
		}
	}
}

func (n *Node) hangUp(conn net.Conn) {
	conn.Close()
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.conns, conn)
}

func (n *Node) speaks() byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.version3 {
		return 3
	}
	return protocolVersion
}

// linger waits as long as the node's faults want.
func (n *Node) linger() {
	n.mu.Lock()
	hang, delay := n.hang, n.delay
	n.mu.Unlock()
	if hang != nil {
		<-hang
	}
	time.Sleep(delay)
}

// reply answers one frame; authenticated is what it was and what it becomes.
func (n *Node) reply(f frame, authenticated bool) (op byte, body []byte, now bool) {
	in := &reader{rest: f.body, ok: true}
	switch f.op {
	case opOptions:
		return opSupported, appendInt(nil, 0)[2:], authenticated
	case opStartup:
		return opAuthenticate, appendString(nil, "org.apache.cassandra.auth.PasswordAuthenticator"), false
	case opAuthResponse:
		if n.accepts(string(in.bytes())) {
			return opAuthSuccess, appendInt(nil, -1), true
		}
		return opError, failure(errCredentials, "Provided username "+User+" and/or password are incorrect"), false
	}
	if !authenticated {
		return opError, failure(errProtocol, "not logged in"), false
	}
	op, body = n.answer(f.op, in)
	return op, body, true
}

func (n *Node) accepts(token string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.refuses && token == "\x00"+User+"\x00"+Secret
}

func failure(code int, message string) []byte { return appendString(appendInt(nil, code), message) }
