package servers

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gocql/gocql"
)

const cassandraUser = "lab"

// openTo replicates the system keyspaces to every site, makes a user whose password stands in a file, and takes away
// the one that everybody knows.
func (c cassandra) openTo(ctx context.Context, ring *CassandraRing) error {
	password := rand.Text()
	ring.User, ring.PasswordFile = cassandraUser, filepath.Join(c.dir, "password")
	if err := os.WriteFile(ring.PasswordFile, []byte(password), 0o600); err != nil {
		return err
	}
	var everywhere []string
	for _, site := range ring.Sites {
		everywhere = append(everywhere, fmt.Sprintf("'%s': %d", site.Name, len(site.Nodes)))
	}
	var statements []string
	for _, keyspace := range []string{"system_auth", "system_distributed", "system_traces"} {
		statements = append(statements, fmt.Sprintf("ALTER KEYSPACE %s WITH replication = {'class': 'NetworkTopologyStrategy', %s}", keyspace, strings.Join(everywhere, ", ")))
	}
	statements = append(statements,
		fmt.Sprintf("CREATE ROLE IF NOT EXISTS %s WITH SUPERUSER = true AND LOGIN = true AND PASSWORD = '%s'", cassandraUser, password))
	address := ring.Sites[0].Nodes[0].Address
	if err := c.execute(ctx, address, "cassandra", "cassandra", len(ring.Sites)*c.nodes, statements...); err != nil {
		return err
	}
	return c.execute(ctx, address, cassandraUser, password, 1, "ALTER ROLE cassandra WITH SUPERUSER = false AND LOGIN = false")
}

// execute runs statements one after another, once the server knows the user and that many nodes, itself among them.
func (c cassandra) execute(ctx context.Context, address, user, password string, nodes int, statements ...string) error {
	session, err := c.logIn(ctx, address, user, password)
	if err != nil {
		return err
	}
	defer session.Close()
	if err := retry(ctx, func() error { return knows(ctx, session, nodes) }); err != nil {
		return err
	}
	for _, s := range statements {
		// Each may be repeated: a ring that is just coming together closes connections now and then.
		if err := retry(ctx, func() error { return session.Query(s).WithContext(ctx).Exec() }); err != nil {
			return fmt.Errorf("%s: %w", strings.SplitN(s, " WITH ", 2)[0], err)
		}
	}
	return nil
}

func (c cassandra) logIn(ctx context.Context, address, user, password string) (session *gocql.Session, err error) {
	trust, err := c.trust.client()
	if err != nil {
		return nil, err
	}
	client := gocql.NewCluster(address)
	if trust != nil {
		client.SslOpts = &gocql.SslOptions{Config: trust, EnableHostVerification: true}
	}
	client.ProtoVersion, client.DisableInitialHostLookup, client.Consistency = 4, true, gocql.One
	client.Authenticator = gocql.PasswordAuthenticator{Username: user, Password: password}
	client.Timeout, client.ConnectTimeout, client.Logger = time.Minute, 10*time.Second, noLog{}
	client.Events.DisableNodeStatusEvents, client.Events.DisableTopologyEvents, client.Events.DisableSchemaEvents = true, true, true
	err = retry(ctx, func() error {
		session, err = client.CreateSession()
		return err
	})
	return session, err
}

// knows says whether the server has heard of the other nodes.
func knows(ctx context.Context, session *gocql.Session, nodes int) error {
	var peers int
	if err := session.Query("SELECT COUNT(*) FROM system.peers_v2").WithContext(ctx).Scan(&peers); err != nil {
		return err
	}
	if peers < nodes-1 {
		return fmt.Errorf("it knows %d other nodes of %d", peers, nodes-1)
	}
	return nil
}

// retry tries for two minutes: rings on busy machines need one to come together.
func retry(ctx context.Context, try func() error) error {
	var err error
	for range 240 {
		if err = try(); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(500 * time.Millisecond):
		}
	}
	return err
}

type noLog struct{}

func (noLog) Print(...any)          {}
func (noLog) Printf(string, ...any) {}
func (noLog) Println(...any)        {}
