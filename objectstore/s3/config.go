package s3

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/objectstore"
)

// Secret is a secret key or a session token. It prints as [geored.Redacted] in every form and opens by Reveal alone. The zero
// value is none.
type Secret struct{ reveal func() string }

// NewSecret wraps a secret.
func NewSecret(text string) Secret { return Secret{func() string { return text }} }

// Reveal gives the secret itself.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

func (s Secret) String() string               { return geored.Redacted }
func (s Secret) GoString() string             { return geored.Redacted }
func (s Secret) MarshalText() ([]byte, error) { return []byte(geored.Redacted), nil }
func (s Secret) LogValue() slog.Value         { return slog.StringValue(geored.Redacted) }

// Config is how a site's store is reached.
type Config struct {
	Site         geored.SiteName // for the messages about faulty input
	URL          string          // "https://minio.dc1.example:9000". Required.
	Region       string          // zero: us-east-1
	AccessKey    string          // Required.
	SecretKey    Secret          // Required.
	SessionToken Secret          // zero: none
	// RootCAs are the authorities that may have signed the server's certificate; nil: the machine's. Not for a Transport
	// of your own.
	RootCAs   *x509.CertPool
	Transport http.RoundTripper // nil: one of its own
	// Attempts is how often a request is made before its failure counts; zero: 5.
	Attempts int
	Clock    geored.Clock // for the waits between attempts; zero: the machine's
}

// Client is a site's store. It is safe for concurrent use.
type Client struct {
	url      *url.URL
	http     *http.Client
	minio    *minio.Core
	keys     func() *credentials.Credentials // a function: they open the secrets, and fmt prints what is behind a pointer
	region   string
	attempts int
	clock    geored.Clock
}

var (
	_ objectstore.Reader = (*Client)(nil)
	_ objectstore.Writer = (*Client)(nil)
)

// New makes a client and connects to nothing. Faulty input is [geored.Faults], all at once.
func New(c Config) (*Client, error) {
	u, faults := c.check()
	if len(faults) > 0 {
		return nil, faults
	}
	c = c.withDefaults()
	keys := credentials.NewStaticV4(c.AccessKey, c.SecretKey.Reveal(), c.SessionToken.Reveal())
	core, err := minio.NewCore(u.Host, &minio.Options{Creds: keys, Secure: u.Scheme == "https", Transport: c.Transport,
		Region: c.Region, BucketLookup: minio.BucketLookupPath, MaxRetries: c.Attempts, TrailingHeaders: true})
	if err != nil {
		return nil, fmt.Errorf("site %s: %w", c.Site, err)
	}
	return &Client{url: u, http: &http.Client{Transport: c.Transport, CheckRedirect: noRedirect}, minio: core, keys: func() *credentials.Credentials { return keys },
		region: c.Region, attempts: c.Attempts, clock: c.Clock}, nil
}

// noRedirect hands a redirection back: it names the region that would be right.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func (c Config) check() (*url.URL, geored.Faults) {
	var faults geored.Faults
	fault := func(field, value, problem, remedy string) {
		faults = append(faults, geored.Fault{Site: c.Site, Field: field, Value: value, Problem: problem, Remedy: remedy})
	}
	u, err := url.Parse(c.URL)
	switch {
	case err != nil:
		var parse *url.Error
		errors.As(err, &parse)
		fault("URL", "", fmt.Sprintf("cannot be read: %v", parse.Err), "write https://host:port")
	case u.User != nil, strings.Contains(c.URL, "@"): // also where a scheme is forgotten, and the key stands for it
		fault("URL", "", "holds credentials", "give them as AccessKey and SecretKey")
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.Path != "" && u.Path != "/", u.RawQuery != "":
		fault("URL", c.URL, "is not the address of a server", "write https://host:port")
	}
	if c.AccessKey == "" {
		fault("AccessKey", "", "is missing", "give the access key")
	}
	if c.SecretKey.Reveal() == "" {
		fault("SecretKey", "", "is missing", "give the secret key")
	}
	if c.Transport != nil && c.RootCAs != nil {
		fault("RootCAs", "", "has no effect with a Transport", "give it to the transport")
	}
	return u, faults
}

func (c Config) withDefaults() Config {
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	if c.Attempts <= 0 {
		c.Attempts = 5
	}
	if c.Clock == nil {
		c.Clock = geored.SystemClock()
	}
	if c.Transport == nil {
		c.Transport = &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			TLSClientConfig:       &tls.Config{RootCAs: c.RootCAs, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:   10 * time.Second,
			ResponseHeaderTimeout: time.Minute,
			IdleConnTimeout:       time.Minute,
			MaxIdleConnsPerHost:   64, // as many as a comparison has requests under way, and more
			DisableCompression:    true,
		}
	}
	return c
}
