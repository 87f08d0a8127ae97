package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/gocql/gocql"
)

// changes is how many rows dev.changeset has after the first version; the guide shows that many.
const changes = 107

// Versions of the release that differ from the one before.
const (
	versionMore  = "3.5.41630" // has a column and a change more
	versionStuck = "3.5.41631" // whose modelmanager waits for ever
)

// model is the schema in the making.
type model struct {
	context.Context
	session *gocql.Session
	settings
}

type step struct {
	what string
	do   func() error
}

func (m model) steps(version string) []step {
	const (
		changeset = "CREATE TABLE dev.changeset (id int PRIMARY KEY, description text)"
		message   = "CREATE TABLE dev.message (id text PRIMARY KEY, site text, written timestamp, body text, object_key text, document_id text, record_key text)"
	)
	steps := []step{
		{"keyspace dev", func() error {
			return m.unless("SELECT count(*) FROM system_schema.keyspaces WHERE keyspace_name = 'dev'",
				"CREATE KEYSPACE dev WITH replication = "+m.everywhere(os.Getenv("REPLICATION")))
		}},
		{"table changeset", func() error { return m.table("changeset", changeset) }},
		{"table message", func() error { return m.table("message", message) }},
		{"changes", func() error { return m.rows(1, changes) }},
	}
	if version >= versionMore {
		steps = append(steps, step{"column message.priority", func() error {
			return m.unless("SELECT count(*) FROM system_schema.columns WHERE keyspace_name = 'dev' AND table_name = 'message' AND column_name = 'priority'",
				"ALTER TABLE dev.message ADD priority int")
		}}, step{"one change more", func() error { return m.rows(changes+1, changes+1) }})
	}
	if version >= versionStuck {
		steps = append(steps, step{"a change that is never made", func() error {
			<-m.Done()
			return errors.New("it was stopped")
		}})
	}
	return steps
}

func (m model) table(name, statement string) error {
	return m.unless("SELECT count(*) FROM system_schema.tables WHERE keyspace_name = 'dev' AND table_name = '"+name+"'", statement)
}

// unless carries a statement out when a count is zero. Schema that two sites make at once would differ for ever, so what is
// there is not made again.
func (m model) unless(count, statement string) error {
	var n int
	if err := m.session.Query(count).WithContext(m).Scan(&n); err != nil || n > 0 {
		return err
	}
	return m.session.Query(statement).WithContext(m).Exec()
}

// rows adds the changes that are not there, each with a time of its own that is always the same: two sites that add it
// add the same.
func (m model) rows(from, to int) error {
	for id := from; id <= to; id++ {
		var there int
		err := m.session.Query("SELECT id FROM dev.changeset WHERE id = ?", id).WithContext(m).Scan(&there)
		if err == nil {
			continue
		}
		if !errors.Is(err, gocql.ErrNotFound) {
			return err
		}
		const begin = 1_700_000_000_000_000 // microseconds
		err = m.session.Query("INSERT INTO dev.changeset (id, description) VALUES (?, ?) USING TIMESTAMP ?", id, fmt.Sprintf("change %d of the model", id), int64(begin+id)).WithContext(m).Exec()
		if err != nil {
			return err
		}
	}
	return nil
}
