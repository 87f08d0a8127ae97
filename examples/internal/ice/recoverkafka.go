package ice

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka"
)

// KafkaStore is Kafka with MirrorMaker 2 as a recovery sees it.
type KafkaStore struct {
	Config kafka.Config
	// Canary is how the mirrors are proven. Its topic stays.
	Canary kafka.CanaryPlan
}

type kafkaRecovery struct {
	KafkaStore
	*Recovery
	replication *kafka.Replication
	sites       map[geored.SiteName]kafka.Site
}

// Kafka makes the store of a recovery. The error is [geored.Faults] of the configuration.
func (r *Recovery) Kafka(s KafkaStore) (Store, error) {
	replication, err := kafka.New(s.Config)
	if err != nil {
		return Store{}, err
	}
	s.Canary.Keep = true
	k := &kafkaRecovery{s, r, replication, map[geored.SiteName]kafka.Site{}}
	for _, site := range s.Config.Sites {
		k.sites[site.Name] = site
	}
	return Store{Name: storeKafka, Read: k.read, Measure: k.measure, Tasks: k.tasks, Checks: k.checks}, nil
}

func (k *kafkaRecovery) read(ctx context.Context) ([]Evidence, decider) {
	var evidence []Evidence
	var facts []MirrorFacts
	for _, m := range k.replication.Mirrors() {
		sample, f := k.look(ctx, m)
		facts, evidence = append(facts, f), append(evidence, mirrorEvidence(sample, f))
	}
	return evidence, func(o Outage) ([]Decision, error) {
		var decisions []Decision
		for _, f := range facts {
			d := DecideMirror(o, f)
			if d.Cure == LostCure {
				d.Confirm = confirmation(fmt.Sprintf("accept-loss-from-%s-to-%s", f.Mirror.From, f.Mirror.To), d.Because...)
			}
			decisions = append(decisions, d)
		}
		return decisions, nil
	}
}

// lookBudget is for looking at one mirror.
const lookBudget = 30 * time.Second

func (k *kafkaRecovery) look(ctx context.Context, m kafka.Mirror) (kafka.Sample, MirrorFacts) {
	ctx, cancel := context.WithTimeout(ctx, lookBudget)
	defer cancel()
	f := MirrorFacts{Mirror: m, Status: geored.Finding{Verdict: geored.Unknown}}
	connectors, err := k.sites[m.To].Worker.Connectors(ctx)
	if err != nil {
		f.Status.Message, f.Err = err.Error(), fmt.Errorf("site %s: %w", m.To, err)
		return kafka.Sample{}, f
	}
	f.Status = kafka.StatusFinding(m, connectors)
	sample, err := k.replication.Sample(ctx, m)
	if err != nil {
		f.Err = err
		return sample, f
	}
	var topics []string
	for _, p := range sample.Positions {
		topics = append(topics, p.Topic)
	}
	past := historyOf(k.Note(), keptPast)
	f.Positions, f.Past, f.Seen = sample.Positions, past.Of(m), seenSince(past, sample).Of(m)
	f.Retention, f.Err = k.sites[m.From].Brokers.Retention(ctx, unique(topics))
	return sample, f
}

// stands is how long a record may wait while all is well: positions are committed once a minute.
const stands = 2 * time.Minute

// mirrorEvidence takes the oldest record that was not copied: the mirror has not got on since.
func mirrorEvidence(s kafka.Sample, f MirrorFacts) Evidence {
	e := Evidence{Source: fmt.Sprintf("position of the mirror %s", f.Mirror), Says: "no record waits for longer than a mirror that runs may leave it"}
	if f.Err != nil {
		e.Says = "not known: " + f.Err.Error()
		return e
	}
	for _, p := range s.Positions {
		if standing := p.Stand(s.ReadCommitted, s.Time, time.Time{}, kafka.Limits{}); standing.Waiting > 0 && standing.Age > stands && (e.Apart.IsZero() || p.Tail.Oldest.Before(e.Apart)) {
			e.Apart, e.Says = p.Tail.Oldest, fmt.Sprintf("%d records of %s wait, the oldest since then", standing.Waiting, p.Partition)
		}
	}
	return e
}

func (k *kafkaRecovery) measure(ctx context.Context) []Missing {
	var all []Missing
	for _, mirror := range k.replication.Mirrors() {
		began := k.clock().Now()
		m := Missing{Store: storeKafka, From: mirror.From, To: mirror.To}
		sample, err := k.replication.Sample(ctx, mirror)
		if err != nil {
			m.Err = err.Error()
		}
		for _, p := range sample.Positions {
			standing := p.Stand(sample.ReadCommitted, sample.Time, time.Time{}, kafka.Limits{})
			if why := cmp.Or(p.Problem, p.Unread); why != "" { // what nobody read may be the oldest
				m.Err = p.String() + ": " + why
			}
			if m.Count += standing.Waiting; standing.Waiting > 0 && !p.Tail.Oldest.IsZero() && (m.Oldest.IsZero() || p.Tail.Oldest.Before(m.Oldest)) {
				m.Oldest = p.Tail.Oldest
			}
		}
		m.Seen, m.Took = k.clock().Now(), k.clock().Now().Sub(began)
		all = append(all, m)
	}
	return all
}

// workersBack is well beyond scheduled.rebalance.max.delay.ms (5 minutes unless set), for which Connect may leave what a lost
// worker did to nobody: UNASSIGNED, which no restart shortens.
const workersBack = 15 * time.Minute

// tasks restart what failed, site after site, then wait until each mirror has copied what was there when it was first
// looked at, then prove it by canaries.
func (k *kafkaRecovery) tasks(decisions []Decision) ([]geored.Task, error) {
	tasks, err := k.replication.RestartTasks(k.Sites...)
	if err != nil {
		return nil, err
	}
	for i := range tasks {
		tasks[i].Permanent, tasks[i].Timeout = "a mirror that runs stays so", workersBack
		if i > 0 && len(tasks[i].Needs) == 0 {
			tasks[i].Needs = []geored.StepID{tasks[i-1].ID}
		}
	}
	for _, d := range decisions {
		mirror, err := k.mirror(d)
		if err != nil {
			return nil, err
		}
		way := fmt.Sprintf("%s/%s", mirror.From, mirror.To)
		if d.Cure == LostCure {
			step := geored.Step{ID: geored.StepID("kafka/lost/" + way), Target: d.Part, Action: geored.Execute, Confirm: d.Confirm, Reason: d.Reason(), Permanent: "what is lost is lost"}
			tasks = append(tasks, k.once(step, 0, func(context.Context) error { return nil }))
			d.Because = []string{"what is left is copied"}
		}
		if len(d.Again) > 0 {
			step := geored.Step{ID: geored.StepID("kafka/again/" + way), Target: d.Part, Action: geored.Execute, Confirm: confirmation("copy-again", d.Again...), Reason: d.Reason(),
				Permanent: "copies stay: records that were copied before are in the copy twice", Manual: []string{fmt.Sprintf("PUT /connectors/%s/stop; PATCH …/offsets with null for %s; PUT …/resume", mirror.Connector(kafka.SourceConnector), strings.Join(d.Again, ", "))}}
			tasks = append(tasks, k.once(step, dataTimeout, func(ctx context.Context) error { return k.copyAgain(ctx, mirror, d.Again) }))
			step = geored.Step{ID: step.ID + "/copied", Target: d.Part, Action: geored.Execute, Reason: "what was begun anew is copied to its end before anything else is told of it", Permanent: "copies stay"}
			tasks = append(tasks, k.once(step, dataTimeout, func(ctx context.Context) error { return k.copiedAgain(ctx, mirror, d.Again) }))
		}
		step := geored.Step{ID: geored.StepID("kafka/copied/" + way), Target: d.Part, Action: geored.Await, Reason: d.Reason()}
		tasks = append(tasks, geored.Task{Step: step, Timeout: dataTimeout, Observe: k.paced(k.copied(mirror))})
	}
	step := geored.Step{ID: "kafka/canary", Target: "topic " + kafka.CanaryTopic, Action: geored.Execute, Permanent: "the topic stays",
		Reason: "a record that is written now arrives: neither RUNNING nor lag 0 shows that"}
	return append(tasks, k.once(step, 0, func(ctx context.Context) error {
		if _, err := k.replication.Canaries(ctx, k.Canary); err != nil {
			return geored.Retriable(err)
		}
		if err := k.remember(ctx); err != nil {
			return geored.Retriable(err)
		}
		return nil
	})), nil
}

// copied is done when the mirror has passed the ends that the logs had at its first look.
func (k *kafkaRecovery) copied(m kafka.Mirror) func(context.Context) (geored.State, error) {
	ends := map[kafka.Partition]int64{}
	return func(ctx context.Context) (geored.State, error) {
		sample, err := k.replication.Sample(ctx, m)
		if err != nil {
			return geored.State{}, err
		}
		for _, p := range sample.Positions {
			if p.Problem != "" {
				return geored.State{}, fmt.Errorf("%s: %s", p, p.Problem)
			}
			end, seen := ends[p.Partition]
			if !seen {
				end = p.Source.End
				ends[p.Partition] = end
			}
			standing := p.Stand(sample.ReadCommitted, sample.Time, time.Time{}, kafka.Limits{})
			if p.Next < end && standing.Waiting > 0 {
				return geored.State{Detail: standing.String()}, nil
			}
		}
		return geored.State{Done: len(sample.Positions) > 0, Detail: fmt.Sprintf("%d partitions are copied up to what they held", len(sample.Positions))}, nil
	}
}

// CheckRecords is the check that every record has its copy.
const CheckRecords geored.CheckID = "recover/records"

func (k *kafkaRecovery) checks() []geored.Check {
	status := slices.DeleteFunc(k.replication.Checks(nil), func(c geored.Check) bool { return c.ID != kafka.CheckStatus })
	return append(status, []geored.Check{{ID: CheckRecords, Title: "every record has its copy at every other site", Run: func(ctx context.Context) []geored.Finding {
		var targets []geored.Target
		for _, m := range k.replication.Mirrors() {
			targets = append(targets, geored.Target{Site: m.From, To: m.To, Name: "topics"})
		}
		answers := geored.Ask(ctx, targets, func(ctx context.Context, t geored.Target) ([]kafka.Comparison, error) {
			mirrors := k.replication.Mirrors()
			i := slices.IndexFunc(mirrors, func(m kafka.Mirror) bool { return m.From == t.Site && m.To == t.To })
			return k.replication.Compare(ctx, mirrors[i])
		}, geored.AskBudget(RecoveryBudget), geored.AskClock(k.clock()))
		return answers.Each(judgeRecords)
	}}, {ID: CheckLosses, Title: "no mirror jumped over what it never copied", Run: k.losses},
		{ID: kafka.CheckPosition, Title: "every partition is copied up to its end, or is being copied", Run: k.positions}}...)
}

// positions tell of a mirror that stands, beside its status: what waits is no record without a copy yet.
func (k *kafkaRecovery) positions(ctx context.Context) []geored.Finding {
	past := historyOf(k.Note(), keptPast)
	return k.sampled(ctx).Each(func(_ geored.Target, s kafka.Sample) geored.Finding {
		// Without a history: the last recovery was long ago, and a partition that was quiet since did not stall.
		return kafka.PositionFinding(told(s, past), kafka.History{}, kafka.Limits{Age: stands})
	})
}

// told leaves out the gaps that the last recovery told of: a position stays before one until something is copied behind it.
func told(s kafka.Sample, past kafka.History) kafka.Sample {
	s.Positions = slices.Clone(s.Positions)
	for i, p := range s.Positions {
		for _, t := range past.Of(kafka.Mirror{From: s.From, To: s.To}).Tracks {
			if t.Partition == p.Partition && p.Next >= 0 && p.Next < p.Source.Start && t.Next >= p.Source.Start {
				s.Positions[i].Next = p.Source.Start
			}
		}
	}
	return s
}

// sampled looks at every mirror; a position that could not be read is no answer.
func (k *kafkaRecovery) sampled(ctx context.Context) geored.Answers[kafka.Sample] {
	var targets []geored.Target
	mirrors := map[geored.Target]kafka.Mirror{}
	for _, m := range k.replication.Mirrors() {
		t := geored.Target{Site: m.From, To: m.To, Name: "positions"}
		targets, mirrors[t] = append(targets, t), m
	}
	return geored.Ask(ctx, targets, func(ctx context.Context, t geored.Target) (kafka.Sample, error) {
		sample, err := k.replication.Sample(ctx, mirrors[t])
		for _, p := range sample.Positions {
			if p.Problem != "" {
				err = errors.Join(err, fmt.Errorf("%s: %s", p, p.Problem))
			}
		}
		return sample, err
	}, geored.AskBudget(lookBudget), geored.AskClock(k.clock()))
}

// judgeRecords says how many records were matched, and which differ.
func judgeRecords(_ geored.Target, spans []kafka.Comparison) geored.Finding {
	var verdicts []geored.Verdict
	var matched, missing, waiting int64
	f := geored.Finding{Evidence: []string{fmt.Sprintf("method: keys and values in their order, from the first record whose copy is known; coverage: %d partitions", len(spans))}}
	var lines []string
	for _, span := range spans {
		verdicts = append(verdicts, span.Verdict())
		matched, missing, waiting = matched+span.Matched, missing+span.Missing, waiting+span.Waiting
		if span.Verdict() != geored.Pass {
			lines = append(lines, span.String())
			for _, e := range span.Examples {
				lines = append(lines, fmt.Sprintf("%s: %s: offset %d at the source, %d in the copy", span.Source.Partition, e.Kind, e.Source, e.Copy))
			}
		}
	}
	f.Evidence = append(f.Evidence, firstOf(lines)...)
	f.Verdict = geored.Join(verdicts...)
	f.Message = fmt.Sprintf("%d records have their copy, %d have none, %d wait for the mirror", matched, missing, waiting)
	if f.Verdict == geored.Fail {
		f.Remedy = "mirror these topics again (package kafka, Remirror), or accept what is lost"
	}
	return f
}
