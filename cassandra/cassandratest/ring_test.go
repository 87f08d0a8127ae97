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
		more  []cassandratest.Option
	}{
		"two sites":                    {[]geored.SiteName{"dc1", "dc2"}, 1, nil},
		"two sites over TLS":           {[]geored.SiteName{"dc1", "dc2"}, 1, []cassandratest.Option{cassandratest.TLS()}},
		"two sites, TLS both ways":     {[]geored.SiteName{"dc1", "dc2"}, 1, []cassandratest.Option{cassandratest.ClientCertificates()}},
		"two sites of two nodes":       {[]geored.SiteName{"dc1", "dc2"}, 2, nil},
		"three sites":                  {[]geored.SiteName{"berlin", "paris", "rome"}, 1, nil},
		"five sites, three nodes each": {[]geored.SiteName{"a", "b", "c", "d", "e"}, 3, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cassandratest.Conform(t, cassandratest.New(t, start.sites, append(start.more, cassandratest.NodesPerSite(start.nodes))...))
		})
	}
}
