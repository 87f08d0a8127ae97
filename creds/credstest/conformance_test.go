package credstest_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"testing"
	"time"

	"github.com/georedkit/georedkit/creds/credstest"
	"github.com/georedkit/georedkit/geored"
)

// fastClock runs a hundred times as fast as ours.
type fastClock struct{ started time.Time }

func (c fastClock) Now() time.Time { return c.started.Add(time.Since(c.started) * 100) }

func (c fastClock) Sleep(ctx context.Context, d time.Duration) error {
	return geored.SystemClock().Sleep(ctx, d/100)
}

// admin asks as the cluster's administrator.
type admin struct {
	http.RoundTripper
	cluster *credstest.Cluster
}

func (a admin) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+a.cluster.Admin.Reveal())
	return a.RoundTripper.RoundTrip(r)
}

func TestConformance(t *testing.T) {
	c := credstest.New(t, credstest.Options{Site: "dc1", Clock: fastClock{time.Now()}})
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(c.Authority.PEM())
	bare := &http.Transport{DialContext: c.Dial, TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(bare.CloseIdleConnections)
	credstest.Conformance(t, credstest.API{URL: c.URL(), Admin: &http.Client{Transport: admin{bare, c}}, Bare: &http.Client{Transport: bare}})
}
