package s3_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/objectstore"
	"github.com/georedkit/georedkit/objectstore/objecttest"
	"github.com/georedkit/georedkit/objectstore/s3"
)

// TestCertificateThatIsNotTrusted: the comparison says which site, which bucket and what to do, and counts nothing as
// missing. With the certificate at hand it passes.
func TestCertificateThatIsNotTrusted(t *testing.T) {
	plain, secured := objecttest.New(t, []string{"files"}), objecttest.New(t, []string{"files"}, objecttest.WithTLS())
	for _, server := range []*objecttest.Server{plain, secured} {
		server.Put("files", "k", "x")
	}
	later := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: secured.RootCAs, Time: func() time.Time { return time.Now().AddDate(500, 0, 0) }}}
	t.Cleanup(later.CloseIdleConnections)
	for _, c := range []struct {
		name string
		edit func(*s3.Config)
		want error
		says []string
	}{
		{"its own, given", func(*s3.Config) {}, nil, nil},
		{"its own, not given", func(c *s3.Config) { c.RootCAs = nil }, objectstore.ErrCertificate, []string{"authority"}},
		{"another's", func(c *s3.Config) { c.RootCAs = x509.NewCertPool() }, objectstore.ErrCertificate, []string{"authority"}},
		{"another name", func(c *s3.Config) { c.URL = strings.Replace(c.URL, "127.0.0.1", "localhost", 1) }, objectstore.ErrCertificate, []string{"server name"}},
		{"expired", func(c *s3.Config) { c.RootCAs, c.Transport = nil, later }, objectstore.ErrCertificateDate, []string{"renew"}},
		{"no TLS", func(c *s3.Config) { c.RootCAs, c.URL = nil, strings.Replace(c.URL, "https", "http", 1) }, objectstore.ErrTLSOnly, []string{"https"}},
	} {
		sites := []objectstore.Site{plain.Site(t, "dc1"), {Name: "dc2", Store: secured.Client(t, "dc2", c.edit)}}
		var found []objectstore.Difference
		result, err := objectstore.Comparer{Sites: sites, Buckets: []string{"files"},
			Found: func(d objectstore.Difference) { found = append(found, d) }}.Compare(t.Context())
		if c.want == nil {
			if err != nil || result.Verdict() != geored.Pass {
				t.Errorf("%s: %v, %v", c.name, result.Verdict(), err)
			}
			continue
		}
		if !errors.Is(err, c.want) || result.Verdict() != geored.Unknown || len(found) > 0 {
			t.Errorf("%s: %v, %v, found %v", c.name, result.Verdict(), err, found)
			continue
		}
		if i := slices.IndexFunc(append(c.says, "site dc2", "bucket files"), func(word string) bool { return !strings.Contains(err.Error(), word) }); i >= 0 {
			t.Errorf("%s: it says %v", c.name, err)
		}
		if _, err := sites[1].Store.Buckets(t.Context()); !errors.Is(err, c.want) {
			t.Errorf("%s: buckets: %v", c.name, err)
		}
	}
}
