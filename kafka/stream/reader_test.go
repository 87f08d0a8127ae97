package stream_test

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/kafkatest"
	"github.com/georedkit/georedkit/kafka/stream"
)

// What a broker does not give, although it is there, was not read; what compaction has taken was.
func TestWhatDoesNotCome(t *testing.T) {
	for name, c := range map[string]struct {
		give func(offset int64) []byte
		to   int64
		want error
	}{
		"a broker that is slow":                     {func(int64) []byte { return nil }, 10, kafka.ErrUnreachable},
		"compaction has left an empty batch":        {func(at int64) []byte { return hole(0, at, 10) }, 10, nil},
		"one that is empty, and then nothing comes": {func(at int64) []byte { return hole(0, at, 5) }, 10, kafka.ErrUnreachable},
		"a log that ends before":                    {func(at int64) []byte { return hole(0, at, 10) }, 12, kafka.ErrUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			w := kafkatest.New(t)
			source := kafkatest.Seed(t.Context(), t, w.Access("dc1"))
			source.Create("orders", 1)
			source.Produce("orders", 1, 0, 10)
			w.Cluster("dc1").ControlKey(int16(kmsg.Fetch), func(request kmsg.Request) (kmsg.Response, error, bool) {
				w.Cluster("dc1").KeepControl()
				time.Sleep(20 * time.Millisecond) // as one that waits for records
				return fetched(request.(*kmsg.FetchRequest), c.give), nil, true
			})
			access := w.Access("dc1")
			access.Timeout = time.Second // of silence, where an error is wanted
			if c.want == nil {
				access.Timeout = 10 * time.Second
			}
			reader, err := stream.Open(access)
			if err != nil {
				t.Fatal(err)
			}
			tail, err := reader.Tail(t.Context(), kafka.Partition{Topic: "orders"}, 0, c.to)
			if !errors.Is(err, c.want) || tail.Records != 0 {
				t.Errorf("%+v %v", tail, err)
			}
		})
	}
}

// fetched answers for a log that ends at 10.
func fetched(asked *kmsg.FetchRequest, give func(int64) []byte) kmsg.Response {
	response := asked.ResponseKind().(*kmsg.FetchResponse)
	for _, t := range asked.Topics {
		topic := kmsg.NewFetchResponseTopic()
		topic.Topic, topic.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			partition := kmsg.NewFetchResponseTopicPartition()
			partition.Partition, partition.HighWatermark, partition.LastStableOffset, partition.RecordBatches = p.Partition, 10, 10, give(p.FetchOffset)
			topic.Partitions = append(topic.Partitions, partition)
		}
		response.Topics = append(response.Topics, topic)
	}
	return response
}

// hole is the empty batch, of offsets from first to before end, that compaction leaves; nothing behind it.
func hole(first, at, end int64) []byte {
	if at >= end {
		return nil
	}
	batch := kmsg.RecordBatch{FirstOffset: first, Magic: 2, LastOffsetDelta: int32(end - first - 1), ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1}
	raw := batch.AppendTo(nil)
	batch.Length = int32(len(raw) - 12)
	raw = batch.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}
