//go:build lab

package cassandratest_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gocql/gocql"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/cassandra/cassandratest"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/internal/laboratory/labtest"
)

// ring is what the laboratory says of a real ring.
type ring struct {
	Sites []struct {
		Name  geored.SiteName
		Nodes []struct {
			Address  string
			Process  int
			Data     string
			Nodetool []string
		}
	}
	User, PasswordFile, CAFile, ClientFile, Control string
}

// start starts a real ring for a test.
func start(t testing.TB, args ...string) ring {
	t.Helper()
	var r ring
	labtest.Servers(t, &r, "cassandra", args...)
	return r
}

func (r ring) config(t testing.TB) cassandra.Config {
	t.Helper()
	password, err := os.ReadFile(r.PasswordFile)
	if err != nil {
		t.Fatal(err)
	}
	c := cassandra.Config{User: r.User, Password: cassandra.NewPassword(string(password))}
	if r.CAFile != "" {
		certificate, err := os.ReadFile(r.CAFile)
		roots := x509.NewCertPool()
		if err != nil || !roots.AppendCertsFromPEM(certificate) {
			t.Fatalf("%s: %v", r.CAFile, err)
		}
		c.TLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	if r.ClientFile != "" {
		pair, err := tls.LoadX509KeyPair(r.ClientFile, r.ClientFile)
		if err != nil {
			t.Fatal(err)
		}
		c.TLS.Certificates = []tls.Certificate{pair}
	}
	for _, s := range r.Sites {
		c.Sites = append(c.Sites, cassandra.Site{Name: s.Name, Nodes: []string{s.Nodes[0].Address}})
	}
	return c
}

// nodetool runs nodetool on a node and gives what it printed.
func (r ring) nodetool(t testing.TB, site, node int, args ...string) string {
	t.Helper()
	command := r.Sites[site].Nodes[node].Nodetool
	output, err := exec.CommandContext(t.Context(), command[0], append(command[1:], args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("nodetool %s: %v\n%s", strings.Join(args, " "), err, output)
	}
	return string(output)
}

// fault has the laboratory bring a fault about (POST) or take it back (DELETE).
func (r ring) fault(t testing.TB, method, name string, more url.Values) {
	t.Helper()
	if more == nil {
		more = url.Values{}
	}
	more.Set("name", name)
	request, err := http.NewRequestWithContext(t.Context(), method, r.Control+"?"+more.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("fault %s: %s", name, response.Status)
	}
}

func open(t testing.TB, c cassandra.Config) *cassandra.Cluster {
	t.Helper()
	cluster, err := cassandra.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster
}

// cql is a session with one site's node, apart from the package under test.
func cql(t testing.TB, r ring, site int, consistency gocql.Consistency) (*gocql.Session, error) {
	config := r.config(t)
	c := gocql.NewCluster(r.Sites[site].Nodes[0].Address)
	c.ProtoVersion, c.Consistency, c.DisableInitialHostLookup = 4, consistency, true
	c.Authenticator = gocql.PasswordAuthenticator{Username: config.User, Password: config.Password.Reveal()}
	c.Timeout, c.ConnectTimeout, c.Logger = 30*time.Second, 5*time.Second, silent{}
	c.MaxWaitSchemaAgreement = time.Second
	return c.CreateSession()
}

type silent struct{}

func (silent) Print(...any)          {}
func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}

// parts are the faults of a real ring, in the order in which one ring can bear them.
var parts = []struct {
	name   string
	faults []fault
}{{"rows", rowFaults}, {"repair", repairFaults}, {"nodes", nodeFaults}, {"addresses", addressFaults}}

// TestLive41 is the whole suite on one ring of 4.1. Its parts can run alone: -run 'TestLive41/conform'.
func TestLive41(t *testing.T) {
	r := start(t)
	t.Run("conform", func(t *testing.T) { cassandratest.Conform(t, cassandratest.NewLive(t, r.config(t), 1)) })
	t.Run("types", func(t *testing.T) { types(t, r, nil) })
	for _, part := range parts {
		t.Run(part.name, func(t *testing.T) { faults(t, r, part.faults) })
	}
}

// TestFaultsOfCI holds the Makefile's list of faults to those there are: a pattern that matches none would pass.
func TestFaultsOfCI(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(makefile), "CASSANDRA_FAULTS = ")
	list, _, _ = strings.Cut(list, "\nCASSANDRA_PART")
	patterns := strings.Fields(strings.ReplaceAll(strings.ReplaceAll(list, "\\\n", " "), "$$", "$"))
	const long = "both nodes restarted during a cut" // for CI
	names := []string{"types"}
	for _, part := range parts {
		for _, f := range part.faults {
			if f.name != long {
				names = append(names, part.name+"/"+strings.ReplaceAll(f.name, " ", "_"))
			}
		}
	}
	slices.Sort(names)
	var matched []string
	for _, pattern := range patterns {
		for _, name := range names {
			if regexp.MustCompile("^" + pattern).MatchString(name) {
				matched = append(matched, name)
			}
		}
	}
	if slices.Sort(matched); !slices.Equal(matched, names) {
		t.Errorf("the patterns %q match %q, not each of %q once", patterns, matched, names)
	}
}

func TestLive50(t *testing.T) {
	r := start(t, "-version", "5.0")
	t.Run("conform", func(t *testing.T) { cassandratest.Conform(t, cassandratest.NewLive(t, r.config(t), 1)) })
	t.Run("types", func(t *testing.T) { types(t, r, map[string]string{"vector<float, 3>": "[1, 2.5, 3]"}) })
	t.Run("repair", func(t *testing.T) { faults(t, r, repairFaults) })
}

func TestLiveTwoNodesInEachSite(t *testing.T) {
	r := start(t, "-nodes", "2")
	cassandratest.Conform(t, cassandratest.NewLive(t, r.config(t), 2))
}

// TestLiveTLS is for rings whose servers speak to clients by TLS only, and want their certificates or not.
func TestLiveTLS(t *testing.T) {
	for _, args := range [][]string{{"-tls"}, {"-client-certificates"}, {"-client-certificates", "-version", "5.0"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			r := start(t, args...)
			cassandratest.Conform(t, cassandratest.NewLive(t, r.config(t), 1))
		})
	}
}
