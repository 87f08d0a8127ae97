package kafkatest

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka"
)

// append writes one of MirrorMaker's own records, into partition 0 of a topic that it makes.
func (w *worker) append(ctx context.Context, site geored.SiteName, topic string, record func() (key, value []byte)) error {
	if err := makeCopy(ctx, kadm.NewClient(w.client[site]), topic, 1); err != nil {
		return err
	}
	key, value := record()
	return w.client[site].ProduceSync(ctx, &kgo.Record{Topic: topic, Key: key, Value: value}).FirstErr()
}

// heartbeat is one round of a MirrorHeartbeatConnector, which writes into its target.
func (w *worker) heartbeat(ctx context.Context, _ map[geored.SiteName]*kadm.Client, c connector) {
	beat := kafka.Heartbeat{Source: c.settings["source.cluster.alias"], Target: c.settings["target.cluster.alias"], Time: time.Now()}
	if last := c.committed[kafka.Partition{}]; time.Since(time.UnixMilli(last)) > 100*time.Millisecond && w.append(ctx, w.site.name, "heartbeats", beat.Record) == nil {
		w.commit(c, w.life(), func(now *connector) { now.committed[kafka.Partition{}] = beat.Time.UnixMilli() })
	}
}

// checkpoint is one round of a MirrorCheckpointConnector: it translates what groups committed at the source.
func (w *worker) checkpoint(ctx context.Context, admins map[geored.SiteName]*kadm.Client, c connector) {
	from := geored.SiteName(c.settings["source.cluster.alias"])
	source, selection, ok := w.sourceOf(c)
	if !ok || admins[from] == nil {
		return
	}
	selected, err := kafka.ReadGroupSelection(w.site.name, c.settings)
	if err != nil {
		return
	}
	groups, err := admins[from].ListGroups(ctx)
	if err != nil {
		return
	}
	for _, fetched := range admins[from].FetchManyOffsets(ctx, groups.Groups()...) {
		if !selected.Has(fetched.Group) {
			continue
		}
		translated := kadm.Offsets{}
		fetched.Fetched.Each(func(o kadm.OffsetResponse) {
			p := kafka.Partition{Topic: o.Topic, Number: o.Partition}
			down, known := translate(source.syncs[p], o.At)
			if !known || !selection.Has(p.Topic) {
				return
			}
			copied := kafka.Partition{Topic: selection.Copy(p.Topic), Number: p.Number}
			point := kafka.Checkpoint{Group: fetched.Group, Partition: copied, Upstream: o.At, Downstream: down}
			if c.committed[copied] != down && w.append(ctx, w.site.name, selection.SourceAlias+".checkpoints.internal", point.Record) == nil {
				translated.AddOffset(copied.Topic, copied.Number, down, -1)
				w.commit(c, w.life(), func(now *connector) { now.committed[copied] = down })
			}
		})
		if len(translated) > 0 && c.settings["sync.group.offsets.enabled"] == "true" {
			_, _ = admins[w.site.name].CommitOffsets(ctx, fetched.Group, translated) // seen at the next round
		}
	}
}

// sourceOf is the source connector of the same mirror.
func (w *worker) sourceOf(c connector) (connector, kafka.Selection, bool) {
	m := kafka.Mirror{From: geored.SiteName(c.settings["source.cluster.alias"]), To: w.site.name}
	for _, other := range w.runnable() {
		if other.name == m.Connector(kafka.SourceConnector) {
			selection, err := kafka.ReadSelection(w.site.name, other.settings)
			return other, selection, err == nil
		}
	}
	return connector{}, kafka.Selection{}, false
}

// translate is OffsetSyncStore.translateDownstream: the last sync that is not beyond, or the offset after it.
func translate(syncs []kafka.OffsetSync, upstream int64) (int64, bool) {
	for i := len(syncs) - 1; i >= 0; i-- {
		if s := syncs[i]; s.Upstream == upstream {
			return s.Downstream, true
		} else if s.Upstream < upstream {
			return s.Downstream + 1, true
		}
	}
	return 0, false
}
