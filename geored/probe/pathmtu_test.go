package probe_test

import (
	"encoding/binary"
	"net"
	"testing"

	"github.com/georedkit/georedkit/geored/probe"
)

const headers = 28 // of IPv4 and UDP

// echoes answers as a listener does, but for the packets that drop takes, by their size with headers and how often that
// size came before.
func echoes(t *testing.T, drop func(size, before int) bool) string {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		seen, packet := map[int]int{}, make([]byte, 65536)
		for {
			n, from, err := conn.ReadFrom(packet)
			if err != nil {
				return
			}
			seen[n]++
			if !drop(n+headers, seen[n]-1) {
				_, _ = conn.WriteTo(binary.BigEndian.AppendUint32(packet[:8:8], uint32(n)), from)
			}
		}
	}()
	return conn.LocalAddr().String()
}

func TestPathMTUTellsALossFromANarrowPath(t *testing.T) {
	for name, c := range map[string]struct {
		drop func(size, before int) bool
		want int
	}{
		"wide":             {func(int, int) bool { return false }, 1420},
		"narrow":           {func(size, _ int) bool { return size > 1300 }, 1300},
		"lossy":            {func(size, before int) bool { return size > 1000 && before < 2 }, 1420},
		"lossy and narrow": {func(size, before int) bool { return size > 1300 || size > 1000 && before < 2 }, 1300},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer, err := probe.Ask(t.Context(), probe.Local(probe.Questions()), probe.PathMTU{Address: echoes(t, c.drop), Max: 1420, Timeout: 50e6})
			if err != nil || answer.MTU != c.want {
				t.Errorf("%d bytes, %v, want %d", answer.MTU, err, c.want)
			}
		})
	}
}
