package s3

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7/pkg/signer"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/objectstore"
)

// pageLimit is what servers give at most.
const pageLimit = 1000

// List gives one page. It asks again when the server is throttled, out of reach for a moment, or breaks off.
func (c *Client) List(ctx context.Context, q objectstore.Query) (objectstore.Page, error) {
	values := listValues(q)
	wait := 100 * time.Millisecond
	for attempt := 1; ; attempt++ {
		page, err := c.listOnce(ctx, q, values)
		if err == nil && q.Metadata {
			err = c.unlessTagsHide(ctx, q.Bucket, page.Objects)
		}
		if err == nil || attempt == c.attempts || !geored.IsRetriable(err) || ctx.Err() != nil {
			return page, err
		}
		if err := c.clock.Sleep(ctx, wait); err != nil {
			return page, err
		}
		wait *= 2
	}
}

func listValues(q objectstore.Query) url.Values {
	limit := q.Limit
	if limit <= 0 || limit > pageLimit {
		limit = pageLimit
	}
	v := url.Values{"encoding-type": {"url"}, "max-keys": {strconv.Itoa(limit)}, "prefix": {q.Prefix}, "delimiter": {q.Delimiter}}
	if q.Metadata {
		v.Set("metadata", "true")
	}
	if q.Versions {
		key, version, _ := strings.Cut(q.Token, "\x00")
		if q.Token == "" {
			key, version = q.StartAfter, q.StartAfterVersion
		}
		v.Set("versions", "")
		v.Set("key-marker", key)
		if version != "" {
			v.Set("version-id-marker", version)
		}
		return v
	}
	v.Set("list-type", "2")
	if q.Token != "" {
		v.Set("continuation-token", q.Token)
	}
	if q.StartAfter != "" {
		v.Set("start-after", q.StartAfter)
	}
	return v
}

func (c *Client) listOnce(ctx context.Context, q objectstore.Query, values url.Values) (objectstore.Page, error) {
	address := *c.url
	address.Path = "/" + q.Bucket + "/"
	address.RawQuery = strings.ReplaceAll(values.Encode(), "+", "%20") // as it is signed
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return objectstore.Page{}, err
	}
	key, err := c.keys().GetWithContext(nil)
	if err != nil {
		return objectstore.Page{}, err
	}
	req.Header.Set("X-Amz-Content-Sha256", emptySHA256)
	req = signer.SignV4(*req, key.AccessKeyID, key.SecretAccessKey, key.SessionToken, c.region)
	resp, err := c.http.Do(req)
	if err != nil {
		return objectstore.Page{}, translate(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return objectstore.Page{}, refusal(resp)
	}
	page, err := parsePage(resp.Body, q.Room)
	return page, translate(ctx, err)
}

// unlessTagsHide takes the metadata away from objects whose tags may be hidden: without s3:GetObjectTagging MinIO lists
// an object with tags as it does one without. One tag that is told, or asked for, shows the right for the page.
func (c *Client) unlessTagsHide(ctx context.Context, bucket string, objects []objectstore.Object) error {
	told := func(o objectstore.Object) bool { return o.Metadata != nil && len(o.Metadata.Tags) > 0 }
	if slices.ContainsFunc(objects, told) {
		return nil
	}
	for _, o := range objects {
		if o.Metadata == nil || o.DeleteMarker {
			continue
		}
		_, err := c.tags(ctx, objectstore.Ref{Bucket: bucket, Key: o.Key, VersionID: o.VersionID})
		switch {
		case errors.Is(err, objectstore.ErrNoObject): // deleted since
			continue
		case errors.Is(err, objectstore.ErrDenied):
			for i := range objects {
				objects[i].Metadata = nil
			}
			return nil
		}
		return err
	}
	return nil
}

const emptySHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
