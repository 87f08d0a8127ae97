package ice

import (
	"testing"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
)

// telling is a ring of one node in each of two sites that tell of a keyspace's replication.
func telling(replication map[string]string) cassandra.Ring {
	var ring cassandra.Ring
	for _, site := range []geored.SiteName{"dc1", "dc2"} {
		ring.Views = append(ring.Views, cassandra.View{Node: cassandra.Node{Site: site, DataCenter: string(site)},
			Keyspaces: []cassandra.Keyspace{{Name: keyspace, Class: "NetworkTopologyStrategy", Replication: replication}}})
	}
	return ring
}

func TestReplicas(t *testing.T) {
	for name, c := range map[string]struct {
		factor string
		meant  bool
		want   geored.Verdict
	}{
		"three":             {"3", false, geored.Pass},
		"the guide's one":   {"1", false, geored.Warn},
		"one that is meant": {"1", true, geored.Pass},
		"none":              {"", true, geored.Fail},
	} {
		n, err := copies(telling(map[string]string{"dc1": "3", "dc2": c.factor}), "dc2")
		if f := judgeReplicas("dc2", n, c.meant); err != nil || f.Verdict != c.want || f.Verdict != geored.Pass && f.Remedy == "" {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
	}
	silent := telling(map[string]string{"dc1": "3", "dc2": "3"})
	silent.Silent = []geored.Silence{{Target: geored.Target{Site: "dc2", Name: "node"}, Reason: "no answer"}}
	unread := telling(nil)
	unread.Views[1].Keyspaces = nil
	for name, ring := range map[string]cassandra.Ring{"nobody": {}, "a node is silent": silent, "a node does not tell": unread} {
		if n, err := copies(ring, "dc2"); err == nil {
			t.Errorf("%s: %d copies", name, n)
		}
	}
	honest(t, CheckReplicas, 3, func(t geored.Target, n int) geored.Finding { return judgeReplicas(t.Site, n, false) })
	geotest.HonestAnswers(t, CheckReplicas, map[geored.Target]int{{Site: "dc1"}: 1}, func(a geored.Answers[int]) []geored.Finding {
		return a.Each(func(t geored.Target, n int) geored.Finding { return judgeReplicas(t.Site, n, false) })
	})
}
