package ice

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka"
)

// Names under which the note keeps what was seen of the mirrors, from one recovery to the next: a mirror that jumped over a
// gap shows no lag, and only who looked before can tell.
const (
	keptPast = "kafka/past" // when the recovery began
	keptSeen = "kafka/seen" // when it had copied everything
)

// historyOf reads one of them; one that cannot be read is as none.
func historyOf(note RecoveryNote, name string) kafka.History {
	h, err := kafka.ParseHistory(note.Kept[name])
	if err != nil {
		return kafka.History{}
	}
	return h
}

// carryHistory begins a recovery with what the last one saw. What was lost by then was told then.
func (r *Recovery) carryHistory(last RecoveryNote) error {
	h := historyOf(last, keptSeen)
	for _, m := range h.Mirrors {
		h = h.Settle(kafka.Mirror{From: m.From, To: m.To})
	}
	for _, m := range h.Mirrors {
		for i, t := range m.Tracks { // a position stays before a gap until something is copied behind it
			if t.Next >= 0 && t.Next < t.Source.Start {
				m.Tracks[i].Next = t.Source.Start
			}
		}
	}
	text, err := json.Marshal(h)
	r.note.Kept = map[string]json.RawMessage{keptPast: text}
	return err
}

// remember keeps how the mirrors stand once all is copied.
func (k *kafkaRecovery) remember(ctx context.Context) error {
	h := historyOf(k.Note(), keptPast)
	for _, m := range k.replication.Mirrors() {
		sample, err := k.replication.Sample(ctx, m)
		if err != nil {
			return err
		}
		h = h.With(sample)
	}
	return k.keep(ctx, keptSeen, h)
}

// seenSince adds a sample to the past. A position that still stands before a gap that was told did not go back.
func seenSince(past kafka.History, s kafka.Sample) kafka.History {
	m, after := kafka.Mirror{From: s.From, To: s.To}, past.With(s)
	var told []kafka.Partition
	for _, i := range after.Of(m).Incidents {
		if i.Kind == kafka.CopiedAgain && i.Base.Next == i.Base.Source.Start {
			told = append(told, i.Partition)
		}
	}
	if len(told) == 0 {
		return after
	}
	return after.Settle(m, told...)
}

// isMadeAnew says whether an incident is cured by copying its topic from the beginning.
func isMadeAnew(i kafka.Incident) bool {
	return i.Kind == kafka.Recreated || i.Kind == kafka.Truncated || i.Kind == kafka.CopyLost
}

// madeAnew gives the topics behind whose end the mirror stands, or stood, and why: topics that were deleted and made again,
// at either end, and logs that lost their end.
func madeAnew(f MirrorFacts) (topics, because []string) {
	told := map[kafka.Partition]bool{}
	for _, i := range f.Seen.Incidents {
		if isMadeAnew(i) && i.Verdict() == geored.Fail {
			told[i.Partition] = true
			topics, because = append(topics, i.Topic), append(because, fmt.Sprintf("%s: %s after %d, where the mirror stood when it was last looked at", i.Partition, i.Kind, i.Base.Next))
		}
	}
	for _, p := range f.Positions {
		switch {
		case p.Problem != "" || told[p.Partition]:
		case p.Next > p.Source.End:
			topics, because = append(topics, p.Topic), append(because, fmt.Sprintf("%s: its log ends at %d < %d, the next offset to be copied", p.Partition, p.Source.End, p.Next))
		case p.LacksCopy():
			topics, because = append(topics, p.Topic), append(because, fmt.Sprintf("%s: its copy is empty, and was copied up to %d", p.Partition, p.Next))
		}
	}
	return unique(topics), because
}

// lossesIn are what the source removed before it was copied, in words that stay the same from look to look. A gap that is
// still open is told by the position itself.
func lossesIn(seen kafka.MirrorHistory, open map[kafka.Partition]bool) (lines []string) {
	for _, i := range seen.Incidents {
		if i.Verdict() == geored.Fail && !open[i.Partition] && !isMadeAnew(i) {
			lines = append(lines, fmt.Sprintf("%s: %s of %d offsets after %d, where the mirror stood when it was last looked at", i.Partition, i.Kind, i.Offsets, i.Base.Next))
		}
	}
	return lines
}

// again plans to mirror topics from their beginning.
func (k *kafkaRecovery) again(ctx context.Context, m kafka.Mirror, topics []string) (kafka.Remirroring, error) {
	sample, err := k.replication.Sample(ctx, m)
	if err != nil {
		return kafka.Remirroring{}, err
	}
	return kafka.PlanRemirror(m, sample, topics...)
}

// copyAgain has a mirror begin with topics anew. That it did is remembered before they are copied: a recovery that is killed
// meanwhile does not begin once more.
func (k *kafkaRecovery) copyAgain(ctx context.Context, m kafka.Mirror, topics []string) error {
	plan, err := k.again(ctx, m, topics)
	if err == nil {
		err = k.replication.Forget(ctx, plan, plan.Duplicates)
	}
	return geored.Retriable(err)
}

// copiedAgain waits until they are copied, and settles what was seen of them before.
func (k *kafkaRecovery) copiedAgain(ctx context.Context, m kafka.Mirror, topics []string) error {
	plan, err := k.again(ctx, m, topics)
	if err == nil {
		err = k.replication.AwaitRemirrored(ctx, plan)
	}
	if err != nil {
		return geored.Retriable(err)
	}
	sample, err := k.replication.Sample(ctx, m)
	if err != nil {
		return geored.Retriable(err)
	}
	return k.keep(ctx, keptPast, historyOf(k.Note(), keptPast).With(sample).Settle(m, plan.Partitions...))
}

// CheckLosses is the check that no mirror jumped over what it never copied.
const CheckLosses geored.CheckID = "recover/losses"

func (k *kafkaRecovery) losses(ctx context.Context) []geored.Finding {
	lossy := mayLose(k.replication.Mirrors(), k.decided(storeKafka), k.ProveOnly)
	past := historyOf(k.Note(), keptPast)
	return k.sampled(ctx).Each(func(t geored.Target, s kafka.Sample) geored.Finding {
		return judgeLosses(s, past, lossy[kafka.Mirror{From: t.Site, To: t.To}])
	})
}

// mayLose tells by mirror: without a decision about it nothing is excluded.
func mayLose(mirrors []kafka.Mirror, decided []Decision, proveOnly bool) map[kafka.Mirror]bool {
	lossy := map[kafka.Mirror]bool{}
	for _, m := range mirrors {
		i := slices.IndexFunc(decided, func(d Decision) bool { return d.Part == partOf(m) })
		lossy[kafka.Mirror{From: m.From, To: m.To}] = proveOnly || i < 0 || decided[i].MayLose
	}
	return lossy
}

// partOf names a mirror in decisions: those of a note are found by it, for a topology may name its sites in another order since.
func partOf(m kafka.Mirror) string { return "mirror " + m.String() }

// mirror is the one that was decided about.
func (k *kafkaRecovery) mirror(d Decision) (kafka.Mirror, error) {
	for _, m := range k.replication.Mirrors() {
		if partOf(m) == d.Part {
			return m, nil
		}
	}
	return kafka.Mirror{}, fmt.Errorf("%s: there is none such in the topology, and this recovery decided about it", d.Part)
}

// judgeLosses: without a past nothing excludes a loss but the outage itself, when it was shorter than every retention and all
// of them are known.
func judgeLosses(s kafka.Sample, past kafka.History, mayLose bool) geored.Finding {
	after := seenSince(past, s)
	f := kafka.LossFinding(s, past, after)
	if len(after.Of(kafka.Mirror{From: s.From, To: s.To}).Incidents) == 0 && !mayLose && f.Verdict == geored.Unknown && len(s.Positions) > 0 {
		f.Verdict, f.Message = geored.Pass, "the outage was within the retention of every topic, and nothing else tells of a loss"
	}
	return f
}
