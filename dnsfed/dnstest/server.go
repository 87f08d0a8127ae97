package dnstest

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// SlowBy is how late a slow server answers.
const SlowBy = 300 * time.Millisecond

// responder makes the reply to a query; nil is silence.
type responder func(query []byte, tcp bool) []byte

// listener serves one loopback address over UDP and TCP.
type listener struct {
	respond responder
	udp     net.PacketConn
	tcp     net.Listener
	serving sync.WaitGroup
}

// listen finds a port that is free for both.
func listen(respond responder) (*listener, error) {
	var last error
	for range 20 {
		udp, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		tcp, err := net.Listen("tcp", udp.LocalAddr().String())
		if err != nil {
			last = err
			udp.Close()
			continue
		}
		l := &listener{respond: respond, udp: udp, tcp: tcp}
		l.serving.Add(2)
		go l.serveUDP()
		go l.serveTCP()
		return l, nil
	}
	return nil, last
}

func (l *listener) address() netip.AddrPort {
	return netip.MustParseAddrPort(l.udp.LocalAddr().String())
}

func (l *listener) close() {
	l.udp.Close()
	l.tcp.Close()
	l.serving.Wait()
}

func (l *listener) serveUDP() {
	defer l.serving.Done()
	buffer := make([]byte, 64<<10)
	for {
		n, from, err := l.udp.ReadFrom(buffer)
		if err != nil {
			return
		}
		query := append([]byte(nil), buffer[:n]...)
		go func() {
			if reply := l.respond(query, false); reply != nil {
				_, _ = l.udp.WriteTo(reply, from) // whoever asked may be gone
			}
		}()
	}
}

func (l *listener) serveTCP() {
	defer l.serving.Done()
	for {
		conn, err := l.tcp.Accept()
		if err != nil {
			return
		}
		go l.converse(conn)
	}
}

func (l *listener) converse(conn net.Conn) {
	defer conn.Close()
	for {
		if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			return
		}
		var size [2]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		query := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		reply := l.respond(query, true)
		if reply == nil {
			return
		}
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...)); err != nil {
			return
		}
	}
}

// reply answers a query from zones, the first that has the name; nil means that it cannot be read.
func reply(query []byte, find func(name string) ([]dnsmessage.ResourceBody, dnsmessage.RCode), truncated bool) []byte {
	var message dnsmessage.Message
	if message.Unpack(query) != nil || len(message.Questions) != 1 {
		return nil
	}
	q := message.Questions[0]
	records, code := find(strings.ToLower(q.Name.String()))
	answer := dnsmessage.Message{Questions: message.Questions, Header: dnsmessage.Header{
		ID: message.ID, Response: true, Authoritative: true, RecursionDesired: message.RecursionDesired, RCode: code, Truncated: truncated}}
	for _, r := range records {
		header := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 5}
		if typeOf(r) == q.Type && !truncated {
			answer.Answers = append(answer.Answers, dnsmessage.Resource{Header: header, Body: r})
		}
	}
	packed, err := answer.Pack()
	if err != nil {
		return nil
	}
	return packed
}

func typeOf(r dnsmessage.ResourceBody) dnsmessage.Type {
	switch r.(type) {
	case *dnsmessage.AResource:
		return dnsmessage.TypeA
	case *dnsmessage.AAAAResource:
		return dnsmessage.TypeAAAA
	case *dnsmessage.SRVResource:
		return dnsmessage.TypeSRV
	}
	return dnsmessage.TypePTR
}
