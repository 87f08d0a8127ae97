package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"time"
)

// unsettled is how old a document must be to be taken away for want of a row: rows are written after it.
const unsettled = time.Minute

// elasticSync makes the site's index hold what the site's own node of the ring holds: it files every row, and takes away
// what has none.
func elasticSync(ctx context.Context, _ []string) error {
	s, err := readSettings()
	if err != nil {
		return err
	}
	began := time.Now()
	ring, err := dialRing(s.site, ownLogin())
	if err != nil {
		return err
	}
	defer ring.Close()
	if err := makeIndex(); err != nil {
		return err
	}
	known := map[string]bool{}
	var batch []message
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := putDocuments(batch)
		batch = batch[:0]
		return err
	}
	err = eachRow(ctx, ring, func(m message) error {
		known[m.DocumentID] = true
		if batch = append(batch, m); len(batch) < 500 {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	if err != nil {
		return err
	}
	if _, err := countDocuments(); err != nil { // which makes what was filed visible
		return err
	}
	extra, err := extraDocuments(known, began.Add(-unsettled))
	if err != nil {
		return err
	}
	for _, id := range extra {
		if err := ask(http.MethodDelete, documentPath(id), nil, nil); err != nil && !isMissing(err) {
			return err
		}
	}
	count, err := countDocuments()
	if err != nil {
		return err
	}
	log.Printf("%d rows, %d documents taken away", len(known), len(extra))
	fmt.Printf("{\"rows\":%d,\"removed\":%d,\"documents\":%d}\n", len(known), len(extra), count)
	return nil
}
