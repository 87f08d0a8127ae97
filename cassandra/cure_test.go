package cassandra_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/cassandra/cassandratest"
	"github.com/georedkit/georedkit/geored"
)

// restarts notes which nodes were restarted.
type restarts struct {
	*cassandratest.Ring
	nodes []string
	fail  error
}

func (r *restarts) Restart(ctx context.Context, n cassandra.Node) error {
	r.nodes = append(r.nodes, n.Address.String())
	if r.fail != nil {
		return r.fail
	}
	return r.Ring.Restart(ctx, n)
}

func cure(t *testing.T, r *cassandratest.Ring, p cassandra.SchemaCure, by cassandra.Restarter, timeout time.Duration) (geored.Result, *cassandratest.Nodetool, error) {
	t.Helper()
	config := r.Config()
	config.ConnectTimeout, config.Timeout = 3*time.Second, 3*time.Second
	tool := r.Nodetool()
	book := geored.Runbook{Name: "cure", Stages: []geored.Stage{open(t, config).CureStage(p, tool, by, timeout)}}
	result, err := book.Run(t.Context(), geored.RunConfig{})
	return result, tool, err
}

func TestSchemaCureRestartsOneNodeAfterAnother(t *testing.T) {
	t.Parallel()
	r := seeded(t, three)
	for _, site := range []geored.SiteName{"dc2", "dc3"} {
		r.Node(site, 0).SplitSchema(true)
	}
	c := open(t, r.Config())
	if _, err := c.PlanSchemaCure(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "name the site whose schema stays") {
		t.Fatalf("three versions, and still one was chosen: %v", err)
	}
	r.Node("dc3", 0).KeepSplit(true)
	p, err := c.PlanSchemaCure(t.Context(), "dc1")
	if err != nil || len(p.Nodes) != 2 {
		t.Fatal(p, err)
	}
	by := &restarts{Ring: r}
	result, tool, err := cure(t, r, p, by, time.Minute)
	if err != nil || result.Count(geored.Changed, geored.Unchanged) != 4 {
		t.Fatalf("%+v: %v", result, err)
	}
	// dc2 agrees once its schema is read again; dc3 needs the restart.
	if !slices.Equal(by.nodes, []string{r.Node("dc3", 0).Address()}) {
		t.Errorf("restarted: %v", by.nodes)
	}
	want := []string{r.Node("dc2", 0).Address() + " reloadlocalschema", r.Node("dc3", 0).Address() + " reloadlocalschema", r.Node("dc3", 0).Address() + " drain"}
	if !slices.Equal(tool.Calls(), want) {
		t.Errorf("calls %v", tool.Calls())
	}
	if p, err := open(t, r.Config()).PlanSchemaCure(t.Context(), ""); err != nil || len(p.Nodes) != 0 {
		t.Errorf("a healthy ring: %v: %v", p, err)
	}
}

// A node that does not come back keeps the next one from being touched.
func TestSchemaCureStopsAtANodeThatDoesNotComeBack(t *testing.T) {
	t.Parallel()
	r := seeded(t, three)
	for _, site := range []geored.SiteName{"dc2", "dc3"} {
		r.Node(site, 0).SplitSchema(true)
		r.Node(site, 0).KeepSplit(true)
	}
	p, err := open(t, r.Config()).PlanSchemaCure(t.Context(), "dc1")
	if err != nil {
		t.Fatal(err)
	}
	result, tool, err := cure(t, r, p, dying{r}, 20*time.Second)
	if err == nil || result.Count(geored.Pending) != 2 || result.Count(geored.Failed) != 1 {
		t.Errorf("%+v: %v", result, err)
	}
	if slices.ContainsFunc(tool.Calls(), func(call string) bool { return strings.HasPrefix(call, r.Node("dc3", 0).Address()) }) {
		t.Errorf("the next node was touched: %v", tool.Calls())
	}
}

// dying stops a node instead of restarting it.
type dying struct{ *cassandratest.Ring }

func (d dying) Restart(_ context.Context, n cassandra.Node) error {
	d.Node(n.Site, 0).Stop()
	return nil
}

// No node is restarted while another is away.
func TestSchemaCureNeverTakesTwoNodesAway(t *testing.T) {
	t.Parallel()
	r := seeded(t, three)
	r.Node("dc2", 0).SplitSchema(true)
	r.Node("dc2", 0).KeepSplit(true)
	p, err := open(t, r.Config()).PlanSchemaCure(t.Context(), "")
	if err != nil || len(p.Nodes) != 1 {
		t.Fatal(p, err)
	}
	r.Node("dc3", 0).Stop()
	by := &restarts{Ring: r}
	_, _, err = cure(t, r, p, by, 20*time.Second)
	if err == nil || len(by.nodes) > 0 || !strings.Contains(err.Error(), "two nodes would be away") {
		t.Errorf("%v; restarted %v", err, by.nodes)
	}
}

func TestSchemaCureIsRefused(t *testing.T) {
	for want, fault := range map[string]func(*cassandratest.Ring){
		"bring it back first":          func(r *cassandratest.Ring) { r.Node("dc2", 0).Stop() },
		"does not know node":           func(r *cassandratest.Ring) { r.Node("dc2", 0).Forget(r.Node("dc1", 0), true) },
		"version: is not the same":     func(r *cassandratest.Ring) { r.Node("dc2", 0).SetVersion("5.0.9") },
		"no version of the schema has": func(*cassandratest.Ring) {},
	} {
		t.Run(want, func(t *testing.T) {
			r := seeded(t, two)
			r.Node("dc2", 0).SplitSchema(true)
			fault(r)
			if _, err := open(t, impatient(r)).PlanSchemaCure(t.Context(), ""); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v", err)
			}
		})
	}
}
