package s3

import (
	"context"
	"errors"

	"github.com/minio/minio-go/v7"

	"github.com/georedkit/georedkit/objectstore"
)

// Buckets names all buckets that the credentials may see.
func (c *Client) Buckets(ctx context.Context) ([]string, error) {
	infos, err := c.minio.ListBuckets(ctx)
	names := make([]string, len(infos))
	for i, info := range infos {
		names[i] = info.Name
	}
	return names, translate(ctx, err)
}

// Bucket tells whether the bucket keeps versions. A server that knows no versioning keeps none.
func (c *Client) Bucket(ctx context.Context, name string) (objectstore.Bucket, error) {
	bucket := objectstore.Bucket{Name: name, Versioning: objectstore.Unversioned}
	state, err := c.minio.GetBucketVersioning(ctx, name)
	err = translate(ctx, err)
	switch {
	case errors.Is(err, objectstore.ErrUnsupported):
		exists, err := c.minio.BucketExists(ctx, name)
		if err == nil && !exists {
			err = objectstore.ErrNoBucket
		}
		return bucket, translate(ctx, err)
	case err != nil:
		return bucket, err
	case state.Status == minio.Enabled:
		bucket.Versioning = objectstore.Versioned
	case state.Status == minio.Suspended:
		bucket.Versioning = objectstore.Suspended
	}
	return bucket, nil
}
