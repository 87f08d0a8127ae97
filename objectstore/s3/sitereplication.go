package s3

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/signer"

	"github.com/georedkit/georedkit/objectstore"
)

var _ objectstore.SiteReplicator = (*Client)(nil)

// siteStatus is MinIO's answer, as far as it is used (cmd/site-replication.go of MinIO).
type siteStatus struct {
	Enabled bool
	Sites   map[string]struct { // by deployment
		Name     string `json:"name"`
		Endpoint string `json:"endpoint"`
	}
	BucketStats map[string]map[string]struct { // by bucket and deployment; only what differs
		HasBucket                bool
		VersioningConfigMismatch bool
		PolicyMismatch           bool
		TagMismatch              bool
		OLockConfigMismatch      bool
		SSEConfigMismatch        bool
		ReplicationCfgMismatch   bool
		QuotaCfgMismatch         bool
	}
	Metrics struct {
		Queued struct {
			Curr struct {
				Count float64 `json:"count"`
			} `json:"curr"`
		} `json:"queued"`
		Peers map[string]struct {
			Online     bool      `json:"isOnline"`
			LastOnline time.Time `json:"lastOnline"`
			Failed     struct {
				LastHour struct {
					Count float64 `json:"count"`
				} `json:"lastHour"`
			} `json:"failed"`
		} `json:"replMetrics"`
	}
}

// SiteReplication asks MinIO's own API, which needs credentials that may administer the server.
func (c *Client) SiteReplication(ctx context.Context) (objectstore.SiteGroup, error) {
	address := *c.url
	address.Path, address.RawQuery = "/minio/admin/v3/site-replication/status", "api-version=1&buckets=true&metrics=true"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return objectstore.SiteGroup{}, err
	}
	key, err := c.keys().GetWithContext(nil)
	if err != nil {
		return objectstore.SiteGroup{}, err
	}
	req.Header.Set("X-Amz-Content-Sha256", emptySHA256)
	resp, err := c.http.Do(signer.SignV4(*req, key.AccessKeyID, key.SecretAccessKey, key.SessionToken, c.region))
	if err != nil {
		return objectstore.SiteGroup{}, translate(ctx, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return objectstore.SiteGroup{}, translate(ctx, err)
	}
	var status siteStatus
	switch {
	case resp.StatusCode == http.StatusForbidden:
		return objectstore.SiteGroup{}, fmt.Errorf("%w: these credentials may not ask for site replication", objectstore.ErrDenied)
	case resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode >= 500 && resp.StatusCode != http.StatusNotImplemented: // as while it starts
		return objectstore.SiteGroup{}, meaning(minio.ErrorResponse{StatusCode: resp.StatusCode, Message: "it does not tell of site replication now"})
	case resp.StatusCode != http.StatusOK, json.Unmarshal(text, &status) != nil:
		return objectstore.SiteGroup{}, fmt.Errorf("%w: it does not tell of site replication (%s)", objectstore.ErrUnsupported, resp.Status)
	}
	return status.read(), nil
}

func (s siteStatus) read() objectstore.SiteGroup {
	r := objectstore.SiteGroup{Enabled: s.Enabled, Queued: int64(s.Metrics.Queued.Curr.Count)}
	for deployment, site := range s.Sites {
		link, linked := s.Metrics.Peers[deployment]
		r.Peers = append(r.Peers, objectstore.SitePeer{Name: site.Name, Endpoint: site.Endpoint, Linked: linked, Online: link.Online,
			LastOnline: link.LastOnline, Failed: int64(link.Failed.LastHour.Count)})
	}
	slices.SortFunc(r.Peers, func(a, b objectstore.SitePeer) int { return cmp.Compare(a.Name, b.Name) })
	for bucket, at := range s.BucketStats {
		if _, unreached := at[""]; unreached {
			r.Unreached = true
			continue // the server compares with what a silent site did not say
		}
		for deployment, b := range at {
			note := func(is bool, what string) {
				if is {
					r.Mismatches = append(r.Mismatches, fmt.Sprintf("bucket %s at %s: %s", bucket, s.Sites[deployment].Name, what))
				}
			}
			note(!b.HasBucket, "is missing")
			note(b.VersioningConfigMismatch, "other versioning")
			note(b.PolicyMismatch, "another policy")
			note(b.TagMismatch, "other tags")
			note(b.OLockConfigMismatch, "another object lock")
			note(b.SSEConfigMismatch, "another encryption")
			note(b.ReplicationCfgMismatch, "another replication")
			note(b.QuotaCfgMismatch, "another quota")
		}
	}
	slices.Sort(r.Mismatches)
	return r
}
