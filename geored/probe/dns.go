package probe

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// DNS asks one server one question, without a search list and without a cache.
type DNS struct {
	Server  string        `json:"server"`            // address:port
	Name    string        `json:"name"`              // fully qualified; the last dot may be left out
	Type    string        `json:"type,omitempty"`    // A, AAAA, SRV or PTR; zero: A
	Network string        `json:"network,omitempty"` // udp or tcp; zero: udp
	Timeout time.Duration `json:"timeout,omitempty"` // zero: 2 s
}

// DNSAnswer is what the server said, whatever its code: NXDOMAIN is an answer, silence is not.
type DNSAnswer struct {
	Code    string        `json:"code"`              // NOERROR, NXDOMAIN, SERVFAIL, …
	Records []string      `json:"records,omitempty"` // addresses, targets or names, in the order of the answer
	TTL     uint32        `json:"ttl,omitempty"`     // of the first record, in seconds
	Took    time.Duration `json:"took"`
}

func (DNS) question() string { return "dns" }

var dnsTypes = map[string]dnsmessage.Type{
	"": dnsmessage.TypeA, "A": dnsmessage.TypeA, "AAAA": dnsmessage.TypeAAAA, "SRV": dnsmessage.TypeSRV, "PTR": dnsmessage.TypePTR,
}

var dnsCodes = map[dnsmessage.RCode]string{
	dnsmessage.RCodeSuccess: "NOERROR", dnsmessage.RCodeNameError: "NXDOMAIN", dnsmessage.RCodeServerFailure: "SERVFAIL",
	dnsmessage.RCodeRefused: "REFUSED", dnsmessage.RCodeNotImplemented: "NOTIMP", dnsmessage.RCodeFormatError: "FORMERR",
}

func (q DNS) answer(ctx context.Context) (DNSAnswer, error) {
	query, id, err := q.query()
	if err != nil {
		return DNSAnswer{}, err
	}
	network := q.Network
	if network == "" {
		network = "udp"
	}
	if network != "udp" && network != "tcp" {
		return DNSAnswer{}, fmt.Errorf("network %q: write udp or tcp", network)
	}
	began, timeout := time.Now(), timeoutOr(q.Timeout, 2*time.Second)
	dialer := net.Dialer{Timeout: timeout}
	conn, err := dialer.DialContext(ctx, network, q.Server)
	if err != nil {
		return DNSAnswer{}, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(began.Add(timeout)); err != nil {
		return DNSAnswer{}, err
	}
	text, err := exchange(conn, network, query, id)
	if err != nil {
		return DNSAnswer{}, err
	}
	answer, err := readDNS(text)
	answer.Took = time.Since(began)
	return answer, err
}

func (q DNS) query() (text []byte, id uint16, err error) {
	queryType, ok := dnsTypes[q.Type]
	if !ok {
		return nil, 0, fmt.Errorf("type %q: write A, AAAA, SRV or PTR", q.Type)
	}
	name := q.Name
	if name == "" || name[len(name)-1] != '.' {
		name += "."
	}
	parsed, err := dnsmessage.NewName(name)
	if err != nil {
		return nil, 0, fmt.Errorf("name %q: %w", q.Name, err)
	}
	var random [2]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, 0, err
	}
	id = binary.BigEndian.Uint16(random[:])
	message := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: id, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: parsed, Type: queryType, Class: dnsmessage.ClassINET}},
	}
	text, err = message.Pack()
	return text, id, err
}

// exchange sends the query and reads replies until one has its ID: stray datagrams are passed over.
func exchange(conn net.Conn, network string, query []byte, id uint16) ([]byte, error) {
	if network == "tcp" {
		query = append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)
	}
	if _, err := conn.Write(query); err != nil {
		return nil, err
	}
	for {
		text, err := readMessage(conn, network)
		if err != nil {
			return nil, err
		}
		if len(text) >= 2 && binary.BigEndian.Uint16(text) == id {
			return text, nil
		}
	}
}

func readMessage(conn net.Conn, network string) ([]byte, error) {
	if network == "udp" {
		text := make([]byte, 64<<10)
		n, err := conn.Read(text)
		return text[:n], err
	}
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	text := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(conn, text)
	return text, err
}

func readDNS(text []byte) (DNSAnswer, error) {
	var message dnsmessage.Message
	if err := message.Unpack(text); err != nil {
		return DNSAnswer{}, fmt.Errorf("reply: %w", err)
	}
	if message.Truncated {
		return DNSAnswer{}, errors.New("reply: truncated; ask over tcp")
	}
	answer := DNSAnswer{Code: dnsCodes[message.RCode]}
	if answer.Code == "" {
		answer.Code = message.RCode.String()
	}
	for i, record := range message.Answers {
		if i == 0 {
			answer.TTL = record.Header.TTL
		}
		answer.Records = append(answer.Records, recordText(record.Body))
	}
	return answer, nil
}

func recordText(body dnsmessage.ResourceBody) string {
	switch b := body.(type) {
	case *dnsmessage.AResource:
		return net.IP(b.A[:]).String()
	case *dnsmessage.AAAAResource:
		return net.IP(b.AAAA[:]).String()
	case *dnsmessage.SRVResource:
		return fmt.Sprintf("%d %d %d %s", b.Priority, b.Weight, b.Port, b.Target)
	case *dnsmessage.PTRResource:
		return b.PTR.String()
	case *dnsmessage.CNAMEResource:
		return b.CNAME.String()
	}
	return body.GoString()
}
