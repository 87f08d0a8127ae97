package kafkatest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/strimzi"
)

// proof is a mirror of which every check has passed, so that what it says next comes of the fault alone.
type proof struct {
	*suite
	resource kafka.ResourceReader
	keep     notebook
}

// least is what the mirrors are to stand still for; the topic is kept for twice as long.
const least = 30 * time.Minute

func prove(t *testing.T) *proof {
	t.Helper()
	p := &proof{suite: newSuite(t, New(t))}
	p.source.Create(p.topic, partitions, "retention.ms", fmt.Sprint((2 * least).Milliseconds()))
	p.source.Produce(p.topic, partitions, 0, 30)
	p.copied(10)
	p.source.Commit(p.topic+"-group", p.topic, 0, 10)
	operator := NewOperator(t, p.d, p.to)
	p.resource = operator
	checks := p.checks(&p.keep, 5*time.Second)
	p.eventually("every check passes", func() error {
		operator.Reconcile(p.ctx)
		for _, check := range checks {
			if f := p.finding(check.ID, check); f.Verdict != geored.Pass {
				return errors.New(told(f))
			}
		}
		return nil
	})
	return p
}

// checks are all that there are, of the one mirror. The canary makes its topic before the rest looks.
func (p *proof) checks(keep kafka.Keeper, patience time.Duration) []geored.Check {
	p.t.Helper()
	c := configure(p.t, p.d, kafka.Limits{}, patience)
	c.Mirrors = []kafka.Mirror{p.mirror()}
	for i := range c.Sites {
		if c.Sites[i].Name == p.to {
			c.Sites[i].Resource = p.resource
		}
	}
	r := replication(p.t, c)
	return append([]geored.Check{r.CanaryCheck(kafka.CanaryPlan{Keep: true, Wait: 2 * time.Second}), r.OutageCheck(least)}, r.Checks(keep)...)
}

// finding is the only one of a check: there is one mirror and one resource.
func (p *proof) finding(id geored.CheckID, checks ...geored.Check) geored.Finding {
	p.t.Helper()
	report, err := geored.Prove(p.ctx, geored.CheckConfig{}, slices.DeleteFunc(slices.Clone(checks), func(c geored.Check) bool { return c.ID != id })...)
	p.must(err)
	if len(report.Findings) != 1 {
		p.t.Fatalf("%s: %v", id, report.Findings)
	}
	return report.Findings[0]
}

// told is all that a finding says.
func told(f geored.Finding) string {
	text := fmt.Sprintf("%s %s: %s %v", f.Check, f.Verdict, f.Message, f.Evidence)
	for _, s := range f.Unanswered {
		text += " " + s.Error()
	}
	return text
}

func TestChecksFail(t *testing.T) {
	for _, c := range []struct {
		name  string
		check geored.CheckID
		bring func(*proof)
		says  string
	}{
		{"a gap was jumped over", kafka.CheckLoss, func(p *proof) {
			p.stop()
			p.source.Produce(p.topic, partitions, 30, 600)
			for n := range int32(partitions) {
				p.source.Truncate(p.topic, n, 150)
			}
			p.resume()
			p.copied(210)
		}, "140 offsets"},
		{"a group is translated ahead", kafka.CheckGroups, func(p *proof) {
			p.target.Commit(p.topic+"-group", p.copy(), 0, 15)
		}, "jumps over 5 records"},
		{"a topic is kept for too short a time", kafka.CheckOutage, func(p *proof) {
			p.source.Create("short", 1, "retention.ms", fmt.Sprint((least / 2).Milliseconds()))
		}, "short/0: the first record is lost in"},
		{"records went before they were copied", kafka.CheckOutage, func(p *proof) {
			p.stop()
			p.source.Produce(p.topic, partitions, 30, 30)
			p.source.Truncate(p.topic, 0, 15)
		}, "5 offsets were removed"},
		{"a task failed", kafka.CheckResource, func(p *proof) {
			p.topic += "-large"
			p.oversized()
		}, "FAILED"},
		{"the way is cut", kafka.CheckCanary, func(p *proof) {
			p.inject(LinkCut, geored.Target{Site: p.from, To: p.to})
		}, "did not arrive"},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			p := prove(t)
			c.bring(p)
			if f := p.finding(c.check, p.checks(&p.keep, 5*time.Second)...); f.Verdict != geored.Fail || !strings.Contains(told(f), c.says) {
				t.Error(told(f))
			}
		})
	}
}

// deaf is a cluster of Kubernetes that does not answer.
type deaf struct{}

func (deaf) MirrorMaker(context.Context) (strimzi.MirrorMaker, error) {
	return strimzi.MirrorMaker{}, errors.New("the API server of dc2 does not answer")
}

// Who needs the answer does not know, and says who was silent.
func TestSilenceIsUnknown(t *testing.T) {
	ask := []geored.CheckID{kafka.CheckPosition, kafka.CheckGroups, kafka.CheckLoss, kafka.CheckOutage, kafka.CheckCanary}
	for _, c := range []struct {
		name    string
		bring   func(*proof)
		unknown []geored.CheckID
		silent  string
	}{
		{"source", func(p *proof) { p.inject(BrokerPaused, geored.Target{Site: p.from}) }, ask, "site dc1"},
		{"target", func(p *proof) { p.inject(BrokerPaused, geored.Target{Site: p.to}) }, ask, "site dc2"},
		{"Connect", func(p *proof) { p.inject(WorkerPaused, geored.Target{Site: p.to}) },
			append(ask, kafka.CheckStatus, kafka.CheckResource), "dc2"},
		{"Kubernetes", func(p *proof) { p.resource = deaf{} }, []geored.CheckID{kafka.CheckResource}, "site dc2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := prove(t)
			c.bring(p)
			checks := p.checks(&p.keep, p.patience)
			for _, id := range c.unknown {
				if f := p.finding(id, checks...); f.Verdict != geored.Unknown || !strings.Contains(told(f), c.silent) {
					t.Error(told(f))
				}
			}
		})
	}
}

// torn is a keeper that cannot read its history, or cannot write it.
type torn struct {
	kafka.Keeper
	load, save error
}

func (k torn) Load() (kafka.History, error) {
	h, err := k.Keeper.Load()
	return h, cmp.Or(k.load, err)
}

func (k torn) Save(h kafka.History) error { return cmp.Or(k.save, k.Keeper.Save(h)) }

// Without its history a check that would pass is unknown.
func TestKeeperThatFails(t *testing.T) {
	p := prove(t)
	broken := errors.New("the disk is broken")
	for _, c := range []struct {
		name  string
		check geored.CheckID
		keep  torn
		want  geored.Verdict
	}{
		{"loss", kafka.CheckLoss, torn{}, geored.Pass},
		{"loss, not read", kafka.CheckLoss, torn{load: broken}, geored.Unknown},
		{"loss, not written", kafka.CheckLoss, torn{save: broken}, geored.Unknown},
		{"position", kafka.CheckPosition, torn{}, geored.Pass},
		{"position, not read", kafka.CheckPosition, torn{load: broken}, geored.Unknown},
	} {
		c.keep.Keeper = &p.keep
		f := p.finding(c.check, p.checks(c.keep, 5*time.Second)...)
		if f.Verdict != c.want || strings.Contains(told(f), broken.Error()) != (c.want == geored.Unknown) {
			t.Errorf("%s: %s", c.name, told(f))
		}
	}
}

// undeletable has topics that stay, and may be one that takes no record.
type undeletable struct {
	kafka.Messenger
	full error
}

func (undeletable) DropTopic(context.Context, string) error { return errors.New("deletion is denied") }

func (u undeletable) Send(ctx context.Context, topic string, key, value []byte) error {
	if u.full != nil {
		return u.full
	}
	return u.Messenger.Send(ctx, topic, key, value)
}

// Canaries that leave their topics behind are a warning beside their own verdicts, whatever these are.
func TestCanaryLeavesTopicsBehind(t *testing.T) {
	for name, c := range map[string]struct {
		full error // of the first site
		want map[geored.Verdict]int
	}{
		"all arrive":         {nil, map[geored.Verdict]int{geored.Pass: 2, geored.Warn: 1}},
		"one cannot be sent": {errors.New("the disk is full"), map[geored.Verdict]int{geored.Pass: 1, geored.Unknown: 1, geored.Warn: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			config := configure(t, New(t), kafka.Limits{}, 5*time.Second)
			for i, site := range config.Sites {
				config.Sites[i].Messenger = undeletable{site.Messenger, c.full}
				c.full = nil
			}
			r := replication(t, config)
			report, err := geored.Prove(t.Context(), geored.CheckConfig{}, r.CanaryCheck(kafka.CanaryPlan{Wait: 20 * time.Second, Settle: 200 * time.Millisecond}))
			if err != nil {
				t.Fatal(err)
			}
			verdicts := map[geored.Verdict]int{}
			for _, f := range report.Findings {
				if verdicts[f.Verdict]++; f.Verdict == geored.Warn && !strings.Contains(f.Message, "deletion is denied") {
					t.Error(told(f))
				}
			}
			if !maps.Equal(verdicts, c.want) {
				t.Errorf("%v", report.Findings)
			}
		})
	}
}
