package s3_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/objectstore"
	"github.com/georedkit/georedkit/objectstore/s3"
)

// status is MinIO's answer, shortened: a bucket that one site lacks, and one that was compared with a silent site.
const status = `{"Enabled":true,"Sites":{"1":{"name":"dc1","endpoint":"http://a"},"2":{"name":"dc2","endpoint":"http://b"}},
"BucketStats":{"files":{"1":{"HasBucket":true},"2":{"HasBucket":false,"VersioningConfigMismatch":true}},"logs":{"":{"HasBucket":false},"1":{"HasBucket":true,"VersioningConfigMismatch":true}}},
"Metrics":{"queued":{"curr":{"count":3}},"replMetrics":{"2":{"isOnline":false,"lastOnline":"2026-01-02T03:04:05Z","failed":{"lastHour":{"count":4}}}}}}`

func TestSiteReplicationAnswers(t *testing.T) {
	answer := func(code int, text string) (objectstore.SiteGroup, error) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/minio/admin/v3/site-replication/status" || !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ") {
				t.Errorf("asked for %s, signed %q", r.URL, r.Header.Get("Authorization"))
			}
			w.WriteHeader(code)
			_, _ = io.WriteString(w, text)
		}))
		defer server.Close()
		client, err := s3.New(s3.Config{Site: "dc1", URL: server.URL, AccessKey: "a", SecretKey: s3.NewSecret("b")})
		if err != nil {
			t.Fatal(err)
		}
		return client.SiteReplication(t.Context())
	}
	group, err := answer(200, status)
	if err != nil || !group.Enabled || !group.Unreached || group.Queued != 3 || len(group.Peers) != 2 || group.Peers[0].Linked ||
		!group.Peers[1].Linked || group.Peers[1].Online || group.Peers[1].Failed != 4 || group.Peers[1].LastOnline.IsZero() {
		t.Errorf("%+v, %v", group, err)
	}
	if want := []string{"bucket files at dc2: is missing", "bucket files at dc2: other versioning"}; !slices.Equal(group.Mismatches, want) {
		t.Errorf("mismatches %q", group.Mismatches)
	}
	for _, c := range []struct {
		code int
		text string
		want error
	}{
		{503, `{"Code":"XMinioServerNotInitialized"}`, objectstore.ErrThrottled}, {429, "", objectstore.ErrThrottled}, {501, "", objectstore.ErrUnsupported},
		{403, `{"Code":"AccessDenied"}`, objectstore.ErrDenied}, {404, "<Error/>", objectstore.ErrUnsupported},
		{200, "<html>", objectstore.ErrUnsupported}, {200, "", objectstore.ErrUnsupported},
	} {
		_, err := answer(c.code, c.text)
		if !errors.Is(err, c.want) || geored.IsRetriable(err) != (c.want == objectstore.ErrThrottled) {
			t.Errorf("%d %q: %v, want %v", c.code, c.text, err, c.want)
		}
	}
	if _, err := answer(500, "x"); err == nil || !geored.IsRetriable(err) || errors.Is(err, objectstore.ErrUnsupported) {
		t.Errorf("a server that failed: %v", err)
	}
}
