package objecttest

import (
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/objectstore"
	"github.com/georedkit/georedkit/objectstore/s3"
)

// Server is an object store in this process. It is safe for concurrent use and ends with the test.
type Server struct {
	URL       string
	AccessKey string
	SecretKey string // toy
	Region    string
	// RootCAs hold the server's self-signed certificate; nil without [WithTLS].
	RootCAs *x509.CertPool

	tls     bool
	mu      sync.Mutex
	clock   geored.Clock
	buckets map[string]*bucket
	serial  int
	faults  []*fault
	bites   int
	mirrors []*mirror
	pages   int
}

// Option changes a new [Server].
type Option func(*Server)

// WithClock makes the server date its objects by the clock. Signatures are judged by the machine's, as clients make them.
func WithClock(c geored.Clock) Option { return func(s *Server) { s.clock = c } }

// WithTLS has the server speak TLS alone, with a certificate that nobody trusts who was not given [Server.RootCAs].
func WithTLS() Option { return func(s *Server) { s.tls = true } }

// New starts a server with the buckets, which keep no versions until [Server.SetVersioning].
func New(t testing.TB, buckets []string, options ...Option) *Server {
	t.Helper()
	s := &Server{AccessKey: "TOYACCESSKEY", SecretKey: "toy-secret-key", Region: "us-east-1",
		clock: geored.SystemClock(), buckets: map[string]*bucket{}}
	for _, option := range options {
		option(s)
	}
	for _, name := range buckets {
		s.bucket(name)
	}
	h := httptest.NewUnstartedServer(s)
	if s.tls {
		h.Config.ErrorLog = log.New(io.Discard, "", 0) // of clients that do not trust it
		h.StartTLS()
		s.RootCAs = x509.NewCertPool()
		s.RootCAs.AddCert(h.Certificate())
	} else {
		h.Start()
	}
	t.Cleanup(func() {
		h.CloseClientConnections()
		h.Close()
	})
	s.URL = h.URL
	return s
}

// Client is an adapter for the server, as a site's program would make it. Change the configuration by edit; nil leaves
// it.
func (s *Server) Client(t testing.TB, site geored.SiteName, edit func(*s3.Config)) *s3.Client {
	t.Helper()
	config := s3.Config{Site: site, URL: s.URL, Region: s.Region, AccessKey: s.AccessKey, SecretKey: s3.NewSecret(s.SecretKey), RootCAs: s.RootCAs, Attempts: 1}
	if edit != nil {
		edit(&config)
	}
	client, err := s3.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// Site is the server as a site of a comparison.
func (s *Server) Site(t testing.TB, name geored.SiteName) objectstore.Site {
	t.Helper()
	return objectstore.Site{Name: name, Store: s.Client(t, name, nil)}
}

// SetVersioning turns the versioning of a bucket on or off, and makes the bucket when it is not there.
func (s *Server) SetVersioning(name string, state objectstore.Versioning) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bucket(name).versioning = state
}

// Put seeds an object with a body.
func (s *Server) Put(bucket, key, body string) {
	s.Seed(bucket, []byte(body), objectstore.Object{Key: key})
}

// Seed puts an object as it is said to be, also one that no upload could make: fields that are zero are what an upload
// of the body would have made them. Events reach the mirrors.
func (s *Server) Seed(name string, body []byte, o objectstore.Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial++
	v := newVersion(o.Key, body, objectstore.Metadata{}, s.clock.Now(), s.serial)
	if o.ETag != "" {
		v.ETag = o.ETag
	}
	if o.Size != 0 {
		v.Size = o.Size
	}
	if !o.Modified.IsZero() {
		v.Modified = o.Modified
	}
	if o.Encryption != "" {
		v.Encryption = o.Encryption
	}
	if o.Metadata != nil {
		v.Metadata = o.Metadata
	}
	if o.Checksums != nil {
		v.Checksums = o.Checksums
	}
	s.keep(name, v)
}

// Delete removes an object as a client's DELETE does.
func (s *Server) Delete(name, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(name, key, "")
}

// Has says whether the bucket has a current version of the key.
func (s *Server) Has(name, key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.bucket(name).find(key, "")
	return v != nil && !v.DeleteMarker
}

// Pages counts the pages of listings that were asked for.
func (s *Server) Pages() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pages
}

// mirror is where the changes of a server go, in their order.
type mirror struct {
	to     *Server
	events chan func(*Server)
}

// MirrorTo copies every later change of this server to another until the test ends, as a mirror that works by events
// does: what is there already is not copied, and a change that a mirror made is not sent back.
func (s *Server) MirrorTo(t testing.TB, other *Server) {
	m := &mirror{other, make(chan func(*Server), 1024)}
	done := make(chan struct{})
	t.Cleanup(func() { close(done) })
	go func() {
		for {
			select {
			case apply := <-m.events:
				m.to.mu.Lock()
				apply(m.to)
				m.to.mu.Unlock()
			case <-done:
				return
			}
		}
	}()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mirrors = append(s.mirrors, m)
}

// bucket makes the bucket when it is not there. The server is locked.
func (s *Server) bucket(name string) *bucket {
	if s.buckets[name] == nil {
		s.buckets[name] = &bucket{versioning: objectstore.Unversioned, keys: map[string][]*version{}}
	}
	return s.buckets[name]
}

// keep adds a version. The server is locked.
func (s *Server) keep(name string, v *version) {
	s.bucket(name).add(v)
	sent := *v
	s.tell(func(other *Server) {
		received := sent // each mirror has one of its own
		other.bucket(name).add(&received)
	})
}

func (s *Server) drop(name, key, id string) {
	s.serial++
	newID, now := fmt.Sprintf("v%d", s.serial), s.clock.Now()
	s.bucket(name).remove(key, id, newID, now)
	if s.bite(lostDeletes) != nil {
		return
	}
	s.tell(func(other *Server) { other.bucket(name).remove(key, "", newID, now) })
}

// tell sends a change to the mirrors.
func (s *Server) tell(apply func(*Server)) {
	if len(s.mirrors) == 0 || s.bite(lostEvents) != nil {
		return
	}
	for _, m := range s.mirrors {
		m.events <- apply
	}
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.serveFault(w, r) {
		return
	}
	s.mu.Lock()
	now := time.Now()
	if f := s.bite(clockSkew); f != nil {
		now = now.Add(f.span)
	}
	s.mu.Unlock()
	body, refused := s.authenticate(r, now)
	if refused != nil {
		refused.write(w, r)
		return
	}
	name, key := split(r.URL)
	s.mu.Lock()
	defer s.mu.Unlock()
	if name == "" {
		s.listBuckets(w)
		return
	}
	if s.buckets[name] == nil && !(r.Method == http.MethodPut && key == "") {
		(&refusal{http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist"}).write(w, r)
		return
	}
	s.route(w, r, name, key, body)
}

func split(u *url.URL) (bucket, key string) {
	path := u.Path[1:]
	for i := range path {
		if path[i] == '/' {
			return path[:i], path[i+1:]
		}
	}
	return path, ""
}

// timeFormat is that of listings.
const timeFormat = "2006-01-02T15:04:05.000Z"

func stamp(t time.Time) string { return t.UTC().Format(timeFormat) }
