package probe_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/georedkit/georedkit/geored/probe"
)

var local = probe.Local(probe.Questions())

// listener starts the far end on a loopback address of its own.
func listener(t *testing.T, host string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- probe.Listener{Site: "dc2", Pod: "probe-1", Host: host}.Listen(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for range 100 {
		if _, err := probe.Ask(t.Context(), local, probe.TCP{Address: net.JoinHostPort(host, "8080")}); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the listener did not come up")
}

func TestQuestionsToAListener(t *testing.T) {
	listener(t, "127.77.0.1")
	answer, err := probe.Ask(t.Context(), local, probe.HTTP{URL: "http://127.77.0.1:8080/"})
	if err != nil {
		t.Fatal(err)
	}
	var who probe.Identity
	if err := json.Unmarshal([]byte(answer.Body), &who); err != nil || who.Site != "dc2" || who.Pod != "probe-1" {
		t.Errorf("%+v, %v", who, err)
	}
	bulk, err := probe.Ask(t.Context(), local, probe.Bulk{Address: "127.77.0.1:8081", Bytes: 3 << 20})
	if err != nil || bulk.Bytes != 3<<20 {
		t.Errorf("%+v, %v", bulk, err)
	}
	path, err := probe.Ask(t.Context(), local, probe.PathMTU{Address: "127.77.0.1:8082", Max: 9000})
	if err != nil || path.MTU != 9000 {
		t.Errorf("%+v, %v", path, err)
	}
}

func TestSilenceIsAnError(t *testing.T) {
	closed := "127.77.0.2:9" // nobody listens there
	questions := map[string]func() error{
		"tcp":  func() error { _, err := probe.Ask(t.Context(), local, probe.TCP{Address: closed}); return err },
		"http": func() error { _, err := probe.Ask(t.Context(), local, probe.HTTP{URL: "http://" + closed}); return err },
		"bulk": func() error {
			_, err := probe.Ask(t.Context(), local, probe.Bulk{Address: closed, Bytes: 1})
			return err
		},
		"dns udp": func() error {
			_, err := probe.Ask(t.Context(), local, probe.DNS{Server: closed, Name: "a"})
			return err
		},
		"dns tcp": func() error {
			_, err := probe.Ask(t.Context(), local, probe.DNS{Server: closed, Name: "a", Network: "tcp"})
			return err
		},
		"path-mtu": func() error {
			_, err := probe.Ask(t.Context(), local, probe.PathMTU{Address: closed, Tries: 1})
			return err
		},
	}
	for name, ask := range questions {
		t.Run(name, func(t *testing.T) {
			var remote *probe.RemoteError
			if err := ask(); !errors.As(err, &remote) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestBadQuestions(t *testing.T) {
	cases := map[string]struct {
		name, question, want string
	}{
		"no such question": {"weather", "{}", `no question is called "weather"`},
		"unknown field":    {"tcp", `{"adress":"x"}`, "unknown field"},
		"no JSON":          {"tcp", `x`, "question: invalid"},
		"too long":         {"tcp", strings.Repeat(" ", 2<<20), "too long"},
		"bulk of nothing":  {"bulk", `{"address":"127.0.0.1:1"}`, "bytes 0: not in 1"},
		"dns type":         {"dns", `{"server":"127.0.0.1:1","name":"a","type":"TXT"}`, `type "TXT"`},
		"dns network":      {"dns", `{"server":"127.0.0.1:1","name":"a","network":"tls"}`, `network "tls"`},
		"mtu by name":      {"path-mtu", `{"address":"localhost:1"}`, "ParseAddr"},
		"mtu upside down":  {"path-mtu", `{"address":"127.0.0.1:1","min":1500,"max":600}`, "sizes 1500 to 600"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var output bytes.Buffer
			if err := probe.Serve(t.Context(), probe.Questions(), c.name, strings.NewReader(c.question), &output); err != nil {
				t.Fatal(err)
			}
			var reply struct{ Answer, Error string }
			if err := json.Unmarshal(output.Bytes(), &reply); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(reply.Error, c.want) || reply.Answer != "" {
				t.Errorf("reply %+v, want an error with %s", reply, c.want)
			}
		})
	}
}

// saying is a probe that prints what it is told to.
type saying struct {
	output string
	err    error
}

func (s saying) Ask(context.Context, []string, []byte) ([]byte, error) {
	return []byte(s.output), s.err
}

func TestAReplyThatIsNoneIsAnError(t *testing.T) {
	for _, client := range []saying{{"", nil}, {"{}", nil}, {"null", nil}, {"sh: /probe: not found", nil}, {`{"answer":"x"}`, nil}, {`{"answer":{}}`, errors.New("pod is gone")}} {
		if _, err := probe.Ask(t.Context(), client, probe.Clock{}); err == nil {
			t.Errorf("%q was taken for an answer", client.output)
		}
	}
}

func TestSkewIsHalfwayGiveOrTake(t *testing.T) {
	before := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	skew := probe.SkewOf(probe.ClockAnswer{Now: before.Add(61 * time.Second)}, before, before.Add(2*time.Second))
	if skew.Ahead != time.Minute || skew.Error != time.Second {
		t.Errorf("%+v", skew)
	}
	answer, err := probe.Ask(t.Context(), local, probe.Clock{})
	if err != nil || time.Since(answer.Now) > time.Minute {
		t.Errorf("%+v, %v", answer, err)
	}
}

// nameServer answers every query with the code and records given, and sends a stray reply first.
func nameServer(t *testing.T, code dnsmessage.RCode, answers ...dnsmessage.Resource) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.77.0.3:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buffer := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			var query dnsmessage.Message
			if query.Unpack(buffer[:n]) != nil {
				continue
			}
			reply := dnsmessage.Message{Header: dnsmessage.Header{ID: query.ID + 1, Response: true}}
			stray, _ := reply.Pack()
			conn.WriteTo(stray, from)
			reply.ID, reply.RCode, reply.Questions, reply.Answers = query.ID, code, query.Questions, answers
			text, _ := reply.Pack()
			conn.WriteTo(text, from)
		}
	}()
	return conn.LocalAddr().String()
}

func TestDNSTellsNoSuchNameFromSilence(t *testing.T) {
	server := nameServer(t, dnsmessage.RCodeNameError)
	answer, err := probe.Ask(t.Context(), local, probe.DNS{Server: server, Name: "nowhere.dc2"})
	if err != nil || answer.Code != "NXDOMAIN" || len(answer.Records) != 0 {
		t.Errorf("%+v, %v", answer, err)
	}
}

func TestDNSReadsRecords(t *testing.T) {
	name := dnsmessage.MustNewName("x.")
	header := func(t dnsmessage.Type) dnsmessage.ResourceHeader {
		return dnsmessage.ResourceHeader{Name: name, Type: t, Class: dnsmessage.ClassINET, TTL: 5}
	}
	server := nameServer(t, dnsmessage.RCodeSuccess,
		dnsmessage.Resource{Header: header(dnsmessage.TypeA), Body: &dnsmessage.AResource{A: [4]byte{10, 130, 0, 1}}},
		dnsmessage.Resource{Header: header(dnsmessage.TypeAAAA), Body: &dnsmessage.AAAAResource{AAAA: [16]byte{0xfd, 15: 1}}},
		dnsmessage.Resource{Header: header(dnsmessage.TypeSRV), Body: &dnsmessage.SRVResource{Priority: 1, Weight: 2, Port: 9042, Target: name}},
		dnsmessage.Resource{Header: header(dnsmessage.TypePTR), Body: &dnsmessage.PTRResource{PTR: name}},
		dnsmessage.Resource{Header: header(dnsmessage.TypeCNAME), Body: &dnsmessage.CNAMEResource{CNAME: name}})
	answer, err := probe.Ask(t.Context(), local, probe.DNS{Server: server, Name: "x"})
	if got, want := strings.Join(answer.Records, ", "), "10.130.0.1, fd00::1, 1 2 9042 x., x., x."; err != nil || got != want || answer.TTL != 5 {
		t.Errorf("%s ttl %d, %v, want %s", got, answer.TTL, err, want)
	}
}

// What is not there is told from what could not be read.
func TestAbsent(t *testing.T) {
	local := probe.Local{
		"gone":   probe.HandlerFunc(func(context.Context, struct{}) (int, error) { return 0, fmt.Errorf("interface: %w", os.ErrNotExist) }),
		"denied": probe.HandlerFunc(func(context.Context, struct{}) (int, error) { return 0, os.ErrPermission }),
	}
	for name, want := range map[string]bool{"gone": true, "denied": false} {
		_, err := probe.AskNamed[int](t.Context(), local, name, struct{}{})
		if remote := new(probe.RemoteError); !errors.As(err, &remote) || errors.Is(err, fs.ErrNotExist) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}
