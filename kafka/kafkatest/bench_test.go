//go:build lab

package kafkatest_test

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/connect"
	"github.com/georedkit/georedkit/kafka/kafkatest"
)

// BenchmarkCompare compares a million records of 210 bytes on real servers, beside a bare read of both sides and kcat,
// sort and cmp: the ratios within one run are what counts. Mirroring is stopped; both sides are filled alike.
func BenchmarkCompare(b *testing.B) {
	const records, partitions = 1_000_000, 4
	d := start(b)
	r := kafkatest.Open(b, d, kafka.Limits{})
	m := kafka.Mirror{From: d.Sites()[0], To: d.Sites()[1]}
	worker, err := connect.New(connect.Config{URL: d.ConnectURL(m.To)})
	if err != nil {
		b.Fatal(err)
	}
	if err := worker.Stop(b.Context(), m.Connector(kafka.SourceConnector)); err != nil {
		b.Fatal(err)
	}
	fill(b, d.Access(m.From), "bench", records, partitions)
	fill(b, d.Access(m.To), string(m.From)+".bench", records, partitions)

	b.Run("georedkit", func(b *testing.B) {
		for b.Loop() {
			results, err := r.Compare(b.Context(), m, "bench")
			if err != nil {
				b.Fatal(err)
			}
			var matched int64
			for _, c := range results {
				matched += c.Matched
			}
			if matched != records {
				b.Fatalf("%d matched: %v", matched, results)
			}
		}
	})
	b.Run("bare-read", func(b *testing.B) {
		for b.Loop() {
			var reading sync.WaitGroup
			for name, topic := range map[geored.SiteName]string{m.From: "bench", m.To: string(m.From) + ".bench"} {
				reading.Add(1)
				go func() {
					defer reading.Done()
					drain(b, d.Access(name), topic, records)
				}()
			}
			reading.Wait()
		}
	})
	b.Run("kcat-sort-cmp", func(b *testing.B) {
		if _, err := exec.LookPath("kcat"); err != nil {
			b.Skip("kcat is not installed")
		}
		side := func(access kafka.Access, topic string) string {
			return fmt.Sprintf("kcat -C -e -q -b %s -t %s -f '%%p %%k %%s\\n' | sort", access.Bootstrap[0], topic)
		}
		script := fmt.Sprintf("cmp <(%s) <(%s)", side(d.Access(m.From), "bench"), side(d.Access(m.To), string(m.From)+".bench"))
		for b.Loop() {
			if output, err := exec.Command("bash", "-c", script).CombinedOutput(); err != nil {
				b.Fatalf("%v\n%s", err, output)
			}
		}
	})
}

func fill(b *testing.B, access kafka.Access, topic string, records, partitions int) {
	b.Helper()
	kafkatest.Seed(b.Context(), b, access).Create(topic, int32(partitions))
	client, err := kgo.NewClient(kgo.SeedBrokers(access.Bootstrap...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MaxBufferedRecords(50_000))
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	for i := range records {
		record := &kgo.Record{Topic: topic, Partition: int32(i % partitions), Key: fmt.Appendf(nil, "k%09d", i), Value: fmt.Appendf(nil, "%0200d", i)}
		client.Produce(b.Context(), record, func(_ *kgo.Record, err error) {
			if err != nil {
				b.Error(err)
			}
		})
	}
	if err := client.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
}

func drain(b *testing.B, access kafka.Access, topic string, records int) {
	client, err := kgo.NewClient(kgo.SeedBrokers(access.Bootstrap...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMaxBytes(16<<20), kgo.FetchMaxPartitionBytes(4<<20))
	if err != nil {
		b.Error(err)
		return
	}
	defer client.Close()
	for left := records; left > 0; {
		left -= client.PollFetches(context.Background()).NumRecords()
	}
}

// BenchmarkCanary is two hundred records, one after the other, through a mirror of real servers, over a topic that the
// mirror knows. Those of the first moments, while the workers' code is compiled, do not count.
func BenchmarkCanary(b *testing.B) {
	d := start(b)
	r := kafkatest.Open(b, d, kafka.Limits{})
	m := kafka.Mirror{From: d.Sites()[0], To: d.Sites()[1]}
	plan := kafka.CanaryPlan{Keep: true, Wait: time.Minute}
	fly := func(n int) (latencies []time.Duration) {
		for range n {
			flights, err := r.Canaries(b.Context(), plan, m)
			if err != nil {
				b.Fatal(err)
			}
			latencies = append(latencies, flights[0].Latency)
		}
		return latencies
	}
	fly(100)
	var latencies []time.Duration
	for b.Loop() {
		latencies = append(latencies, fly(200)...)
	}
	for _, percent := range []int{50, 95, 100} {
		b.ReportMetric(float64(percentile(latencies, percent).Microseconds())/1000, fmt.Sprintf("p%d-ms", percent))
	}
	b.ReportMetric(float64(len(latencies)), "canaries")
}

// BenchmarkPosition samples both mirrors of two sites with 1,000 partitions each way: 2,000 in all.
func BenchmarkPosition(b *testing.B) {
	d := start(b)
	r := kafkatest.Open(b, d, kafka.Limits{})
	for _, name := range d.Sites() {
		seeder := kafkatest.Seed(b.Context(), b, d.Access(name))
		for i := range 20 {
			seeder.Create(fmt.Sprintf("many-%s-%d-%d", name, time.Now().UnixNano()%1e6, i), 50)
		}
	}
	look := func() int {
		answers := geored.Ask(b.Context(), []geored.Target{{Site: "dc1", To: "dc2"}, {Site: "dc2", To: "dc1"}}, func(ctx context.Context, t geored.Target) (kafka.Sample, error) {
			return r.Sample(ctx, kafka.Mirror{From: t.Site, To: t.To})
		})
		partitions := 0
		for _, s := range answers.All() {
			partitions += len(s.Positions)
		}
		return partitions
	}
	for limit := time.Now().Add(time.Minute); look() < 2000; { // the brokers make them by and by
		if time.Now().After(limit) {
			b.Fatal("the topics do not come")
		}
	}
	for b.Loop() {
		if n := look(); n < 2000 {
			b.Fatalf("%d partitions", n)
		}
	}
}

func percentile(all []time.Duration, percent int) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[(len(sorted)-1)*percent/100]
}
