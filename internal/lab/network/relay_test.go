package network

import "testing"

func TestLaneOf(t *testing.T) {
	header := make([]byte, 20)
	header[0] = 0x45
	copy(header[12:], []byte{10, 98, 3, 1, 10, 98, 7, 2})
	if way, ok := laneOf(header); !ok || way != (lane{3, 7}) {
		t.Errorf("%+v, %t", way, ok)
	}
	six := append([]byte{0x60}, make([]byte, 39)...)
	for _, content := range [][]byte{nil, header[:19], six} {
		if way, ok := laneOf(content); ok {
			t.Errorf("%v is taken for %+v", content, way)
		}
	}
}
