package kube_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/georedkit/georedkit/geored/kube"
)

func TestServerTime(t *testing.T) {
	for name, c := range map[string]struct {
		date   string
		status int
		want   time.Time
	}{
		"of another hour": {"Sun, 01 Mar 2026 12:00:05 GMT", http.StatusOK, time.Date(2026, 3, 1, 12, 0, 5, 500_000_000, time.UTC)},
		"none":            {"", http.StatusOK, time.Time{}},
		"no time":         {"noon", http.StatusOK, time.Time{}},
		"refused":         {"Sun, 01 Mar 2026 12:00:05 GMT", http.StatusForbidden, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Date"] = nil
				if c.date != "" {
					w.Header().Set("Date", c.date)
				}
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(`{"major":"1"}`))
			}))
			defer server.Close()
			cluster, err := kube.New("dc1", &rest.Config{Host: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			got, err := cluster.ServerTime(t.Context())
			if !got.Equal(c.want) || (err == nil) == c.want.IsZero() {
				t.Errorf("%s, %v, want %s", got, err, c.want)
			}
		})
	}
}
