package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gocql/gocql"
)

// modelmanager brings the schema and its rows to the version of the release, and ends. It waits until the whole ring is
// there: a keyspace cannot be replicated to a site that nobody has heard of. What is there already it leaves alone.
func modelmanager(ctx context.Context, _ []string) error {
	s, err := readSettings()
	if err != nil {
		return err
	}
	var session *gocql.Session
	err = until(ctx, time.Second, func() error {
		session, err = s.enter(ctx)
		return err
	})
	if err != nil {
		return err
	}
	defer session.Close()
	m := model{ctx, session, s}
	for _, step := range m.steps(os.Getenv("VERSION")) {
		log.Print(step.what)
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	log.Print("done")
	return nil
}

// enter logs in once every site is in the ring, and makes the applications' user the first time.
func (s settings) enter(ctx context.Context) (*gocql.Session, error) {
	session, err := dialRing(s.site, ownLogin())
	if err == nil {
		return session, nil
	}
	first, err := dialRing(s.site, login{"cassandra", "cassandra"})
	if err != nil {
		return nil, err
	}
	defer first.Close()
	if missing := s.missing(ctx, first); len(missing) > 0 {
		return nil, fmt.Errorf("the ring does not have %s yet", strings.Join(missing, ", "))
	}
	own := ownLogin()
	statements := []string{fmt.Sprintf("CREATE ROLE IF NOT EXISTS %s WITH SUPERUSER = true AND LOGIN = true AND PASSWORD = '%s'", own.user, own.password)}
	for _, keyspace := range []string{"system_traces", "system_distributed", "system_auth"} {
		statements = slices.Insert(statements, 0, "ALTER KEYSPACE "+keyspace+" WITH replication = "+s.everywhere("1"))
	}
	for _, statement := range statements {
		if err := first.Query(statement).WithContext(ctx).Exec(); err != nil {
			what, _, _ := strings.Cut(statement, " WITH ")
			return nil, fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil, errors.New("the user was made")
}

// missing are the sites that the own node has not heard of.
func (s settings) missing(ctx context.Context, session *gocql.Session) []string {
	found := []string{s.site}
	rows := session.Query("SELECT data_center FROM system.peers_v2").WithContext(ctx).Iter()
	for site := ""; rows.Scan(&site); {
		found = append(found, site)
	}
	if err := rows.Close(); err != nil {
		return []string{err.Error()}
	}
	return slices.DeleteFunc(slices.Clone(s.sites), func(site string) bool { return slices.Contains(found, site) })
}

// everywhere is a replication to all sites.
func (s settings) everywhere(copies string) string {
	text := "{'class': 'NetworkTopologyStrategy'"
	for _, site := range s.sites {
		text += fmt.Sprintf(", '%s': %s", site, copies)
	}
	return text + "}"
}
