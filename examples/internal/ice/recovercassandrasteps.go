package ice

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/geored"
)

// tasks bring the ring together, then each keyspace as it was decided.
func (c *cassandraRecovery) tasks(decisions []Decision) ([]geored.Task, error) {
	tasks := []geored.Task{c.ringTask(), c.schemaTask()}
	for _, d := range decisions {
		if d.Cure == LeaveCure {
			continue
		}
		if d.GivesUp != "" && c.Away != "" && c.Away != d.GivesUp {
			return nil, geored.Faults{{Site: c.Away, Field: "-away", Value: string(c.Away), Problem: fmt.Sprintf("this recovery gives up the rows of %s, which is what was confirmed", d.GivesUp),
				Remedy: fmt.Sprintf("say -away %s, or nothing, to go on with it", d.GivesUp)}}
		}
		var plan cassandra.RebuildPlan
		if c.kept(keptRebuild+keyspaceOf(d), &plan) && d.GivesUp != "" && plan.Site != d.GivesUp {
			return nil, geored.Faults{{Site: d.GivesUp, Field: "-away", Value: string(d.GivesUp), Problem: fmt.Sprintf("rows of %s are being given up already, and may be gone", plan.Site),
				Remedy: fmt.Sprintf("say -away %s to go on with it", plan.Site)}}
		}
		step := geored.Step{ID: geored.StepID("cassandra/" + strings.ReplaceAll(d.Part, " ", "/") + "/" + string(d.Cure)), Target: d.Part, Action: geored.Execute, Reason: d.Reason(),
			Permanent: "rows that were brought together stay so"}
		keyspace := keyspaceOf(d)
		proof := geored.Step{ID: step.ID + "/proof", Target: d.Part, Action: geored.Await, Reason: "a cure that ended proves nothing: all sites must hold the same rows"}
		switch d.Cure {
		case AwaitCure:
			step.Manual = []string{"nodetool statushandoff", "nodetool repair -full -pr " + keyspace + " # on every node, if rows differ all the same"}
			tasks = append(tasks, geored.Task{Step: step, Timeout: dataTimeout, Observe: c.unhurried(c.equalTo(keyspace)), Apply: func(ctx context.Context) error { return c.awaitOrRepair(ctx, keyspace) }})
		case RepairCure:
			step.Confirm = d.Confirm
			step.Manual = []string{"nodetool repair -full -pr " + keyspace + " # on every node of every site, one after another"}
			tasks = append(tasks, c.once(step, dataTimeout, func(ctx context.Context) error { return c.repair(ctx, keyspace) }), c.proof(proof, keyspace))
		case RebuildCure:
			step.Action, step.Confirm = geored.Delete, d.Confirm
			step.Permanent = "the rows that the site alone had are given up"
			tasks = append(tasks, c.once(step, dataTimeout, func(ctx context.Context) error { return c.rebuild(ctx, keyspace, d.GivesUp) }), c.proof(proof, keyspace))
		default:
			step.Action = geored.Await
			tasks = append(tasks, c.proof(step, keyspace))
		}
	}
	return tasks, nil
}

func (c *cassandraRecovery) equalTo(keyspace string) func(context.Context) (geored.State, error) {
	return func(ctx context.Context) (geored.State, error) { return c.equal(ctx, keyspace) }
}

func (c *cassandraRecovery) proof(step geored.Step, keyspace string) geored.Task {
	return geored.Task{Step: step, Observe: c.unhurried(c.equalTo(keyspace))}
}

// whole are the checks of the ring without which rows do not go from site to site.
var whole = []geored.CheckID{cassandra.CheckNodes, cassandra.CheckNames, cassandra.CheckView, cassandra.CheckGossip}

// ringTask heals a ring that stays split because both sides know old addresses only (ICE guide does not know of it).
func (c *cassandraRecovery) ringTask() geored.Task {
	step := geored.Step{ID: "cassandra/ring", Target: "ring", Action: geored.Execute, Permanent: "a whole ring stays so",
		Reason: "pods that were restarted on both sides during a cut never find each other again by themselves", Manual: []string{"nodetool reloadseeds"}}
	return geored.Task{Step: step, Observe: c.isWhole, Apply: c.heal}
}

func (c *cassandraRecovery) isWhole(ctx context.Context) (state geored.State, err error) {
	err = c.with(ctx, func(ring *cassandra.Cluster) error {
		checks := slices.DeleteFunc(ring.Checks(), func(check geored.Check) bool { return !slices.Contains(whole, check.ID) })
		state, err = proves(ctx, c.clock(), checks, "")
		return err
	})
	return state, err
}

// heal gives gossip a moment, then has one node after another look its seeds up again until the ring is whole.
func (c *cassandraRecovery) heal(ctx context.Context) error {
	var nodes []cassandra.Node
	err := c.with(ctx, func(ring *cassandra.Cluster) error {
		seen, err := ring.Ring(ctx)
		for _, v := range seen.Views {
			nodes = append(nodes, v.Node)
		}
		if err == nil && len(seen.Silent) > 0 {
			err = geored.Retriable(errors.Join(&seen.Silent[0], c.restartDrained(ctx, seen.Silent)))
		}
		return err
	})
	if err != nil {
		return err
	}
	patience := min(c.Settle, gossipPatience)
	for _, node := range nodes {
		if whole, err := c.settles(ctx, patience); whole || err != nil {
			return err
		}
		patience = c.Settle
		if output, err := c.Tool.Run(ctx, node, "reloadseeds"); err != nil {
			return geored.Retriable(fmt.Errorf("nodetool reloadseeds at %s: %w: %.200s", node.Address, err, output))
		}
	}
	return nil
}

// restartDrained restarts the nodes that a cure of this recovery drained before it was killed: they serve nobody until then.
// Others that are silent may be on their way back.
func (c *cassandraRecovery) restartDrained(ctx context.Context, silent []geored.Silence) error {
	var errs []error
	for _, n := range c.ours() {
		if !slices.ContainsFunc(silent, func(s geored.Silence) bool { return s.Target == n.Target() }) {
			continue
		}
		if drained, err := cassandra.IsDrained(ctx, c.Tool, n); err == nil && drained {
			errs = append(errs, c.Restarter.Restart(ctx, n))
		}
	}
	return errors.Join(errs...)
}

// ours are the nodes that a rebuild or a cure of the schema restarts.
func (c *cassandraRecovery) ours() []cassandra.Node {
	var cure cassandra.SchemaCure
	c.kept(keptCure, &cure)
	nodes := cure.Nodes
	for _, d := range c.decided(storeCassandra) {
		var plan cassandra.RebuildPlan
		if c.kept(keptRebuild+keyspaceOf(d), &plan) {
			nodes = append(nodes, plan.Nodes...)
		}
	}
	return nodes
}

// keptCure is the name under which the cure of the schema is kept.
const keptCure = "cassandra/schema"

// gossipPatience is how long nodes are given that may find each other by themselves: they ask every second, and to have
// seeds looked up again does no harm.
const gossipPatience = 5 * time.Second

// settles waits for the ring to become whole.
func (c *cassandraRecovery) settles(ctx context.Context, patience time.Duration) (bool, error) {
	for end := c.clock().Now().Add(patience); ; {
		state, err := c.isWhole(ctx)
		if err != nil || state.Done || c.clock().Now().After(end) {
			return state.Done, err
		}
		if err := c.clock().Sleep(ctx, pollPause); err != nil {
			return false, err
		}
	}
}

// schemaTask wants one schema; a split that stays is cured node by node.
func (c *cassandraRecovery) schemaTask() geored.Task {
	step := geored.Step{ID: "cassandra/schema", Target: "schema", Action: geored.Execute, Permanent: "one schema stays so",
		Reason: "with two schemas no repair runs, and rows of new columns are lost", Manual: []string{"nodetool describecluster", "nodetool reloadlocalschema # at the few"}}
	return geored.Task{Step: step, Timeout: dataTimeout, Observe: c.hasOneSchema, Apply: func(ctx context.Context) error {
		return c.with(ctx, func(ring *cassandra.Cluster) error {
			limited, cancel := context.WithTimeout(ctx, schemaPatience)
			defer cancel()
			if _, err := ring.AwaitSchema(limited, 0); err == nil || ctx.Err() != nil {
				return err
			}
			cure, err := ring.PlanSchemaCure(ctx, c.Keep)
			if err == nil {
				err = c.keep(ctx, keptCure, cure)
			}
			if err != nil {
				return err
			}
			return c.nest(ctx, ring.CureStage(cure, c.Tool, c.Restarter, schemaPatience))
		})
	}}
}

// schemaPatience is longer than nodes wait before they ask each other again: a minute.
const schemaPatience = 90 * time.Second

func (c *cassandraRecovery) hasOneSchema(ctx context.Context) (state geored.State, err error) {
	err = c.with(ctx, func(ring *cassandra.Cluster) error {
		seen, err := ring.Ring(ctx)
		if err == nil && len(seen.Silent) > 0 {
			err = &seen.Silent[0]
		}
		versions := seen.Schema()
		state = geored.State{Done: len(versions) == 1, Detail: fmt.Sprintf("%d versions of the schema", len(versions))}
		return err
	})
	return state, err
}

// awaitOrRepair gives hints their time. Rows that differ after it were dropped all the same, and are repaired. Where nobody
// said how long the outage was they contradict what was found of it: an older one may lie behind it.
func (c *cassandraRecovery) awaitOrRepair(ctx context.Context, keyspace string) error {
	for end := c.clock().Now().Add(2 * c.Settle); c.clock().Now().Before(end); {
		state, err := c.equal(ctx, keyspace)
		if err != nil || state.Done {
			return err
		}
		if c.hintsWait(ctx) { // they are sent slowly, so that they disturb nobody
			end = c.clock().Now().Add(2 * c.Settle)
		}
		if err := c.clock().Sleep(ctx, provePause); err != nil {
			return err
		}
	}
	if o := c.Note().Outage; o.Found {
		return fmt.Errorf("keyspace %s: rows differ that hints would have brought, so that the outage %s is not all there was: %s and start again with -since and the time at which the sites last held the same", keyspace, o, forgetNote)
	}
	return c.repair(ctx, keyspace)
}

// hintsWait says whether a node tells of hints that are still to be sent.
func (c *cassandraRecovery) hintsWait(ctx context.Context) bool {
	wait := false
	_ = c.with(ctx, func(ring *cassandra.Cluster) error { // what cannot be told is not waited for
		limits, err := ring.Limits(ctx)
		for _, s := range limits.Sites {
			wait = wait || slices.ContainsFunc(s.Waiting, func(h cassandra.Hints) bool { return h.Files > 0 })
		}
		return err
	})
	return wait
}

// repair repairs a keyspace in full. The plan is kept, so that a recovery that goes on repairs no node twice.
func (c *cassandraRecovery) repair(ctx context.Context, keyspace string) error {
	return c.with(ctx, func(ring *cassandra.Cluster) error {
		if err := c.remembersDeletions(ctx, ring, keyspace); err != nil {
			return err
		}
		var plan cassandra.RepairPlan
		name := "repair/" + keyspace
		if !c.kept(name, &plan) || moved(ctx, ring, plan.Nodes) {
			var err error
			if plan, err = ring.PlanRepair(ctx, keyspace, 0); err != nil {
				return awaitRepairs(err)
			}
			if err := c.keep(ctx, name, plan); err != nil {
				return err
			}
		}
		stage := beforeEach(ring.RepairStage(plan, c.Tool, dataTimeout), func(ctx context.Context) error { // a node may take hours
			return c.remembersDeletions(ctx, ring, keyspace)
		})
		if err := c.nest(ctx, stage); err != nil {
			return err
		}
		return c.keepForgotten(ctx, ring, keyspace)
	})
}

// beforeEach asks something before each change of a stage: an error is the change's.
func beforeEach(s geored.Stage, ask func(context.Context) error) geored.Stage {
	bind := s.Bind
	s.Bind = func(ctx context.Context) ([]geored.Task, error) {
		tasks, err := bind(ctx)
		tasks = slices.Clone(tasks) // they may be those of every call
		for i, task := range tasks {
			tasks[i].Apply = func(ctx context.Context) error {
				if err := ask(ctx); err != nil {
					return err
				}
				return task.Apply(ctx)
			}
		}
		return tasks, err
	}
	return s
}

// remembersDeletions refuses a repair that would bring deleted rows back: deletions go on to be forgotten while the sites are
// together and nothing is repaired yet, however long a recovery was interrupted.
func (c *cassandraRecovery) remembersDeletions(ctx context.Context, ring *cassandra.Cluster, keyspace string) error {
	forgotten, err := c.forgets(ctx, ring, keyspace)
	if err != nil || forgotten == "" {
		return err
	}
	return fmt.Errorf("keyspace %s: %s: a repair would bring deleted rows back; %s and start again with -since and -away: it plans a rebuild", keyspace, forgotten, forgetNote)
}

// keptForgotten begins the names of what a repair crossed while it ran.
const keptForgotten = "forgotten/"

// keepForgotten remembers that deletions began to be forgotten while a keyspace was repaired: its last nodes may have brought
// deleted rows back, and nothing shows which.
func (c *cassandraRecovery) keepForgotten(ctx context.Context, ring *cassandra.Cluster, keyspace string) error {
	forgotten, err := c.forgets(ctx, ring, keyspace)
	if err != nil || forgotten == "" {
		return err
	}
	return c.keep(ctx, keptForgotten+keyspace, forgotten)
}

// forgets says why deletions of the outage may be forgotten by now. Zero: they are remembered. Roles cannot be rebuilt, and are
// repaired however long the outage was.
func (c *cassandraRecovery) forgets(ctx context.Context, ring *cassandra.Cluster, keyspace string) (string, error) {
	if keyspace == authKeyspace {
		return "", nil
	}
	limits, err := ring.Limits(ctx)
	if err != nil {
		return "", err
	}
	began := c.Note().Outage.until(c.clock().Now()).Most
	switch cure, reasons := limitsOf(keyspace, limits).Cure(began); cure {
	case cassandra.CureUnknown:
		return "", geored.Retriable(fmt.Errorf("keyspace %s: whether its deletions are remembered is not known: %s", keyspace, strings.Join(reasons, "; ")))
	case cassandra.Rebuild:
		return fmt.Sprintf("the outage began %s ago at most, and %s", geored.RoundDuration(began), reasons[0]), nil
	}
	return "", nil
}

// moved says whether a node of a plan is no longer where it was: it was restarted, and forgot what it had repaired.
func moved(ctx context.Context, ring *cassandra.Cluster, nodes []cassandra.Node) bool {
	seen, err := ring.Ring(ctx)
	if err != nil {
		return false
	}
	for _, n := range nodes {
		if !slices.ContainsFunc(seen.Views, func(v cassandra.View) bool { return v.Node.HostID == n.HostID && v.Node.Address == n.Address }) {
			return true
		}
	}
	return false
}

// rebuild gives a site's rows up and takes them from another. It was confirmed before the run began.
func (c *cassandraRecovery) rebuild(ctx context.Context, keyspace string, site geored.SiteName) error {
	return c.with(ctx, func(ring *cassandra.Cluster) error {
		from := c.Sites[slices.IndexFunc(c.Sites, func(s geored.SiteName) bool { return s != site })]
		var plan cassandra.RebuildPlan
		name := keptRebuild + keyspace
		if err := c.keepRepaired(ctx, ring); err != nil {
			return err
		}
		if !c.kept(name, &plan) {
			var err error
			if plan, err = ring.PlanRebuild(ctx, cassandra.Rebuilding{Keyspace: keyspace, Site: site, From: from}); err != nil {
				return awaitRepairs(err)
			}
			if err := c.keep(ctx, name, plan); err != nil {
				return err
			}
		}
		stage, err := ring.RebuildStage(plan, c.Tool, c.Restarter, plan.Confirmation(), dataTimeout, func(ctx context.Context, plan cassandra.RebuildPlan) error {
			return c.keep(ctx, name, plan)
		})
		if err != nil {
			return err
		}
		if err := c.nest(ctx, stage); err != nil {
			return err
		}
		if err := errors.Join(c.keepRepaired(ctx, ring), c.keepAside(ctx, ring, plan)); err != nil {
			return err
		}
		var since time.Time
		if c.kept(keptTorn+keyspace, &since) {
			return fmt.Errorf("keyspace %s was rebuilt in %s, and the sites were apart again meanwhile, longer than hints are kept: %s and begin anew with -since %s", keyspace, site, forgetNote, clockText(since))
		}
		return nil
	})
}

// checks hold every row of every site against the others', for the report.
func (c *cassandraRecovery) checks() []geored.Check {
	return []geored.Check{{ID: CheckSameRows, Title: "all sites hold the same rows", Run: func(ctx context.Context) []geored.Finding {
		if len(c.shared()) == 0 {
			return []geored.Finding{{Verdict: geored.Unknown, Message: "the sites share no keyspace: nothing was compared"}}
		}
		var findings []geored.Finding
		err := c.with(ctx, func(ring *cassandra.Cluster) error {
			for _, d := range c.shared() {
				found, err := c.compare(ctx, ring, keyspaceOf(d), true)
				if errors.Is(err, cassandra.ErrNoTables) {
					findings = append(findings, geored.Finding{Verdict: geored.Unknown, Message: d.Part + " was not compared", Unanswered: []geored.Silence{{Target: geored.Target{Name: d.Part}, Reason: err.Error()}}})
					continue
				}
				if err != nil {
					return err
				}
				for _, table := range found {
					findings = append(findings, judgeTable(table))
				}
			}
			return nil
		})
		if err != nil || len(findings) == 0 {
			findings = append(findings, geored.Finding{Verdict: geored.Unknown, Message: fmt.Sprintf("not all tables were compared: %v", err), Unanswered: []geored.Silence{{Target: geored.Target{Name: storeCassandra}, Reason: fmt.Sprint(err)}}})
		}
		return findings
	}}}
}

// CheckSameRows is the check that all sites hold the same rows.
const CheckSameRows geored.CheckID = "recover/rows"

// judgeTable says how a table was compared, how much of it, and which rows differ.
func judgeTable(table cassandra.Comparison) geored.Finding {
	f := geored.Finding{Verdict: table.Equality.Verdict(), Message: table.String()}
	for _, part := range table.Coverage {
		f.Asked = append(f.Asked, geored.Target{Site: part.Site, Name: "table " + table.Table.String()})
		f.Evidence = append(f.Evidence, fmt.Sprintf("method: keys, values and write times of every replica; coverage: %s", part))
	}
	for i, d := range table.Differences {
		if i == mostKeys {
			f.Evidence = append(f.Evidence, fmt.Sprintf("and %d more rows", len(table.Differences)-i+table.Omitted))
			break
		}
		f.Evidence = append(f.Evidence, d.String())
	}
	if f.Verdict != geored.Pass {
		f.Evidence = append(f.Evidence, table.Reasons...)
		f.Remedy = "start ice-recover again with the true length of the outage"
	}
	return f
}

// mostKeys are as many keys as a finding names.
const mostKeys = 200

// firstOf are as many lines as a finding has room for, and how many more there are.
func firstOf(lines []string) []string {
	if len(lines) <= mostKeys {
		return lines
	}
	return append(slices.Clone(lines[:mostKeys]), fmt.Sprintf("and %d more", len(lines)-mostKeys))
}
