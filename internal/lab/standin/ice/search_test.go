package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"
)

// elsewhere sends what is meant for the site's search server to another one.
type elsewhere struct{ server *url.URL }

func (e elsewhere) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = e.server.Scheme, e.server.Host
	return http.DefaultTransport.RoundTrip(r)
}

func searchServer(t *testing.T, handle http.HandlerFunc) {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	before := searchClient.Transport
	searchClient.Transport = elsewhere{address}
	t.Cleanup(func() { searchClient.Transport = before })
}

func TestDocumentsWithoutARowAreFoundOnAllPages(t *testing.T) {
	pages := map[string]string{
		"":  `{"hits":{"hits":[{"_id":"a","sort":["a"]},{"_id":"b","sort":["b"]}]}}`,
		"b": `{"hits":{"hits":[{"_id":"c","sort":["c"]}]}}`,
		"c": `{"hits":{"hits":[]}}`,
	}
	searchServer(t, func(w http.ResponseWriter, r *http.Request) {
		var query struct {
			After []string `json:"search_after"`
		}
		if err := json.NewDecoder(r.Body).Decode(&query); err != nil {
			t.Error(err)
		}
		_, _ = w.Write([]byte(pages[append(query.After, "")[0]])) // the client tells
	})
	extra, err := extraDocuments(map[string]bool{"b": true}, time.Now())
	if err != nil || !slices.Equal(extra, []string{"a", "c"}) {
		t.Errorf("%q %v", extra, err)
	}
}

// A bulk answer is 200 also when documents in it were refused.
func TestRefusedDocumentsAreAnError(t *testing.T) {
	said := ""
	searchServer(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(said)) })
	for text, good := range map[string]bool{`{"errors":false}`: true, `{"errors":true}`: false, `no JSON`: false} {
		said = text
		if err := putDocuments([]message{{DocumentID: "a"}}); (err == nil) != good {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestAnIndexThatIsNotThereIsMade(t *testing.T) {
	made := 0
	searchServer(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPut:
			made++
			_, _ = w.Write([]byte(`{}`))
		case made == 0:
			http.Error(w, "index_not_found_exception", http.StatusNotFound)
		}
	})
	for range 2 {
		if err := makeIndex(); err != nil {
			t.Fatal(err)
		}
	}
	if made != 1 {
		t.Errorf("it was made %d times", made)
	}
}
