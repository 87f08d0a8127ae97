package probe_test

import (
	"errors"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored/probe"
)

// freePort is one that nobody listens at now.
func freePort(t *testing.T) uint16 {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return uint16(conn.LocalAddr().(*net.UDPAddr).Port)
}

func TestEchoIsAsGoodAsAListener(t *testing.T) {
	local := probe.Local(probe.Questions())
	port := freePort(t)
	answered := make(chan probe.EchoAnswer, 1)
	go func() {
		answer, err := probe.Ask(t.Context(), local, probe.Echo{Port: port, For: 20 * time.Second, Idle: 2 * time.Second})
		if err != nil {
			t.Error(err)
		}
		answered <- answer
	}()
	question := probe.PathMTU{Address: net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port))), Max: 1500}
	var answer probe.PathMTUAnswer
	var err error
	for range 20 { // it is not there at once
		if answer, err = probe.Ask(t.Context(), local, question); err == nil {
			break
		}
	}
	if err != nil || answer.MTU != 1500 {
		t.Error(answer, err)
	}
	if a := <-answered; a.Datagrams == 0 {
		t.Error("it counted no datagrams")
	}
	if _, err := probe.Ask(t.Context(), local, question); err == nil {
		t.Error("it goes on after its end")
	}
}

func TestEchoRefusesAPortThatIsTaken(t *testing.T) {
	conn, err := net.ListenPacket("udp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = probe.Ask(t.Context(), probe.Local(probe.Questions()), probe.Echo{Port: uint16(conn.LocalAddr().(*net.UDPAddr).Port)})
	if remote := new(probe.RemoteError); !errors.As(err, &remote) {
		t.Error(err)
	}
}
