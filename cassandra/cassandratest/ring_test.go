package cassandratest_test

import (
	"testing"

	"github.com/georedkit/georedkit/cassandra/cassandratest"
	"github.com/georedkit/georedkit/geored"
)

func TestConform(t *testing.T) {
	for name, start := range map[string]struct {
		sites []geored.SiteName
		nodes int
	}{
		"two sites":                    {[]geored.SiteName{"dc1", "dc2"}, 1},
		"two sites of two nodes":       {[]geored.SiteName{"dc1", "dc2"}, 2},
		"three sites":                  {[]geored.SiteName{"berlin", "paris", "rome"}, 1},
		"five sites, three nodes each": {[]geored.SiteName{"a", "b", "c", "d", "e"}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cassandratest.Conform(t, cassandratest.New(t, start.sites, cassandratest.NodesPerSite(start.nodes)))
		})
	}
}
