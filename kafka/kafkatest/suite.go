package kafkatest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/connect"
)

// suite is one test's view of a deployment: the mirror from its first site to its second.
type suite struct {
	t        *testing.T
	ctx      context.Context
	d        Deployment
	from, to geored.SiteName
	r        *kafka.Replication
	worker   *connect.Client
	source   *Seeder
	target   *Seeder
	history  kafka.History
	topic    string
	patience time.Duration // for what may be silent
}

// partitions of a suite's topic.
const partitions = 3

func newSuite(t *testing.T, d Deployment) *suite {
	t.Helper()
	// Faults are mended in cleanups, when the test's own context has ended.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 4*time.Minute)
	t.Cleanup(cancel)
	sites := d.Sites()
	s := &suite{t: t, ctx: ctx, d: d, from: sites[0], to: sites[1], patience: 500 * time.Millisecond}
	s.r = Open(t, d, kafka.Limits{})
	var err error
	if s.worker, err = connect.New(connect.Config{URL: d.ConnectURL(s.to), Timeout: 5 * time.Second}); err != nil {
		t.Fatal(err)
	}
	s.source, s.target = Seed(ctx, t, d.Access(s.from)), Seed(ctx, t, d.Access(s.to))
	s.topic = fmt.Sprintf("orders-%s-%d", strings.ToLower(t.Name()[strings.LastIndexByte(t.Name(), '/')+1:]), time.Now().UnixNano()%1e6)
	return s
}

func (s *suite) mirror() kafka.Mirror { return kafka.Mirror{From: s.from, To: s.to} }

func (s *suite) copy() string { return string(s.from) + "." + s.topic }

func (s *suite) connector() string { return s.mirror().Connector(kafka.SourceConnector) }

// eventually waits until f gives no error.
func (s *suite) eventually(what string, f func() error) {
	s.t.Helper()
	limit := time.Now().Add(90 * time.Second)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(limit) || s.ctx.Err() != nil {
			s.t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// must ends the test on an error.
func (s *suite) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// inject brings a fault about; it is mended at the end of the test at the latest.
func (s *suite) inject(fault Fault, at geored.Target) (mend func()) {
	s.t.Helper()
	undo, err := s.d.Inject(s.ctx, fault, at)
	s.must(err)
	mended := false
	mend = func() {
		if !mended {
			mended = true
			if err := undo(s.ctx); err != nil {
				s.t.Errorf("mend %s: %v", fault, err)
			}
		}
	}
	s.t.Cleanup(mend)
	return mend
}

// impatient waits no longer than its suite: for what is known to be silent there is no point in it.
func (s *suite) impatient() *kafka.Replication {
	s.t.Helper()
	return replication(s.t, configure(s.t, s.d, kafka.Limits{}, s.patience))
}

// settle is zero on real servers: the fake has deleted what it says it has.
func (s *suite) settle() time.Duration {
	if _, fake := s.d.(*World); fake {
		return 200 * time.Millisecond
	}
	return 0
}
