package charts

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"time"
)

// Login is what the repository asks for.
type Login struct{ User, Password string }

// Handler serves the charts and their index to those who know the login.
func Handler(all []Chart, login Login) (http.Handler, error) {
	index, err := Index(all)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	serve := func(path, contentType string, content []byte) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			_, _ = w.Write(content) // nobody to tell when the asker went away
		})
	}
	serve("/index.yaml", "application/yaml", index)
	for _, chart := range all {
		serve("/"+chart.FileName(), "application/gzip", chart.Archive)
	}
	return login.guard(mux), nil
}

func (l Login) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if !same(user, l.User) || !same(password, l.Password) {
			w.Header().Set("WWW-Authenticate", `Basic realm="charts"`)
			http.Error(w, "user or password: wrong", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

type entry struct {
	APIVersion  string    `json:"apiVersion"`
	Name        string    `json:"name"`
	Version     string    `json:"version"`
	AppVersion  string    `json:"appVersion"`
	Description string    `json:"description"`
	Created     time.Time `json:"created"`
	Digest      string    `json:"digest"`
	URLs        []string  `json:"urls"`
}

// Index is the repository's index.yaml: as JSON, which is YAML too.
func Index(all []Chart) ([]byte, error) {
	entries := map[string][]entry{}
	for _, c := range all {
		sum := sha256.Sum256(c.Archive)
		entries[c.Name] = append(entries[c.Name], entry{
			APIVersion: "v2", Name: c.Name, Version: c.Version, AppVersion: c.AppVersion, Description: c.Description,
			Digest: hex.EncodeToString(sum[:]), URLs: []string{c.FileName()},
		})
	}
	return json.MarshalIndent(map[string]any{"apiVersion": "v1", "entries": entries}, "", "  ")
}
