package kafka

import (
	"context"
	"fmt"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka/connect"
)

// Worker is what must be asked of the Connect worker that mirrors into a site. *connect.Client is one.
type Worker interface {
	Connectors(ctx context.Context) ([]connect.Connector, error)
	Offsets(ctx context.Context, connector string) ([]connect.Offset, error)
}

// Site is one site's brokers, and the worker that mirrors into them.
type Site struct {
	Name    geored.SiteName
	Brokers Brokers      // required
	Records RecordReader // zero: what is not copied yet is neither explained nor dated, and contents cannot be compared
	Worker  Worker       // zero: nothing is mirrored into this site
	// Control restarts, stops and resumes the worker's connectors. Zero: that is nobody's business here.
	Control Control
	// Messenger writes and reads canaries. Zero: nothing is ever written here.
	Messenger Messenger
	// Resource is the KafkaMirrorMaker2 resource behind the worker. Zero: the site is not Strimzi's.
	Resource ResourceReader
	// Restarter restarts connectors in another way than Control, such as by Strimzi's annotation. Zero: Control does.
	Restarter Restarter
	// Pods restarts the worker itself. Zero: nobody may.
	Pods WorkerPods
}

// Config is what replication consists of, and how it is judged.
type Config struct {
	Sites   []Site
	Mirrors []Mirror
	Limits  Limits
	Clock   geored.Clock  // zero: [geored.SystemClock]
	Budget  time.Duration // for the questions to one mirror. Zero: 15 seconds
}

// Limits are what is still good enough.
type Limits struct {
	// Records that may wait to be copied in one partition. Zero: no limit.
	Records int64
	// Age of the oldest record that waits to be copied. Zero: 1 minute.
	Age time.Duration
	// StallAfter is how long a position may stand still while records wait. It is to be longer than the worker's
	// offset.flush.interval.ms. Zero: 2 minutes.
	StallAfter time.Duration
}

func (l Limits) withDefaults() Limits {
	if l.Age <= 0 {
		l.Age = time.Minute
	}
	if l.StallAfter <= 0 {
		l.StallAfter = 2 * time.Minute
	}
	return l
}

// Replication is mirrors among sites. It keeps no state; what was seen before is a [History] that its user keeps.
type Replication struct {
	sites   map[geored.SiteName]Site
	order   []geored.SiteName
	mirrors []Mirror
	limits  Limits
	clock   geored.Clock
	budget  time.Duration
}

// New validates and connects to nothing. The error is [geored.Faults]: all of them at once.
func New(c Config) (*Replication, error) {
	r := &Replication{sites: map[geored.SiteName]Site{}, mirrors: c.Mirrors, limits: c.Limits.withDefaults(), clock: c.Clock, budget: c.Budget}
	if r.clock == nil {
		r.clock = geored.SystemClock()
	}
	if r.budget <= 0 {
		r.budget = 15 * time.Second
	}
	var faults geored.Faults
	var names []geored.SiteName
	for _, s := range c.Sites {
		if s.Brokers == nil {
			faults = append(faults, geored.Fault{Site: s.Name, Field: "Brokers", Problem: "is not set"})
		}
		if _, twice := r.sites[s.Name]; twice {
			faults = append(faults, geored.Fault{Site: s.Name, Field: "Name", Value: string(s.Name), Problem: "stands twice"})
		}
		r.sites[s.Name] = s
		names = append(names, s.Name)
	}
	r.order = names
	mirrors, _ := geored.AsFaults(ValidateMirrors(names, c.Mirrors))
	faults = append(faults, mirrors...)
	for _, m := range c.Mirrors {
		if s, ok := r.sites[m.To]; ok && s.Worker == nil {
			faults = append(faults, m.fault("has no Worker at its target", "give site "+string(m.To)+" the Connect REST API of the worker that writes there"))
		}
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return r, nil
}

// Mirrors are the mirrors in the order in which they were given.
func (r *Replication) Mirrors() []Mirror { return r.mirrors }

// mirror finds the mirror that was asked.
func (r *Replication) mirror(t geored.Target) Mirror {
	for _, m := range r.mirrors {
		if m.asked() == t {
			return m
		}
	}
	return Mirror{From: t.Site, To: t.To}
}

// askMirrors puts one question to every mirror within the budget.
func askMirrors[T any](ctx context.Context, r *Replication, f func(context.Context, Mirror) (T, error)) geored.Answers[T] {
	return askOf(ctx, r, r.mirrors, r.budget, f)
}

func askOf[T any](ctx context.Context, r *Replication, mirrors []Mirror, budget time.Duration, f func(context.Context, Mirror) (T, error)) geored.Answers[T] {
	targets := make([]geored.Target, len(mirrors))
	for i, m := range mirrors {
		targets[i] = m.asked()
	}
	return geored.Ask(ctx, targets, func(ctx context.Context, t geored.Target) (T, error) { return f(ctx, r.mirror(t)) },
		geored.AskBudget(budget), geored.AskClock(r.clock))
}

// sourceConnector finds the mirror's source connector and reads what it selects.
func (r *Replication) sourceConnector(ctx context.Context, m Mirror) (connect.Connector, Selection, error) {
	connectors, err := r.connectors(ctx, m)
	if err != nil {
		return connect.Connector{}, Selection{}, err
	}
	name := m.Connector(SourceConnector)
	var names []string
	for _, c := range connectors {
		if c.Name == name {
			selection, err := m.selection(c.Settings)
			return c, selection, err
		}
		names = append(names, c.Name)
	}
	return connect.Connector{}, Selection{}, fmt.Errorf("site %s: connector %s: there is none; the worker has %q: are the aliases right?", m.To, name, names)
}

// connectors are those of the worker that a mirror runs in.
func (r *Replication) connectors(ctx context.Context, m Mirror) ([]connect.Connector, error) {
	worker := r.sites[m.To].Worker
	if worker == nil {
		return nil, fmt.Errorf("site %s: has no Worker: mirror %s cannot be looked at", m.To, m)
	}
	connectors, err := worker.Connectors(ctx)
	if err != nil {
		return nil, at(m.To, err)
	}
	return connectors, nil
}

func (m Mirror) selection(s connect.Settings) (Selection, error) {
	if m.Policy.IsValid() {
		s = withoutPolicy(s)
	}
	selection, err := ReadSelection(m.To, s)
	if m.Policy.IsValid() {
		selection.Policy = m.Policy
	}
	return selection, err
}

func withoutPolicy(s connect.Settings) connect.Settings {
	rest := connect.Settings{}
	for key, value := range s {
		if key != "replication.policy.class" {
			rest[key] = value
		}
	}
	return rest
}
