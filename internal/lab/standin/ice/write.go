package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gocql/gocql"
	"github.com/minio/minio-go/v7"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"
)

// message is what the stores hold together: a row that names an object, a document and a record, all of the same message.
type message struct {
	ID         string    `json:"id"`
	Site       string    `json:"site"` // where it was written
	Written    time.Time `json:"written"`
	Body       string    `json:"body"`
	ObjectKey  string    `json:"objectKey"`
	DocumentID string    `json:"documentID"`
	RecordKey  string    `json:"recordKey"`
}

func objectKey(id string) string { return "messages/" + id }

// write makes messages, a few at a time, and tells which are in all stores and what kept others from it.
func (p *platform) write(ctx context.Context, n int) (written []string, failed map[string]string) {
	failed = map[string]string{}
	var mutex sync.Mutex
	var group errgroup.Group
	group.SetLimit(8)
	began := time.Now().UTC()
	for i := range n {
		id := fmt.Sprintf("%s-%x-%d", p.site, began.UnixNano(), i)
		group.Go(func() error {
			err := p.writeOne(ctx, message{id, p.site, time.Now().UTC().Truncate(time.Millisecond), "message " + id, objectKey(id), id, id})
			mutex.Lock()
			defer mutex.Unlock()
			if err != nil {
				failed[id] = err.Error()
			} else {
				written = append(written, id)
			}
			return nil
		})
	}
	_ = group.Wait() // what failed is in failed
	slices.Sort(written)
	return written, failed
}

// writeOne writes the row last: it names what is there.
func (p *platform) writeOne(ctx context.Context, m message) error {
	_, err := p.objects.PutObject(ctx, bucket, m.ObjectKey, strings.NewReader(m.Body), int64(len(m.Body)), minio.PutObjectOptions{})
	if err != nil {
		return fmt.Errorf("object: %w", err)
	}
	value, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := p.broker.ProduceSync(ctx, &kgo.Record{Key: []byte(m.RecordKey), Value: value}).FirstErr(); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	if err := putDocument(m); err != nil {
		return fmt.Errorf("document: %w", err)
	}
	if err := p.insert(ctx, m); err != nil {
		return fmt.Errorf("row: %w", err)
	}
	return nil
}

const columns = "id, site, written, body, object_key, document_id, record_key"

func (p *platform) insert(ctx context.Context, m message) error {
	values := []any{m.ID, m.Site, m.Written, m.Body, m.ObjectKey, m.DocumentID, m.RecordKey}
	if p.version >= versionMore {
		return p.ring.Query("INSERT INTO dev.message ("+columns+", priority) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", append(values, 1)...).WithContext(ctx).Exec()
	}
	return p.ring.Query("INSERT INTO dev.message ("+columns+") VALUES (?, ?, ?, ?, ?, ?, ?)", values...).WithContext(ctx).Exec()
}

func (p *platform) row(ctx context.Context, id string) (message, error) {
	var m message
	err := p.ring.Query("SELECT "+columns+" FROM dev.message WHERE id = ?", id).WithContext(ctx).Scan(m.fields()...)
	return m, err
}

func (m *message) fields() []any {
	return []any{&m.ID, &m.Site, &m.Written, &m.Body, &m.ObjectKey, &m.DocumentID, &m.RecordKey}
}

// eachRow gives every row that the site's own node has.
func eachRow(ctx context.Context, ring *gocql.Session, do func(message) error) error {
	rows := ring.Query("SELECT " + columns + " FROM dev.message").WithContext(ctx).PageSize(500).Iter()
	for {
		var m message
		if !rows.Scan(m.fields()...) {
			return rows.Close()
		}
		if err := do(m); err != nil {
			_ = rows.Close() // the first error is told
			return err
		}
	}
}
