package cassandratest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gocql/gocql"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/geored"
)

// Live is a real ring as a [Subject]. It makes keyspace "dev" if there is none, and changes its replication while it
// writes to one site alone: never give it a ring that somebody uses.
type Live struct {
	t        testing.TB
	config   cassandra.Config
	replicas int
	cluster  *cassandra.Cluster
	session  *gocql.Session
	columns  map[string][]string
}

// NewLive connects to a real ring with a user that may create keyspaces. Keyspace "dev" gets that many replicas in each
// site. It ends with the test; the tables stay.
func NewLive(t testing.TB, config cassandra.Config, replicas int) *Live {
	t.Helper()
	cluster, err := cassandra.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	l := &Live{t: t, config: config, replicas: replicas, cluster: cluster, columns: map[string][]string{}}
	c := gocql.NewCluster(config.Sites[0].Nodes[0])
	c.ProtoVersion, c.Consistency = protocolVersion, gocql.All
	c.Authenticator = gocql.PasswordAuthenticator{Username: config.User, Password: config.Password.Reveal()}
	c.Timeout, c.ConnectTimeout, c.Logger = time.Minute, 10*time.Second, gocql.Logger
	if config.TLS != nil {
		c.SslOpts = &gocql.SslOptions{Config: config.TLS, EnableHostVerification: !config.TLS.InsecureSkipVerify}
	}
	if l.session, err = c.CreateSession(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.session.Close)
	l.Exec("CREATE KEYSPACE IF NOT EXISTS dev WITH replication = " + l.replication(l.sites()...))
	return l
}

func (l *Live) sites() []geored.SiteName {
	var names []geored.SiteName
	for _, s := range l.config.Sites {
		names = append(names, s.Name)
	}
	return names
}

// replication is that of a keyspace with replicas in the sites and nowhere else.
func (l *Live) replication(sites ...geored.SiteName) string {
	parts := []string{"'class': 'NetworkTopologyStrategy'"}
	for _, s := range sites {
		parts = append(parts, fmt.Sprintf("'%s': %d", s, l.replicas))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// Exec runs one statement at consistency ALL and, when it may change the schema, waits until all nodes have it.
func (l *Live) Exec(statement string, values ...any) {
	l.t.Helper()
	if err := l.session.Query(statement, values...).WithContext(l.t.Context()).Exec(); err != nil {
		l.t.Fatalf("%s: %v", statement, err)
	}
	switch strings.ToUpper(strings.Fields(statement)[0]) {
	case "CREATE", "ALTER", "DROP":
		if _, err := l.cluster.AwaitSchema(l.t.Context(), 50*time.Millisecond); err != nil {
			l.t.Fatal(err)
		}
	}
}

// Config is how the ring is reached.
func (l *Live) Config() cassandra.Config { return l.config }

// CreateTable makes a table on every node.
func (l *Live) CreateTable(t Table) {
	l.t.Helper()
	var columns, partition, clustering, names []string
	for _, c := range t.Columns {
		name := strconv.Quote(c.Name)
		names = append(names, name)
		switch c.Kind {
		case PartitionKey:
			partition = append(partition, name)
		case Clustering:
			clustering = append(clustering, name)
		}
		static := ""
		if c.Kind == Static {
			static = " STATIC"
		}
		columns = append(columns, name+" "+c.Type+static)
	}
	key := strings.Join(append([]string{"(" + strings.Join(partition, ", ") + ")"}, clustering...), ", ")
	grace := t.GCGrace
	if grace == 0 {
		grace = 864000
	}
	name := t.Keyspace + "." + t.Name
	l.columns[name] = names
	l.Exec(fmt.Sprintf("CREATE TABLE %s (%s, PRIMARY KEY (%s)) WITH gc_grace_seconds = %d", name, strings.Join(columns, ", "), key, grace))
}

// Insert writes one row to every replica of every site.
func (l *Live) Insert(table string, values ...any) {
	l.t.Helper()
	names := l.columns[table]
	marks := strings.TrimSuffix(strings.Repeat("?, ", len(names)), ", ")
	l.Exec(fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", table, strings.Join(names, ", "), marks), values...)
}

// InsertAt writes one row to the replicas of one site and to no other.
func (l *Live) InsertAt(site geored.SiteName, table string, values ...any) {
	l.t.Helper()
	l.At(site, func() { l.Insert(table, values...) })
}

// At takes the keyspace away from all other sites while something is written.
func (l *Live) At(site geored.SiteName, write func()) {
	l.t.Helper()
	l.Exec("ALTER KEYSPACE dev WITH replication = " + l.replication(site))
	defer l.Exec("ALTER KEYSPACE dev WITH replication = " + l.replication(l.sites()...))
	write()
}
