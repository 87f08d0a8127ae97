package kafkatest_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/broker"
	"github.com/georedkit/georedkit/kafka/connect"
	"github.com/georedkit/georedkit/kafka/kafkatest"
	"github.com/georedkit/georedkit/kafka/stream"
)

// control changes the answers to one kind of request, as long as the function gives some.
func control(w *kafkatest.World, site geored.SiteName, key kmsg.Key, answer func(*kfake.Cluster, kmsg.Request) kmsg.Response) {
	cluster := w.Cluster(site)
	cluster.ControlKey(int16(key), func(request kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		response := answer(cluster, request)
		return response, nil, response != nil
	})
}

// deny answers every question about a topic's log with a refusal, and what is asked about others as it is.
func deny(topic string, code int16) func(*kfake.Cluster, kmsg.Request) kmsg.Response {
	return func(cluster *kfake.Cluster, request kmsg.Request) kmsg.Response {
		asked := request.(*kmsg.ListOffsetsRequest)
		response := asked.ResponseKind().(*kmsg.ListOffsetsResponse)
		for _, t := range asked.Topics {
			answer := kmsg.NewListOffsetsResponseTopic()
			answer.Topic = t.Topic
			for _, p := range t.Partitions {
				one := kmsg.NewListOffsetsResponseTopicPartition()
				if one.Partition = p.Partition; t.Topic == topic {
					one.ErrorCode = code
				} else {
					one.Offset = offset(cluster, t.Topic, p)
				}
				answer.Partitions = append(answer.Partitions, one)
			}
			response.Topics = append(response.Topics, answer)
		}
		return response
	}
}

// offset is what a broker itself would answer: other topics, heartbeats among them, are written to meanwhile.
func offset(cluster *kfake.Cluster, topic string, asked kmsg.ListOffsetsRequestTopicPartition) int64 {
	const earliest = -2
	var log *kfake.PartitionInfo
	cluster.SleepControl(func() { log = cluster.PartitionInfo(topic, asked.Partition) })
	switch {
	case log == nil:
		return -1
	case asked.Timestamp == earliest:
		return log.LogStartOffset
	}
	return log.HighWatermark
}

// elsewhere has the brokers tell an address at which nobody is.
func elsewhere(_ *kfake.Cluster, request kmsg.Request) kmsg.Response {
	response := request.ResponseKind().(*kmsg.MetadataResponse)
	one := kmsg.NewMetadataResponseBroker()
	one.NodeID, one.Host, one.Port = 0, "127.0.0.1", 1
	response.Brokers = append(response.Brokers, one)
	topic := kmsg.NewMetadataResponseTopic()
	topic.Topic, topic.TopicID = kmsg.StringPtr("orders"), [16]byte{1}
	partition := kmsg.NewMetadataResponseTopicPartition()
	partition.Leader, partition.Replicas, partition.ISR = 0, []int32{0}, []int32{0}
	topic.Partitions = append(topic.Partitions, partition)
	response.Topics = append(response.Topics, topic)
	return response
}

// TestBadInput: each is told with its site, what it is about, and what to do, and nothing passes.
func TestBadInput(t *testing.T) {
	m := kafka.Mirror{From: "dc1", To: "dc2"}
	for _, c := range []struct {
		name string
		make func(*testing.T, *kafkatest.World)
		url  string // behind the worker's own
		want geored.Verdict
		says []string
	}{
		{"as it should be", func(*testing.T, *kafkatest.World) {}, "", geored.Pass, nil},
		{"a pattern that matches nothing", func(t *testing.T, w *kafkatest.World) {
			worker, err := connect.New(connect.Config{URL: w.ConnectURL(m.To)})
			if err != nil {
				t.Fatal(err)
			}
			settings, err := worker.Settings(t.Context(), m.Connector(kafka.SourceConnector))
			if err != nil {
				t.Fatal(err)
			}
			settings = maps.Clone(settings)
			settings["topics"] = "ordres"
			if err := worker.PutSettings(t.Context(), m.Connector(kafka.SourceConnector), settings); err != nil {
				t.Fatal(err)
			}
		}, "", geored.Fail, []string{"selects no topic", `"ordres" matches no topic of dc1`, "mend topics"}},
		{"a REST behind another path", func(*testing.T, *kafkatest.World) {}, "/connect", geored.Unknown, []string{"site dc2", "404", "is not Connect's", "mend the URL"}},
		{"a topic that is denied", func(_ *testing.T, w *kafkatest.World) {
			control(w, m.From, kmsg.ListOffsets, deny("orders", kerr.TopicAuthorizationFailed.Code))
		}, "", geored.Unknown, []string{"site dc1", "orders/0", "deny", "allow this user"}},
		{"a topic that is deleted meanwhile", func(_ *testing.T, w *kafkatest.World) {
			control(w, m.From, kmsg.ListOffsets, deny("orders", kerr.UnknownTopicOrPartition.Code))
		}, "", geored.Unknown, []string{"site dc1", "orders/0", "no such topic", "look again"}},
		{"brokers that tell an address at which nobody is", func(_ *testing.T, w *kafkatest.World) {
			control(w, m.From, kmsg.Metadata, elsewhere)
		}, "", geored.Unknown, []string{"site dc1", "calls itself 127.0.0.1:1", "mend advertised.listeners"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := kafkatest.New(t)
			source := kafkatest.Seed(t.Context(), t, w.Access(m.From))
			source.Create("orders", 1)
			source.Produce("orders", 1, 0, 10)
			await(t, w, m)
			c.make(t, w)
			f := position(t, w, m, c.url)
			text := f.Message + " " + f.Remedy + " " + strings.Join(f.Evidence, " ")
			for _, s := range f.Unanswered {
				text += " " + s.Reason
			}
			if f.Verdict != c.want {
				t.Errorf("%s: %s", f.Verdict, text)
			}
			for _, word := range c.says {
				if !strings.Contains(text, word) {
					t.Errorf("%q is not in: %s", word, text)
				}
			}
		})
	}
}

// await returns when everything is copied.
func await(t *testing.T, w *kafkatest.World, m kafka.Mirror) {
	t.Helper()
	for until := time.Now().Add(30 * time.Second); position(t, w, m, "").Verdict != geored.Pass; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("it is not copied")
		}
	}
}

// position is what the check finds of the mirror, with clients that know nothing from before.
func position(t *testing.T, w *kafkatest.World, m kafka.Mirror, path string) geored.Finding {
	t.Helper()
	config := kafka.Config{Mirrors: []kafka.Mirror{m}, Budget: 10 * time.Second}
	for _, name := range w.Sites() {
		access := w.Access(name)
		access.Timeout = 2 * time.Second
		brokers, err := broker.Open(access)
		if err != nil {
			t.Fatal(err)
		}
		defer brokers.Close()
		records, err := stream.Open(access)
		if err != nil {
			t.Fatal(err)
		}
		worker, err := connect.New(connect.Config{URL: w.ConnectURL(name) + path})
		if err != nil {
			t.Fatal(err)
		}
		config.Sites = append(config.Sites, kafka.Site{Name: name, Brokers: brokers, Records: records, Worker: worker})
	}
	r, err := kafka.New(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, check := range r.Checks(nil) {
		if check.ID == kafka.CheckPosition {
			return check.Run(t.Context())[0]
		}
	}
	t.Fatal("there is no such check")
	return geored.Finding{}
}

// A coordinator that still reads what groups committed names none; that is no answer.
func TestGroupsOfACoordinatorThatIsNotReady(t *testing.T) {
	w := kafkatest.New(t, "dc1", "dc2")
	control(w, "dc1", kmsg.ListGroups, func(_ *kfake.Cluster, request kmsg.Request) kmsg.Response {
		response := request.ResponseKind().(*kmsg.ListGroupsResponse)
		response.ErrorCode = kerr.CoordinatorLoadInProgress.Code
		return response
	})
	brokers, err := broker.Open(w.Access("dc1"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(brokers.Close)
	if offsets, err := brokers.GroupOffsets(t.Context()); err == nil || !strings.Contains(err.Error(), "broker 0") {
		t.Errorf("%v, %v", offsets, err)
	}
}
