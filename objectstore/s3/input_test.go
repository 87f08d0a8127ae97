//go:build lab

package s3_test

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/objectstore"
	"github.com/georedkit/georedkit/objectstore/objecttest"
	"github.com/georedkit/georedkit/objectstore/s3"
)

func TestSecretIsNotPrinted(t *testing.T) {
	secret := s3.NewSecret("hunter2")
	config := s3.Config{AccessKey: "key", SecretKey: secret, URL: "http://127.0.0.1:1"}
	client, err := s3.New(config)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{"secret": secret})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", secret)
	for _, printed := range []string{fmt.Sprint(secret), fmt.Sprintf("%+v %#v %s %q %x", secret, secret, secret, secret, secret),
		fmt.Sprintf("%+v %#v", config, config), fmt.Sprintf("%+v %#v", client, client), string(text), log.String()} {
		if strings.Contains(printed, "hunter2") || strings.Contains(printed, fmt.Sprintf("%x", "hunter2")) {
			t.Errorf("printed: %s", printed)
		}
	}
	if secret.Reveal() != "hunter2" {
		t.Error("it cannot be opened either")
	}
}

func TestFaultyConfig(t *testing.T) {
	for _, c := range []struct {
		url  string
		want int
	}{{"", 3}, {"host:9000", 3}, {"ftp://host", 3}, {"http://key:pass@host", 3}, {"key:pass@host:9000", 3}, {"https:key:pass@host", 3}, {"http://host/path", 3}, {"http://host:x", 3}} {
		_, err := s3.New(s3.Config{Site: "dc1", URL: c.url})
		if faults, ok := geored.AsFaults(err); !ok || len(faults) != c.want || strings.Contains(err.Error(), "pass@") {
			t.Errorf("%q: %v, want %d faults", c.url, err, c.want)
		}
	}
}

// TestWrongInputOnRealServer: each is a clear error that can be told by its kind.
func TestWrongInputOnRealServer(t *testing.T) {
	site := start(t, "-sites", "1").Sites[0]
	site.makeBucket(t, "files", objectstore.Unversioned)
	for _, c := range []struct {
		name string
		edit func(*s3.Config)
		want error
	}{
		{"access key", func(c *s3.Config) { c.AccessKey = "nobody" }, objectstore.ErrAccessKey},
		{"secret key", func(c *s3.Config) { c.SecretKey = s3.NewSecret("wrong") }, objectstore.ErrSecretKey},
		{"session token", func(c *s3.Config) { c.SessionToken = s3.NewSecret("stale") }, objectstore.ErrExpired},
		{"nobody there", func(c *s3.Config) { c.URL, c.Attempts = "http://127.0.0.1:1", 1 }, objectstore.ErrUnreachable},
		{"TLS on a plain port", func(c *s3.Config) { c.URL, c.Attempts = strings.Replace(c.URL, "http", "https", 1), 1 }, objectstore.ErrUnreachable},
	} {
		client := site.client(t, c.edit)
		if _, err := client.List(t.Context(), objectstore.Query{Bucket: "files"}); !errors.Is(err, c.want) {
			t.Errorf("%s: list: %v, want %v", c.name, err, c.want)
		}
		if _, err := client.Bucket(t.Context(), "files"); !errors.Is(err, c.want) {
			t.Errorf("%s: bucket: %v, want %v", c.name, err, c.want)
		}
	}
}

// TestCertificates: two real sites with TLS and an authority of their own.
func TestCertificates(t *testing.T) {
	for _, server := range []string{"minio", "versitygw"} {
		running := start(t, "-tls", "-server", server)
		pem, err := os.ReadFile(running.CA)
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		trusting := func(c *s3.Config) { c.RootCAs = pool }
		c := objectstore.Comparer{}
		for _, site := range running.Sites {
			client := site.client(t, trusting)
			if err := site.secureAdmin(t, pool).MakeBucket(t.Context(), "files", minio.MakeBucketOptions{}); err != nil {
				t.Fatal(err)
			}
			if err := client.Put(t.Context(), objectstore.Ref{Bucket: "files", Key: "k"}, 1, objectstore.Metadata{}, strings.NewReader("x")); err != nil {
				t.Fatal(err)
			}
			c.Sites = append(c.Sites, objectstore.Site{Name: site.Name, Store: client})
		}
		if result, err := c.Compare(t.Context()); err != nil || result.Verdict() != geored.Pass || result.Buckets[0].Pairs[0].Equal() != 1 {
			t.Errorf("%s with its authority: %v, %v", server, result.Buckets, err)
		}
		for name, edit := range map[string]func(*s3.Config){
			"unknown authority": func(c *s3.Config) { c.RootCAs = nil },
			"other name":        func(c *s3.Config) { c.URL = strings.Replace(c.URL, "127.0.0.1", "localhost", 1) },
		} {
			c.Sites[1].Store = running.Sites[1].client(t, func(c *s3.Config) { trusting(c); c.Attempts = 1; edit(c) })
			result, err := c.Compare(t.Context())
			if !errors.Is(err, objectstore.ErrCertificate) || result.Verdict() != geored.Unknown || !strings.Contains(err.Error(), "site dc2") || !strings.Contains(err.Error(), "give the certificate authority") {
				t.Errorf("%s, %s: %v, %v", server, name, result.Verdict(), err)
			}
		}
		plain := running.Sites[1].client(t, func(c *s3.Config) { c.Attempts, c.URL = 1, strings.Replace(c.URL, "https", "http", 1) })
		if _, err := plain.List(t.Context(), objectstore.Query{Bucket: "files"}); !errors.Is(err, objectstore.ErrTLSOnly) && !errors.Is(err, objectstore.ErrUnreachable) && !errors.Is(err, objectstore.ErrIncomplete) {
			t.Errorf("%s without TLS: %v", server, err)
		} else {
			t.Logf("%s without TLS: %v", server, err)
		}
	}
}

// TestWrongRegion: MinIO takes any region unless it was given one, so that the fake stands in.
func TestWrongRegion(t *testing.T) {
	server := objecttest.New(t, []string{"files"})
	client := server.Client(t, "dc1", func(c *s3.Config) { c.Region = "eu-nowhere-1" })
	if _, err := client.List(t.Context(), objectstore.Query{Bucket: "files"}); !errors.Is(err, objectstore.ErrRegion) || !strings.Contains(err.Error(), "us-east-1") {
		t.Errorf("list: %v", err)
	}
	if _, err := client.Bucket(t.Context(), "files"); !errors.Is(err, objectstore.ErrRegion) {
		t.Errorf("bucket: %v", err)
	}
}

// TestRetries: a server that asks to slow down is asked again, one that goes on so is an error.
func TestRetries(t *testing.T) {
	server := objecttest.New(t, []string{"files"})
	server.Put("files", "k", "x")
	client := server.Client(t, "dc1", func(c *s3.Config) { c.Attempts = 3 })
	server.Break(objecttest.Throttled(2))
	if page, err := client.List(t.Context(), objectstore.Query{Bucket: "files"}); err != nil || len(page.Objects) != 1 || server.Bites() != 2 {
		t.Errorf("%d bites, %v", server.Bites(), err)
	}
	server.Break(objecttest.Throttled(3))
	if _, err := client.List(t.Context(), objectstore.Query{Bucket: "files"}); !errors.Is(err, objectstore.ErrThrottled) || server.Bites() != 5 {
		t.Errorf("%d bites, %v", server.Bites(), err)
	}
}

// TestCutInTheMiddleOnRealServer cuts one side off in the middle of its listing, and for a moment.
func TestCutInTheMiddleOnRealServer(t *testing.T) {
	running := start(t)
	relay := objecttest.NewRelay(t, running.Sites[1].URL)
	for _, site := range running.Sites {
		site.makeBucket(t, "files", objectstore.Unversioned)
	}
	fill(t, running.Sites, "files", 3000, 10)
	comparer := func(attempts int) objectstore.Comparer {
		c := objectstore.Comparer{Buckets: []string{"files"}, Workers: 2}
		for i, site := range running.Sites {
			client := site.client(t, func(c *s3.Config) {
				c.Attempts = attempts
				if i == 1 {
					c.URL = relay.URL
				}
			})
			c.Sites = append(c.Sites, objectstore.Site{Name: site.Name, Store: client})
		}
		return c
	}
	relay.CutAfter(500_000)
	c := comparer(2)
	var found []objectstore.Difference
	c.Found = func(d objectstore.Difference) { found = append(found, d) }
	result, err := c.Compare(t.Context())
	if relay.Cuts() == 0 {
		t.Fatal("nothing was cut")
	}
	if err == nil || result.Verdict() != geored.Unknown || len(found) > 0 || len(result.Buckets[0].Rest) == 0 {
		t.Fatalf("%v, %v, %d found", result.Verdict(), err, len(found))
	}
	relay.Mend()
	c = comparer(5)
	c.Resume = &result
	result, err = c.Compare(t.Context())
	if err != nil || result.Verdict() != geored.Pass || result.Buckets[0].Pairs[0].Equal() != 3000 {
		t.Errorf("resumed: %v, %v", result.Buckets, err)
	}
	c.Resume = nil
	go func() { // a short break is borne
		time.Sleep(100 * time.Millisecond)
		relay.Cut()
	}()
	if result, err = c.Compare(t.Context()); err != nil || result.Verdict() != geored.Pass {
		t.Errorf("with a break: %v, %v", result.Buckets, err)
	}
}
