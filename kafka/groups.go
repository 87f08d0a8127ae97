package kafka

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka/connect"
)

// GroupOffset is what a consumer group has committed of one partition: the offset that it reads next.
type GroupOffset struct {
	Group string
	Partition
	Offset int64
}

// GroupStanding is how one group's position in one partition is translated to the copy.
type GroupStanding struct {
	GroupOffset // at the source
	Copy        Partition
	Translated  int64 // what the group has at the target; -1: nothing
	// Image is the offset of the copy that the group's position is, at most; marks of transactions and holes of
	// compaction make the true one smaller. -1: no offset sync tells.
	Image int64
	// Again is how many records the group reads again when it fails over, at most.
	Again   int64
	Verdict geored.Verdict
	Reason  string
}

// TranslateGroups judges how the groups of a source are translated: pure. syncs are all offset syncs of the mirror.
// Translated positions may lie behind, for MirrorMaker knows only some offsets; ahead they lose records.
func TranslateGroups(source, target []GroupOffset, syncs []OffsetSync, selection Selection) []GroupStanding {
	type key struct {
		group string
		Partition
	}
	translated := make(map[key]int64, len(target))
	for _, o := range target {
		translated[key{o.Group, o.Partition}] = o.Offset
	}
	byPartition := map[Partition][]OffsetSync{}
	for _, s := range syncs {
		byPartition[s.Partition] = append(byPartition[s.Partition], s)
	}
	var standings []GroupStanding
	for _, o := range source {
		if !selection.Has(o.Topic) || o.Offset <= 0 {
			continue
		}
		s := GroupStanding{GroupOffset: o, Copy: Partition{selection.Copy(o.Topic), o.Number}, Translated: -1, Image: image(byPartition[o.Partition], o.Offset)}
		if at, ok := translated[key{o.Group, s.Copy}]; ok {
			s.Translated = at
		}
		s.judge()
		standings = append(standings, s)
	}
	slices.SortFunc(standings, func(a, b GroupStanding) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), a.Partition.Compare(b.Partition))
	})
	return standings
}

// image is where an offset can lie in the copy at most: as far behind the last sync before it as at the source.
func image(syncs []OffsetSync, offset int64) int64 {
	best := OffsetSync{Upstream: -1}
	for _, s := range syncs {
		if s.Downstream >= 0 && s.Upstream <= offset && s.Upstream >= best.Upstream {
			best = s
		}
	}
	if best.Upstream < 0 {
		return -1
	}
	return best.Downstream + offset - best.Upstream
}

func (s *GroupStanding) judge() {
	switch {
	case s.Translated < 0:
		s.Verdict, s.Reason = geored.Fail, "it is not translated: after a fail-over it begins where auto.offset.reset says"
	case s.Image < 0:
		s.Verdict, s.Reason = geored.Unknown, "no offset sync tells where its position lies in the copy"
	case s.Translated > s.Image:
		s.Verdict, s.Reason = geored.Fail, fmt.Sprintf("it is translated ahead of the truth: a fail-over jumps over %d records", s.Translated-s.Image)
	default:
		s.Verdict, s.Again = geored.Pass, s.Image-s.Translated
		s.Reason = fmt.Sprintf("a fail-over reads up to %d records again", s.Again)
	}
}

// String is one line of evidence.
func (s GroupStanding) String() string {
	return fmt.Sprintf("%s %s: %d, translated to %d of at most %d: %s", s.Group, s.Partition, s.Offset, s.Translated, s.Image, s.Reason)
}

// Groups asks how the groups of a mirror's source are translated. Those that the settings of its MirrorCheckpointConnector
// leave out (groups, groups.exclude) are skipped, and stand in the result too.
func (r *Replication) Groups(ctx context.Context, m Mirror) ([]GroupStanding, error) {
	connector, selection, err := r.sourceConnector(ctx, m)
	if err != nil {
		return nil, err
	}
	// The target first: a group that goes on meanwhile must not seem to be translated ahead.
	target, err := r.sites[m.To].Brokers.GroupOffsets(ctx)
	if err != nil {
		return nil, at(m.To, err)
	}
	source, err := r.sites[m.From].Brokers.GroupOffsets(ctx)
	if err != nil {
		return nil, at(m.From, err)
	}
	syncs, err := r.offsetSyncs(ctx, m, selection.Policy, connector.Settings["offset-syncs.topic.location"])
	if err != nil {
		return nil, err
	}
	standings := TranslateGroups(source, target, syncs, selection)
	return standings, r.leaveOut(ctx, m, standings)
}

// leaveOut marks the groups that the mirror does not translate because it was told so.
func (r *Replication) leaveOut(ctx context.Context, m Mirror, standings []GroupStanding) error {
	connectors, err := r.connectors(ctx, m)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(connectors, func(c connect.Connector) bool { return c.Name == m.Connector(CheckpointConnector) })
	if at < 0 {
		return nil // nobody was told anything: they are not translated
	}
	selected, err := ReadGroupSelection(m.To, connectors[at].Settings)
	if err != nil {
		return err
	}
	for i := range standings {
		if s := &standings[i]; !selected.Has(s.Group) {
			s.Verdict, s.Again, s.Reason = geored.Skipped, 0, "groups or groups.exclude leaves it out: after a fail-over it begins where auto.offset.reset says"
		}
	}
	return nil
}

// current leaves out what was told of earlier copies: MirrorMaker too forgets a partition's syncs when it goes back at the
// source (OffsetSyncStore.updateSyncArray), as it does to copy a topic again. A copy that begins anew goes back at the target.
func current(syncs []OffsetSync) []OffsetSync {
	begins, last := map[Partition]int{}, map[Partition]OffsetSync{}
	for i, s := range syncs {
		if before, ok := last[s.Partition]; ok && (s.Upstream < before.Upstream || s.Downstream >= 0 && s.Downstream < before.Downstream) {
			begins[s.Partition] = i
		}
		last[s.Partition] = s
	}
	var kept []OffsetSync
	for i, s := range syncs {
		if i >= begins[s.Partition] {
			kept = append(kept, s)
		}
	}
	return kept
}

// offsetSyncs reads the offset syncs of a mirror's copies, in their order. They lie at the source unless the settings say target.
func (r *Replication) offsetSyncs(ctx context.Context, m Mirror, policy Policy, location string) ([]OffsetSync, error) {
	site, alias := r.sites[m.From], m.target()
	if location == "target" {
		site, alias = r.sites[m.To], m.source()
	}
	if site.Records == nil {
		return nil, fmt.Errorf("site %s: has no Records: offset syncs cannot be read", site.Name)
	}
	topic := Partition{Topic: policy.offsetSyncs(alias)}
	bounds, err := site.Brokers.Bounds(ctx, []Partition{topic})
	if err == nil {
		err = bounds[0].Err
	}
	if err != nil {
		return nil, at(site.Name, fmt.Errorf("%s: %w", topic, err))
	}
	var syncs []OffsetSync
	err = site.Records.Read(ctx, []Range{{topic, bounds[0].Start, bounds[0].End}}, func(_ Partition, records []Record) error {
		for _, record := range records {
			if record.Mark != "" {
				continue
			}
			s, err := ParseOffsetSync(record.Key, record.Value)
			if err != nil {
				return fmt.Errorf("offset %d: %w", record.Offset, err)
			}
			syncs = append(syncs, s)
		}
		return nil
	})
	if err != nil {
		return nil, at(site.Name, err)
	}
	return current(syncs), nil
}

// CheckGroups is the check of [Replication.Checks] that groups are translated.
const CheckGroups geored.CheckID = "kafka/groups"

func (r *Replication) checkGroups(ctx context.Context) []geored.Finding {
	return askMirrors(ctx, r, r.Groups).Each(func(_ geored.Target, standings []GroupStanding) geored.Finding {
		return GroupsFinding(standings)
	})
}

// GroupsFinding judges all groups of a mirror. Without any, or with none but those that
// the settings leave out, it is skipped; one that is not translated fails.
func GroupsFinding(standings []GroupStanding) geored.Finding {
	if len(standings) == 0 {
		return geored.Finding{Verdict: geored.Skipped, Message: "no group has committed anything of a mirrored topic"}
	}
	f := geored.Finding{Verdict: geored.Pass}
	var again int64
	var left []string
	for _, s := range standings {
		if s.Verdict == geored.Skipped {
			left = append(left, s.Group)
			continue
		}
		f.Verdict = worse(f.Verdict, s.Verdict)
		again += s.Again
		if s.Verdict != geored.Pass && len(f.Evidence) < shown {
			f.Evidence = append(f.Evidence, s.String())
		}
	}
	f.Message = fmt.Sprintf("%d positions of groups; a fail-over reads up to %d records again", len(standings)-len(left), again)
	if groups := slices.Compact(left); len(groups) > 0 {
		f.Message += fmt.Sprintf("; groups.exclude leaves out %s", strings.Join(groups[:min(shown, len(groups))], ", "))
	}
	if len(left) == len(standings) {
		f.Verdict = geored.Skipped
	}
	if f.Verdict == geored.Fail {
		f.Remedy = "see that the checkpoint connector runs with sync.group.offsets.enabled=true, and that no consumer of the group runs at the target"
	}
	return f
}
