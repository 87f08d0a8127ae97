//go:build lab

package s3_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/internal/laboratory/labtest"
	"github.com/georedkit/georedkit/objectstore"
	"github.com/georedkit/georedkit/objectstore/objecttest"
	"github.com/georedkit/georedkit/objectstore/s3"
)

// stores is running servers, one per site, as the laboratory describes them.
type stores struct {
	Bin   string
	CA    string
	Sites []store
}

type store struct {
	Name        geored.SiteName
	URL         string
	Credentials string
	Pid         int
	Data        string // folder
}

// start runs real servers for a test.
func start(t testing.TB, args ...string) stores {
	t.Helper()
	var s stores
	labtest.Servers(t, &s, "s3", args...)
	return s
}

func (s store) keys(t testing.TB) (access, secret string) {
	t.Helper()
	var keys struct{ AccessKey, SecretKey string }
	text, err := os.ReadFile(s.Credentials)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &keys); err != nil {
		t.Fatal(err)
	}
	return keys.AccessKey, keys.SecretKey
}

// client is the adapter for the server; edit may change its configuration.
func (s store) client(t testing.TB, edit func(*s3.Config)) *s3.Client {
	t.Helper()
	access, secret := s.keys(t)
	config := s3.Config{Site: s.Name, URL: s.URL, AccessKey: access, SecretKey: s3.NewSecret(secret)}
	if edit != nil {
		edit(&config)
	}
	client, err := s3.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// admin is minio-go itself, for what the adapter does not do.
func (s store) admin(t testing.TB) *minio.Client { return s.secureAdmin(t, nil) }

// secureAdmin trusts the authorities, where the server speaks TLS.
func (s store) secureAdmin(t testing.TB, roots *x509.CertPool) *minio.Client {
	t.Helper()
	access, secret := s.keys(t)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	client, err := minio.New(u.Host, &minio.Options{Creds: credentials.NewStaticV4(access, secret, ""), Region: "us-east-1",
		Secure: u.Scheme == "https", Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func (s store) makeBucket(t testing.TB, name string, versioning objectstore.Versioning) {
	t.Helper()
	if err := s.admin(t).MakeBucket(t.Context(), name, minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	if versioning == objectstore.Versioned {
		if err := s.admin(t).EnableVersioning(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
}

func conformance(t *testing.T, server string, lacks map[string]string) {
	site := start(t, "-sites", "1", "-server", server).Sites[0]
	n := 0
	objecttest.Run(t, objecttest.Subject{
		Store: site.client(t, nil),
		Lacks: lacks,
		NewBucket: func(t *testing.T, versioning objectstore.Versioning) string {
			n++
			name := fmt.Sprintf("bucket-%d", n)
			site.makeBucket(t, name, versioning)
			return name
		},
	})
}

func TestMinIOKeepsTheContract(t *testing.T) { conformance(t, "minio", nil) }

func TestVersityGWKeepsTheContract(t *testing.T) { conformance(t, "versitygw", versityLacks) }

// versityLacks is what versitygw 1.8 does not do.
var versityLacks = map[string]string{
	"control characters":   "it pays no heed to encoding-type, and XML cannot hold them",
	"metadata in listings": "an extension of MinIO",
}
