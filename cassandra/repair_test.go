package cassandra_test

import (
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/cassandra/cassandratest"
	"github.com/georedkit/georedkit/geored"
)

// repair carries a plan out.
func repair(t *testing.T, c *cassandra.Cluster, p cassandra.RepairPlan, tool cassandra.Nodetool) (geored.Result, error) {
	t.Helper()
	book := geored.Runbook{Name: "repair", Stages: []geored.Stage{c.RepairStage(p, tool, time.Minute)}}
	return book.Run(t.Context(), geored.RunConfig{})
}

func TestRepairMakesSitesEqual(t *testing.T) {
	t.Parallel()
	for _, lose := range []bool{false, true} {
		r := seeded(t, three)
		r.DeleteAt("dc2", "dev.changeset", 5)
		c, tool := open(t, r.Config()), r.Nodetool()
		tool.LoseConnections(lose)
		if x := compare(t, r, quickly()); x.Equality != cassandra.Different {
			t.Fatal(x)
		}
		p, err := c.PlanRepair(t.Context(), "dev", 0)
		if err != nil {
			t.Fatal(err)
		}
		result, err := repair(t, c, p, tool)
		if err != nil || result.Count(geored.Changed) != 3 {
			t.Fatalf("connections lost %v: %+v: %v", lose, result, err)
		}
		for i, site := range three {
			if want := r.Node(site, 0).Address() + " repair -full -pr dev"; tool.Calls()[i] != want {
				t.Errorf("call %d: %s, want %s", i, tool.Calls()[i], want)
			}
		}
		if x := compare(t, r, quickly()); x.Equality != cassandra.Equal {
			t.Error(x)
		}
		if result, err := repair(t, c, p, tool); err != nil || result.Count(geored.Unchanged) != 3 || len(tool.Calls()) != 3 {
			t.Errorf("a second run repaired again: %v, %v", tool.Calls(), err)
		}
	}
}

// A repair of less than the plan's, by somebody else, is none.
func TestANarrowerRepairDoesNotCount(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-local", "dev"}, {"dev", "changeset"}} {
		r := seeded(t, two)
		c, tool := open(t, r.Config()), r.Nodetool()
		p, err := c.PlanRepair(t.Context(), "dev", 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tool.Run(t.Context(), p.Nodes[0], append([]string{"repair", "-full", "-pr"}, args...)...); err != nil {
			t.Fatal(err)
		}
		records, err := c.Repairs(t.Context(), p.Nodes[0])
		if err != nil || len(records) != 1 || len(records[0].Narrow) != 1 {
			t.Errorf("%v: %+v, %v", args, records, err)
		}
		if result, err := repair(t, c, p, tool); err != nil || result.Count(geored.Changed) != 2 {
			t.Errorf("%v: %+v: %v", args, result, err)
		}
	}
}

func TestRepairFails(t *testing.T) {
	t.Parallel()
	r := seeded(t, two)
	c, tool := open(t, r.Config()), r.Nodetool()
	p, err := c.PlanRepair(t.Context(), "dev", 0)
	if err != nil {
		t.Fatal(err)
	}
	tool.FailRepairs("endpoint died")
	result, err := repair(t, c, p, tool)
	if err == nil || !strings.Contains(err.Error(), "endpoint died") || len(tool.Calls()) != 1 || result.Count(geored.Pending) != 1 {
		t.Fatalf("%+v: %v; calls %v", result, err, tool.Calls())
	}
	tool.FailRepairs("")
	if result, err := repair(t, c, p, tool); err != nil || result.Count(geored.Changed) != 2 {
		t.Errorf("%+v: %v", result, err)
	}
}

func TestRepairIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		fault  func(*cassandratest.Ring)
		outage time.Duration
		want   string
	}{
		"silent node":    {func(r *cassandratest.Ring) { r.Node("dc2", 0).Stop() }, 0, "bring it back first"},
		"running repair": {func(r *cassandratest.Ring) { r.Node("dc2", 0).StartRepair("other") }, 0, "of keyspace other is running"},
		"schema split":   {func(r *cassandratest.Ring) { r.Node("dc2", 0).SplitSchema(true) }, 0, "schema: is not the same"},
		"mixed versions": {func(r *cassandratest.Ring) { r.Node("dc2", 0).SetVersion("5.0.9") }, 0, "version: is not the same"},
		"old server": {func(r *cassandratest.Ring) { r.Node("dc2", 0).CloseTable("system_views.repairs", true) }, 0,
			"4.1 or newer"},
		"forgotten deletions": {func(*cassandratest.Ring) {}, 11 * 24 * time.Hour, "forgets deletions after 240h0m0s"},
		"unknown limits": {func(r *cassandratest.Ring) { r.Node("dc2", 0).CloseTable("system_views.settings", true) }, time.Hour,
			"asks for unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := seeded(t, two)
			if _, err := open(t, r.Config()).PlanRepair(t.Context(), "dev", time.Hour); err != nil {
				t.Fatal(err)
			}
			test.fault(r)
			_, err := open(t, r.Config()).PlanRepair(t.Context(), "dev", test.outage)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v; want %q", err, test.want)
			}
			if cassandra.RepairsRun(err) != (name == "running repair") {
				t.Errorf("%v: it is only that a repair runs: %t", err, cassandra.RepairsRun(err))
			}
		})
	}
}

// A continuous repair that begins between plan and run is waited for, not joined.
func TestRepairWaitsForAnother(t *testing.T) {
	t.Parallel()
	r := seeded(t, two)
	c, tool := open(t, r.Config()), r.Nodetool()
	p, err := c.PlanRepair(t.Context(), "dev", 0)
	if err != nil {
		t.Fatal(err)
	}
	r.Node("dc2", 0).StartRepair("other")
	book := geored.Runbook{Name: "repair", Stages: []geored.Stage{c.RepairStage(p, tool, 3*time.Second)}}
	if _, err := book.Run(t.Context(), geored.RunConfig{}); err == nil || !strings.Contains(err.Error(), "is running repair") || len(tool.Calls()) > 0 {
		t.Errorf("%v; calls %v", err, tool.Calls())
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	r := seeded(t, two)
	r.CreateTable(cassandratest.Table{Keyspace: "dev", Name: "short", GCGrace: 3600, Columns: []cassandratest.Column{{Name: "id", Type: "int", Kind: cassandratest.PartitionKey}}})
	r.Node("dc2", 0).Set("max_hint_window", "90m")
	c := open(t, r.Config())
	l, err := c.Limits(t.Context())
	if err != nil || l.Tables[0].GCGrace != time.Hour || l.Sites[1].HintWindow != 90*time.Minute || l.Sites[0].HintWindow != 3*time.Hour {
		t.Fatalf("%+v: %v", l, err)
	}
	l.Tables = l.Tables[1:] // as if all tables had ten days
	for _, test := range []struct {
		outage time.Duration
		want   cassandra.Cure
	}{
		{90 * time.Minute, cassandra.AwaitHints}, {91 * time.Minute, cassandra.Repair},
		{240 * time.Hour, cassandra.Repair}, {241 * time.Hour, cassandra.Rebuild},
	} {
		if got, reasons := l.Cure(test.outage); got != test.want || (got != cassandra.AwaitHints) != (len(reasons) > 0) {
			t.Errorf("%s: %s %v, want %s", test.outage, got, reasons, test.want)
		}
	}
	for text, want := range map[string]cassandra.Cure{"0B": cassandra.AwaitHints, "null": cassandra.AwaitHints, "-1B": cassandra.AwaitHints,
		"10MiB": cassandra.Repair, "1GiB": cassandra.Repair, "4096": cassandra.Repair, "many": cassandra.CureUnknown, "99999999999GiB": cassandra.CureUnknown} {
		r.Node("dc2", 0).Set("max_hints_size_per_host", text)
		limited, err := c.Limits(t.Context())
		limited.Tables = l.Tables
		if got, reasons := limited.Cure(time.Minute); err != nil || got != want || (want != cassandra.AwaitHints) != strings.Contains(strings.Join(reasons, " "), "max_hints_size_per_host") {
			t.Errorf("max_hints_size_per_host %s: %s %v, want %s, %v", text, got, reasons, want, err)
		}
	}
	r.Node("dc2", 0).Set("max_hints_size_per_host", "0B")
	r.Node("dc2", 0).Set("hinted_handoff_enabled", "false")
	if l, err = c.Limits(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, _ := l.Cure(time.Minute); got != cassandra.Repair {
		t.Errorf("without hints: %s", got)
	}
	r.Node("dc2", 0).Stop()
	if l, err = c.Limits(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, _ := l.Cure(time.Minute); got != cassandra.CureUnknown {
		t.Errorf("with a silent site: %s", got)
	}
	if got, _ := (cassandra.Limits{}).Cure(time.Minute); got != cassandra.CureUnknown {
		t.Errorf("of nothing: %s", got)
	}
}

// A pod that was scheduled anew has another address, and its old one may be another node's.
func TestRepairFindsANodeThatMoved(t *testing.T) {
	t.Parallel()
	r := seeded(t, two)
	c, tool := open(t, r.Config()), r.Nodetool()
	p, err := c.PlanRepair(t.Context(), "dev", 0)
	if err != nil {
		t.Fatal(err)
	}
	p.Nodes[0].Address, p.Nodes[1].Address = p.Nodes[1].Address, p.Nodes[0].Address
	if result, err := repair(t, c, p, tool); err != nil || result.Count(geored.Changed) != 2 {
		t.Fatalf("%+v: %v", result, err)
	}
	for i, site := range two {
		if want := r.Node(site, 0).Address() + " repair -full -pr dev"; tool.Calls()[i] != want {
			t.Errorf("call %d: %s, want %s", i, tool.Calls()[i], want)
		}
	}
}
