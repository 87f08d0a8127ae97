package kafka

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// OffsetSync says that a record of the source stands at an offset of the copy. MirrorMaker writes them, compacted and
// only now and then (offset.lag.max, offset.flush.interval.ms), into mm2-offset-syncs.<alias>.internal.
// Source: org.apache.kafka.connect.mirror.OffsetSync.
type OffsetSync struct {
	Partition        // at the source
	Upstream   int64 // offset at the source
	Downstream int64 // offset in the copy; -1: void
}

// Checkpoint is a consumer group's position, translated to the copy. MirrorMaker writes them into
// <source>.checkpoints.internal at the target. Source: org.apache.kafka.connect.mirror.Checkpoint.
type Checkpoint struct {
	Group      string
	Partition         // the copy's
	Upstream   int64  // what the group committed at the source
	Downstream int64  // what was translated
	Metadata   string // what the group committed beside it
}

// Heartbeat is a sign of life that MirrorMaker writes into heartbeats. Source:
// org.apache.kafka.connect.mirror.Heartbeat.
type Heartbeat struct {
	Source, Target string // aliases
	Time           time.Time
}

// ErrFormat is the error of a record that is not of the form that MirrorMaker writes.
var ErrFormat = errors.New("not a record of MirrorMaker's form")

// ParseOffsetSync reads a record of an offset-syncs topic.
func ParseOffsetSync(key, value []byte) (OffsetSync, error) {
	k, v := wire{rest: key}, wire{rest: value}
	s := OffsetSync{Partition: k.partition(), Upstream: v.int64(), Downstream: v.int64()}
	if err := ended("offset sync", &k, &v); err != nil {
		return OffsetSync{}, err
	}
	return s, nil
}

// ParseCheckpoint reads a record of a checkpoints topic. Only version 0 is known.
func ParseCheckpoint(key, value []byte) (Checkpoint, error) {
	k, v := wire{rest: key}, wire{rest: value}
	v.version()
	c := Checkpoint{Group: k.string(), Partition: k.partition(), Upstream: v.int64(), Downstream: v.int64(), Metadata: v.string()}
	if err := ended("checkpoint", &k, &v); err != nil {
		return Checkpoint{}, err
	}
	return c, nil
}

// ParseHeartbeat reads a record of a heartbeats topic. Only version 0 is known.
func ParseHeartbeat(key, value []byte) (Heartbeat, error) {
	k, v := wire{rest: key}, wire{rest: value}
	v.version()
	h := Heartbeat{Source: k.string(), Target: k.string(), Time: time.UnixMilli(v.int64())}
	if err := ended("heartbeat", &k, &v); err != nil {
		return Heartbeat{}, err
	}
	return h, nil
}

// Record writes the offset sync as MirrorMaker does.
func (s OffsetSync) Record() (key, value []byte) {
	key = appendPartition(nil, s.Partition)
	value = binary.BigEndian.AppendUint64(nil, uint64(s.Upstream))
	return key, binary.BigEndian.AppendUint64(value, uint64(s.Downstream))
}

// Record writes the checkpoint as MirrorMaker does.
func (c Checkpoint) Record() (key, value []byte) {
	key = appendPartition(appendString(nil, c.Group), c.Partition)
	value = binary.BigEndian.AppendUint64([]byte{0, 0}, uint64(c.Upstream))
	value = binary.BigEndian.AppendUint64(value, uint64(c.Downstream))
	return key, appendString(value, c.Metadata)
}

// Record writes the heartbeat as MirrorMaker does.
func (h Heartbeat) Record() (key, value []byte) {
	key = appendString(appendString(nil, h.Source), h.Target)
	return key, binary.BigEndian.AppendUint64([]byte{0, 0}, uint64(h.Time.UnixMilli()))
}

func appendString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

func appendPartition(b []byte, p Partition) []byte {
	return binary.BigEndian.AppendUint32(appendString(b, p.Topic), uint32(p.Number))
}

// wire reads Kafka's non-flexible encoding: big endian, strings behind an int16 length. It stops at the first fault.
type wire struct {
	rest []byte
	err  error
}

func (w *wire) take(n int) []byte {
	if w.err == nil && (n < 0 || n > len(w.rest)) {
		w.err = fmt.Errorf("%d bytes wanted, %d left", n, len(w.rest))
	}
	if w.err != nil {
		return make([]byte, 8) // enough for every number
	}
	taken := w.rest[:n]
	w.rest = w.rest[n:]
	return taken
}

func (w *wire) int64() int64 { return int64(binary.BigEndian.Uint64(w.take(8))) }

func (w *wire) string() string {
	n := int(int16(binary.BigEndian.Uint16(w.take(2))))
	text := w.take(n)
	if w.err != nil {
		return ""
	}
	return string(text)
}

func (w *wire) partition() Partition {
	return Partition{Topic: w.string(), Number: int32(binary.BigEndian.Uint32(w.take(4)))}
}

func (w *wire) version() {
	if version := binary.BigEndian.Uint16(w.take(2)); version != 0 && w.err == nil {
		w.err = fmt.Errorf("version %d is not known", version)
	}
}

func ended(what string, parts ...*wire) error {
	for _, w := range parts {
		if w.err == nil && len(w.rest) > 0 {
			w.err = fmt.Errorf("%d bytes left over", len(w.rest))
		}
		if w.err != nil {
			return fmt.Errorf("%s: %w: %w", what, ErrFormat, w.err)
		}
	}
	return nil
}
