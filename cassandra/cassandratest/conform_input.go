package cassandratest

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/geored"
)

func (c *conformance) several(t *testing.T) {
	same, other := c.plainTable(), c.plainTable()
	first, _ := c.sites()
	c.Insert(same.String(), int64(1), "x", 1)
	c.InsertAt(first, other.String(), int64(1), "x", 1)
	known, err := c.cluster.Tables(t.Context(), "dev")
	if err != nil || !slices.Contains(known, same) || !slices.Contains(known, other) {
		t.Errorf("%v: %v", known, err)
	}
	none := cassandra.Table{Keyspace: "dev", Name: "nothing"}
	all, err := c.cluster.CompareAll(t.Context(), []cassandra.Table{same, none, other}, c.how(cassandra.Table{}))
	if _, ok := geored.AsFaults(err); !ok || len(all) != 3 || all.Verdict() != geored.Fail {
		t.Fatalf("%s: %v", all, err)
	}
	for i, want := range []cassandra.Equality{cassandra.Equal, cassandra.Unproven, cassandra.Different} {
		if all[i].Equality != want {
			t.Errorf("%s; want %s", all[i], want)
		}
	}
}

func (c *conformance) limits(t *testing.T) {
	table := c.plainTable()
	limits, err := c.cluster.Limits(t.Context())
	known := slices.ContainsFunc(limits.Tables, func(l cassandra.TableLimits) bool { return l.Table == table && l.GCGrace == 240*time.Hour })
	if err != nil || len(limits.Unknown) > 0 || !known {
		t.Fatalf("%+v: %v", limits, err)
	}
	for _, s := range limits.Sites {
		if s.HintWindow != 3*time.Hour || !s.Handoff {
			t.Errorf("%+v", s)
		}
	}
}

func (c *conformance) unknown(t *testing.T) {
	cluster := c.cluster
	for _, table := range []cassandra.Table{{Keyspace: "dev", Name: "nothing"}, {Keyspace: "nowhere", Name: "nothing"}, {}} {
		x, err := cluster.Compare(t.Context(), c.how(table))
		if _, ok := geored.AsFaults(err); !ok || x.Equality != cassandra.Unproven {
			t.Errorf("%s: %v: %v", table, x.Equality, err)
		}
		n, err := cluster.Count(t.Context(), cassandra.Reading{Table: table})
		if _, ok := geored.AsFaults(err); !ok || n.Verdict() != geored.Unknown {
			t.Errorf("%s: %v: %v", table, n.Verdict(), err)
		}
	}
}

func (c *conformance) credentials(t *testing.T) {
	config := c.Config()
	config.Password = cassandra.NewPassword("swordfish")
	ring, err := c.open(t, config).Ring(t.Context())
	if err != nil || len(ring.Views) > 0 || len(ring.Silent) == 0 {
		t.Fatalf("%d views: %v", len(ring.Views), err)
	}
	for _, s := range ring.Silent {
		if !strings.Contains(s.Reason, "check user and password") || strings.Contains(s.Reason, "swordfish") {
			t.Errorf("%s: %s", s.Target, s.Reason)
		}
	}
}

func (c *conformance) tls(t *testing.T) {
	table, config := c.plainTable(), c.Config()
	if config.TLS == nil {
		config.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
		c.refused(t, config, table, "the node does not speak TLS: leave TLS out")
		return
	}
	right := config.TLS
	config.TLS = nil
	c.refused(t, config, table, "the node expects TLS: set TLS")
	config.TLS = right.Clone()
	config.TLS.RootCAs = x509.NewCertPool()
	c.refused(t, config, table, "certificate is not accepted: give TLS the authority")
	if len(right.Certificates) == 0 {
		return
	}
	config.TLS = right.Clone()
	config.TLS.Certificates = nil
	c.refused(t, config, table, "the node wants a client's certificate: set TLS.Certificates")
	stranger, err := selfSigned()
	if err != nil {
		t.Fatal(err)
	}
	config.TLS.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return stranger, nil }
	c.refused(t, config, table, "the node does not accept the client's certificate: give TLS.Certificates one")
}

// refused wants every node of every site to be silent for that reason, and a comparison to name site, node and reason.
func (c *conformance) refused(t *testing.T, config cassandra.Config, table cassandra.Table, reason string) {
	t.Helper()
	config.ConnectTimeout = 5 * time.Second // a server that expects something else may say nothing
	cluster := c.open(t, config)
	ring, err := cluster.Ring(t.Context())
	if err != nil || len(ring.Views) > 0 || len(ring.Silent) < len(config.Sites) {
		t.Errorf("%d nodes answer, %d are silent: %v", len(ring.Views), len(ring.Silent), err)
	}
	_, compared := cluster.Compare(t.Context(), c.how(table))
	faults, _ := geored.AsFaults(compared)
	for _, s := range ring.Silent {
		named := slices.ContainsFunc(faults, func(f geored.Fault) bool {
			_, problem, found := strings.Cut(f.Problem, s.Target.Name+": ") // ports in it may differ
			return found && f.Site == s.Target.Site && strings.Contains(problem, reason)
		})
		if !strings.Contains(s.Reason, reason) || !named {
			t.Errorf("site %s: %s: %s, want %q; compare: %v", s.Target.Site, s.Target.Name, s.Reason, reason, compared)
		}
	}
}

func (c *conformance) misspelt(t *testing.T) {
	table := c.plainTable()
	config := c.Config()
	config.Sites = slices.Clone(config.Sites)
	config.Sites[1].DataCenter = "elsewhere"
	cluster := c.open(t, config)
	_, err := cluster.Compare(t.Context(), c.how(table))
	if err == nil || !strings.Contains(err.Error(), "elsewhere") || !strings.Contains(err.Error(), string(config.Sites[1].Name)) {
		t.Errorf("compare: %v", err)
	}
	report, err := geored.Prove(t.Context(), geored.CheckConfig{}, cluster.Checks()[:2]...)
	if err != nil || report.Verdict() != geored.Fail {
		t.Errorf("checks: %v: %v", report.Verdict(), err)
	}
}
