package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/georedkit/georedkit/internal/lab/standin/rest"
)

var searchClient = &http.Client{Timeout: 15 * time.Second}

func ask(method, path string, body, answer any) error {
	return rest.Call(searchClient, "", method, search+path, body, answer)
}

func isMissing(err error) bool {
	var status *rest.StatusError
	return errors.As(err, &status) && status.Code == http.StatusNotFound
}

// makeIndex makes the index where it is not.
func makeIndex() error {
	err := ask(http.MethodGet, "/"+index, nil, nil)
	if isMissing(err) {
		err = ask(http.MethodPut, "/"+index, map[string]any{"settings": map[string]int{"number_of_shards": 1, "number_of_replicas": 0}}, nil)
	}
	return err
}

func documentPath(id string) string { return "/" + index + "/_doc/" + url.PathEscape(id) }

// putDocument tries twice: a Java machine that cleans up on a busy node stands still for long.
func putDocument(m message) error {
	err := ask(http.MethodPut, documentPath(m.DocumentID), m, nil)
	if err != nil {
		err = ask(http.MethodPut, documentPath(m.DocumentID), m, nil)
	}
	return err
}

// dropDocument is content when there is none.
func dropDocument(m message) error {
	err := ask(http.MethodDelete, documentPath(m.DocumentID), nil, nil)
	if isMissing(err) {
		return nil
	}
	return err
}

func getDocument(id string) (message, error) {
	var found struct {
		Source message `json:"_source"`
	}
	err := ask(http.MethodGet, documentPath(id), nil, &found)
	return found.Source, err
}

func countDocuments() (int, error) {
	if err := ask(http.MethodPost, "/"+index+"/_refresh", nil, nil); err != nil {
		return 0, err
	}
	var found struct {
		Count int `json:"count"`
	}
	err := ask(http.MethodGet, "/"+index+"/_count", nil, &found)
	return found.Count, err
}

// putDocuments files many at once.
func putDocuments(all []message) error {
	var body bytes.Buffer
	lines := json.NewEncoder(&body)
	for _, m := range all {
		for _, line := range []any{map[string]any{"index": map[string]string{"_index": index, "_id": m.DocumentID}}, m} {
			if err := lines.Encode(line); err != nil {
				return err
			}
		}
	}
	response, err := searchClient.Post(search+"/_bulk", "application/x-ndjson", &body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	var result struct {
		Errors bool `json:"errors"`
	}
	if err == nil {
		err = json.Unmarshal(text, &result)
	}
	if err == nil && (result.Errors || response.StatusCode != http.StatusOK) {
		err = fmt.Errorf("_bulk: %s: %.300s", response.Status, text)
	}
	return err
}

// extraDocuments are the names of the documents that were written before a time and are not among those given. The index
// is read in the order of names, a page at a time.
func extraDocuments(known map[string]bool, before time.Time) ([]string, error) {
	var extra []string
	var after []any
	for {
		query := map[string]any{"size": 500, "_source": []string{"id"},
			"sort":  []any{map[string]any{"id.keyword": map[string]string{"order": "asc", "unmapped_type": "keyword"}}},
			"query": map[string]any{"range": map[string]any{"written": map[string]any{"lt": before.UTC().Format(time.RFC3339)}}}}
		if after != nil {
			query["search_after"] = after
		}
		var page struct {
			Hits struct {
				Hits []struct {
					ID   string `json:"_id"`
					Sort []any  `json:"sort"`
				} `json:"hits"`
			} `json:"hits"`
		}
		if err := ask(http.MethodPost, "/"+index+"/_search", query, &page); err != nil {
			return nil, err
		}
		for _, hit := range page.Hits.Hits {
			after = hit.Sort
			if !known[hit.ID] {
				extra = append(extra, hit.ID)
			}
		}
		if len(page.Hits.Hits) == 0 {
			return extra, nil
		}
	}
}
