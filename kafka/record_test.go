package kafka

import (
	"encoding/hex"
	"errors"
	"testing"
	"time"
)

// Records of a Kafka 4.3.1: mm2-offset-syncs.dc2.internal.
func TestParseOffsetSyncOfARealServer(t *testing.T) {
	key, _ := hex.DecodeString("000a6865617274626561747300000000")
	value, _ := hex.DecodeString("000000000000012f000000000000012e")
	got, err := ParseOffsetSync(key, value)
	if want := (OffsetSync{Partition{"heartbeats", 0}, 303, 302}); err != nil || got != want {
		t.Errorf("got %+v %v", got, err)
	}
}

func TestRecordsComeBack(t *testing.T) {
	sync := OffsetSync{Partition{"orders", 7}, 12, 9}
	if got, err := ParseOffsetSync(sync.Record()); err != nil || got != sync {
		t.Errorf("%+v %v", got, err)
	}
	point := Checkpoint{"group", Partition{"dc1.orders", 7}, 12, 9, "meta"}
	if got, err := ParseCheckpoint(point.Record()); err != nil || got != point {
		t.Errorf("%+v %v", got, err)
	}
	beat := Heartbeat{"dc1", "dc2", time.UnixMilli(1763719000123)}
	if got, err := ParseHeartbeat(beat.Record()); err != nil || !got.Time.Equal(beat.Time) || got.Source != "dc1" || got.Target != "dc2" {
		t.Errorf("%+v %v", got, err)
	}
}

func TestBrokenRecords(t *testing.T) {
	key, value := (Checkpoint{Group: "g", Partition: Partition{"t", 1}}).Record()
	future := append([]byte{0, 1}, value[2:]...)
	for name, pair := range map[string][2][]byte{
		"no key": {nil, value}, "no value": {key, nil}, "short": {key[:len(key)-1], value}, "left over": {append(key, 0), value},
		"negative length": {[]byte{0xff, 0xff}, value}, "another version": {key, future},
	} {
		if got, err := ParseCheckpoint(pair[0], pair[1]); !errors.Is(err, ErrFormat) || got != (Checkpoint{}) {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
}

func FuzzRecords(f *testing.F) {
	for _, record := range []func() ([]byte, []byte){OffsetSync{Partition: Partition{"t", 1}}.Record, Checkpoint{Group: "g"}.Record, Heartbeat{Source: "a"}.Record} {
		key, value := record()
		f.Add(key, value)
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		if s, err := ParseOffsetSync(key, value); err == nil {
			same(t, key, value, s.Record)
		}
		if c, err := ParseCheckpoint(key, value); err == nil {
			same(t, key, value, c.Record)
		}
		if h, err := ParseHeartbeat(key, value); err == nil {
			same(t, key, value, h.Record)
		}
	})
}

// same asserts that what could be read is written as it was.
func same(t *testing.T, key, value []byte, record func() ([]byte, []byte)) {
	t.Helper()
	if k, v := record(); string(k) != string(key) || string(v) != string(value) {
		t.Errorf("%x %x became %x %x", key, value, k, v)
	}
}
