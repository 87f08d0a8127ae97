//go:build lab

package cassandratest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gocql/gocql"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/cassandra/cassandratest"
	"github.com/georedkit/georedkit/geored"
)

// TestLiveReplace loses the server and the disk of one site for good, twice: the new server comes at the old address, and
// then at another.
func TestLiveReplace(t *testing.T) {
	for _, version := range []string{"4.1", "5.0"} {
		t.Run(version, func(t *testing.T) {
			r := start(t, "-sites", "3", "-version", version)
			config := r.config(t)
			config.ConnectTimeout, config.Timeout = 3*time.Second, 20*time.Second
			s := &subject{ring: r, t: t, cluster: open(t, config)}
			s.settled()
			s.Live = cassandratest.NewLive(t, r.config(t), 1)
			table := s.table("replaced", 0)
			for i := range 300 {
				s.Insert(table.String(), int64(i), fmt.Sprint("row ", i))
			}
			for _, moved := range []bool{false, true} {
				t.Run(fmt.Sprintf("moved %v", moved), func(t *testing.T) {
					s.t = t
					s.replaced(table, moved)
				})
			}
		})
	}
}

func (s *subject) replaced(table cassandra.Table, moved bool) {
	ring, err := s.cluster.Ring(s.t.Context())
	if err != nil || len(ring.Views) != 3 {
		s.t.Fatal(ring.Silent, err)
	}
	what := cassandra.Replacing{Site: "dc2", Node: ring.Views[1].Node.HostID}
	x := &replacer{subject: s, data: s.ring.Sites[1].Nodes[0].Data, moved: moved}
	refused := func(when, want string) {
		s.t.Helper()
		if _, err := s.cluster.PlanReplace(s.t.Context(), what, x); err == nil || !strings.Contains(err.Error(), want) {
			s.t.Errorf("%s: %v, want %q", when, err, want)
		}
	}
	refused("it answers", "it is not dead")
	if !moved {
		s.nodetool(s.t, 1, 0, "disablebinary")
		refused("it serves no clients", "its server runs")
		s.nodetool(s.t, 1, 0, "enablebinary")
		s.settled()
	}
	s.fault(s.t, http.MethodPost, "node-lost", secondNode)
	if _, err := cql(s.t, s.ring, 1, gocql.LocalOne); err == nil {
		s.t.Fatal("the fault does not bite: the node answers")
	}
	x.blind = true
	refused("lost contact only", "nothing shows that it is gone for good")
	x.blind = false
	plan, err := s.cluster.PlanReplace(s.t.Context(), what, x)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.cluster.ReplaceStage(plan, x, "yes", time.Minute); err == nil || !strings.Contains(err.Error(), plan.Confirmation()) {
		s.t.Errorf("carried out for a yes: %v", err)
	}
	stage, err := s.cluster.ReplaceStage(plan, x, plan.Confirmation(), 4*time.Minute)
	if err != nil {
		s.t.Fatal(err)
	}
	began := time.Now()
	s.carryOut(stage)
	s.t.Logf("%s; replaced and proven in %s", plan.Evidence, time.Since(began).Round(time.Second))
	if moved {
		s.forgotten(what.Node, plan.Lost, stage)
	}
	if n := s.rows(1, table); n != 300 {
		s.t.Errorf("the new server has %d rows", n)
	}
	found, err := s.cluster.Compare(s.t.Context(), cassandra.Comparing{Reading: cassandra.Reading{Table: table}, EveryReplica: true})
	if err != nil || found.Equality != cassandra.Equal || found.Rows("dc2") != 300 {
		s.t.Errorf("%s, %d rows at dc2: %v", found, found.Rows("dc2"), err)
	}
	s.settled()
}

// forgotten has the new server list the old one again, as gossip that comes late does now and then.
func (s *subject) forgotten(hostID string, lost cassandra.Node, stage geored.Stage) {
	s.t.Helper()
	session, err := cql(s.t, s.ring, 1, gocql.LocalOne)
	if err != nil {
		s.t.Fatal(err)
	}
	defer session.Close()
	err = session.Query(`INSERT INTO system.peers_v2 (peer, peer_port, native_address, native_port, host_id, data_center, rack) VALUES (?, 7000, ?, 9042, `+hostID+`, 'dc2', 'rack1')`,
		lost.Internode.String(), lost.Internode.String()).WithContext(s.t.Context()).Exec()
	if err != nil {
		s.t.Fatal(err)
	}
	s.want(map[geored.CheckID]geored.Verdict{cassandra.CheckNodes: geored.Fail})
	s.carryOut(stage)
	s.want(map[geored.CheckID]geored.Verdict{cassandra.CheckNodes: geored.Pass})
}

// replacer looks at the folder of the lost server, which stands for its disk.
type replacer struct {
	*subject
	data         string
	moved, blind bool
}

func (x *replacer) Lost(context.Context, cassandra.Node) (string, error) {
	if x.blind {
		return "", errors.New("nobody looked")
	}
	if _, err := os.Stat(x.data); !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("its folder is there: %v", err)
	}
	return "its folder is gone: " + x.data, nil
}

// Progress is at its end when a server was started: its options are on its command line alone.
func (x *replacer) Progress(context.Context, cassandra.Node) (cassandra.ReplaceProgress, error) {
	if _, err := os.Stat(x.data); err != nil {
		return cassandra.ReplaceNotBegun, nil
	}
	return cassandra.ReplaceEnded, nil
}

func (x *replacer) End(context.Context, cassandra.Node) error {
	return errors.New("there is nothing to take away")
}

func (x *replacer) Begin(_ context.Context, n cassandra.Node, option string) error {
	if !strings.HasSuffix(option, "="+n.Internode.String()) || n.Site != "dc2" {
		return fmt.Errorf("option %q for %s", option, n.Internode)
	}
	where := secondNode
	if x.moved {
		where = with(secondNode, "moved", "yes")
		x.forward(1)
		// The contact point is what its operator would correct.
		config := x.ring.config(x.t)
		config.ConnectTimeout, config.Timeout = 3*time.Second, 20*time.Second
		x.cluster.Sites = config.Sites
	}
	x.fault(x.t, http.MethodDelete, "node-lost", where)
	return nil
}
