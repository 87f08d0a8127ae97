package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/connect"
)

// batch is how many records of one partition are copied before their position is committed.
const batch = 2000

// errTooLarge fails the task, as the producer's RecordTooLargeException does.
var errTooLarge = errors.New("org.apache.kafka.common.errors.RecordTooLargeException: the message is larger than max.request.size")

// copyRecords is one round of a MirrorSourceConnector. An error of the source leaves it RUNNING, as
// MirrorSourceTask.poll does.
func (w *worker) copyRecords(ctx context.Context, admins map[geored.SiteName]*kadm.Client, c connector) {
	life := w.life()
	selection, err := kafka.ReadSelection(w.site.name, c.settings)
	from := geored.SiteName(selection.SourceAlias)
	if err != nil || w.brokers[from] == nil {
		return
	}
	topics, err := w.brokers[from].Topics(ctx)
	if err != nil {
		return
	}
	var partitions []kafka.Partition
	for _, t := range topics {
		if !selection.Has(t.Name) {
			continue
		}
		known, ok := c.ids[t.Name]
		if !ok || known != t.ID {
			if err := makeCopy(ctx, admins[w.site.name], selection.Copy(t.Name), t.Partitions); err != nil {
				return
			}
			w.client[w.site.name].PurgeTopicsFromProducing(selection.Copy(t.Name)) // a copy that was deleted has another identity
		}
		for n := range t.Partitions {
			if ok && known != t.ID { // running tasks see that it is another topic
				delete(c.committed, kafka.Partition{Topic: t.Name, Number: n})
			}
			partitions = append(partitions, kafka.Partition{Topic: t.Name, Number: n})
		}
		c.ids[t.Name] = t.ID
	}
	bounds, err := w.brokers[from].Bounds(ctx, partitions)
	if err != nil {
		return
	}
	tasks := []connect.Task(nil)
	for id := range min(len(partitions), 2) {
		tasks = append(tasks, connect.Task{ID: id, State: connect.Running})
	}
	w.commit(c, life, func(now *connector) { now.tasks = slices.Clone(tasks) }) // they are there before they copy anything
	for _, b := range bounds {
		if err := w.copyPartition(ctx, from, c, selection, b); errors.Is(err, errTooLarge) {
			tasks[0].State, tasks[0].Trace = connect.Failed, "org.apache.kafka.connect.errors.ConnectException: Unrecoverable exception from producer send callback\n\tat x\nCaused by: "+err.Error()+"\n\tat y"
		}
	}
	w.commit(c, life, func(now *connector) {
		if !maps.Equal(now.committed, c.committed) {
			now.copied = time.Now()
			if now.copied.Sub(now.flushedAt) >= flushInterval {
				now.flushed, now.flushedAt = now.committed, now.copied
			}
		}
		now.committed, now.syncs, now.ids, now.tasks = c.committed, c.syncs, c.ids, tasks
	})
}

func makeCopy(ctx context.Context, admin *kadm.Client, topic string, partitions int32) error {
	_, err := admin.CreateTopic(ctx, partitions, 1, nil, topic)
	if errors.Is(err, kerr.TopicAlreadyExists) {
		return nil
	}
	return err
}

// copyPartition copies the next batch. A position outside of the log begins anew (auto.offset.reset=earliest).
func (w *worker) copyPartition(ctx context.Context, from geored.SiteName, c connector, selection kafka.Selection, b kafka.Bounds) error {
	next := b.Start
	if last, ok := c.committed[b.Partition]; ok && last+1 >= b.Start && last+1 <= b.End {
		next = last + 1
	}
	end := min(next+batch, b.End)
	if next >= end {
		return nil
	}
	var read []kafka.Record
	err := w.records[from].Read(ctx, []kafka.Range{{Partition: b.Partition, From: next, To: end}}, func(_ kafka.Partition, records []kafka.Record) error {
		read = append(read, records...)
		return nil
	})
	if err != nil {
		return err
	}
	return w.write(ctx, from, c, selection, b.Partition, wanted(read, selection.ReadCommitted))
}

// wanted leaves out marks, and records of aborted transactions where only committed ones are read.
func wanted(records []kafka.Record, readCommitted bool) []kafka.Record {
	fate := map[int64]kafka.Mark{} // of the transaction that a producer is in, seen from the end
	var kept []kafka.Record
	for i := len(records) - 1; i >= 0; i-- {
		switch r := records[i]; {
		case r.Mark != "":
			fate[r.Producer] = r.Mark
		case !readCommitted || r.Producer < 0 || fate[r.Producer] == kafka.Committed:
			kept = append(kept, r)
		}
	}
	slices.Reverse(kept)
	return kept
}

func (w *worker) write(ctx context.Context, from geored.SiteName, c connector, selection kafka.Selection, p kafka.Partition, records []kafka.Record) error {
	if len(records) == 0 || !w.goesOn(c) {
		return nil
	}
	limit, err := strconv.Atoi(c.settings["producer.override.max.request.size"])
	copies := make([]*kgo.Record, len(records))
	for i, r := range records {
		if err == nil && len(r.Key)+len(r.Value) > limit {
			return errTooLarge
		}
		copies[i] = &kgo.Record{Topic: selection.Copy(p.Topic), Partition: p.Number, Key: r.Key, Value: r.Value, Timestamp: r.Time}
	}
	written, err := w.client[w.site.name].ProduceSync(ctx, copies...).First()
	if err != nil {
		return err
	}
	last := records[len(records)-1].Offset
	c.committed[p] = last
	sync := kafka.OffsetSync{Partition: p, Upstream: records[0].Offset, Downstream: written.Offset}
	c.syncs[p] = append(c.syncs[p][:len(c.syncs[p]):len(c.syncs[p])], sync)
	return w.append(ctx, from, fmt.Sprintf("mm2-offset-syncs.%s.internal", selection.TargetAlias), sync.Record)
}
