package s3

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/georedkit/georedkit/objectstore"
)

// notByProxy keeps MinIO from answering out of another site: with bucket replication both ways it fetches an object that
// it does not have from the site it replicates to, so that what is missing here would look as if it were there.
var notByProxy = minio.AdvancedGetOptions{ReplicationProxyRequest: "false"}

// Stat asks for one object by HEAD, with its checksums, and for its tags where it has some.
func (c *Client) Stat(ctx context.Context, ref objectstore.Ref) (objectstore.Object, error) {
	info, err := c.minio.StatObject(ctx, ref.Bucket, ref.Key, minio.StatObjectOptions{VersionID: ref.VersionID, Checksum: true, Internal: notByProxy})
	if err == nil && info.IsDeleteMarker {
		err = objectstore.ErrNoObject
	}
	if err != nil {
		return objectstore.Object{}, translateHead(ctx, err)
	}
	o := objectOf(info)
	o.Key = ref.Key
	if info.UserTagCount > 0 {
		tags, err := c.minio.GetObjectTagging(ctx, ref.Bucket, ref.Key, minio.GetObjectTaggingOptions{VersionID: ref.VersionID,
			Internal: minio.AdvancedObjectTaggingOptions{ReplicationProxyRequest: notByProxy.ReplicationProxyRequest}})
		if err != nil {
			return objectstore.Object{}, translate(ctx, err)
		}
		o.Metadata.Tags = tags.ToMap()
	}
	return o, nil
}

// translateHead: a HEAD has no body, so that minio-go makes the code up from the status.
func translateHead(ctx context.Context, err error) error {
	var answer minio.ErrorResponse
	if errors.As(err, &answer) && statuses[answer.StatusCode] == objectstore.ErrNoObject && answer.Code != "NoSuchBucket" {
		return objectstore.ErrNoObject
	}
	return translate(ctx, err)
}

func objectOf(info minio.ObjectInfo) objectstore.Object {
	o := objectstore.Object{VersionID: info.VersionID, ETag: objectstore.ETag(info.ETag), Size: info.Size,
		Modified: info.LastModified, Latest: true, Encryption: objectstore.Plain, Metadata: &objectstore.Metadata{}}
	for name, values := range info.Metadata {
		if len(values) > 0 {
			setHeader(&o, o.Metadata, strings.ToLower(name), values[0])
		}
	}
	for _, sum := range []objectstore.Checksum{{Algorithm: "SHA256", Value: info.ChecksumSHA256},
		{Algorithm: "SHA1", Value: info.ChecksumSHA1}, {Algorithm: "CRC64NVME", Value: info.ChecksumCRC64NVME},
		{Algorithm: "CRC32C", Value: info.ChecksumCRC32C}, {Algorithm: "CRC32", Value: info.ChecksumCRC32}} {
		if sum.Value != "" {
			sum.Composite = info.ChecksumMode == minio.ChecksumCompositeMode.String() || strings.Contains(sum.Value, "-")
			o.Checksums = append(o.Checksums, sum)
		}
	}
	return o
}

// Open reads one object. A body that ends early is an error of Read.
func (c *Client) Open(ctx context.Context, ref objectstore.Ref) (io.ReadCloser, error) {
	body, _, _, err := c.minio.GetObject(ctx, ref.Bucket, ref.Key, minio.GetObjectOptions{VersionID: ref.VersionID, Internal: notByProxy})
	if err != nil {
		return nil, translateHead(ctx, err)
	}
	return body, nil
}

// Put writes an object with a checksum over all of it, which the server holds it to. The checksum stands in for signed
// chunks: versitygw 1.8 misreads those when a checksum follows them.
func (c *Client) Put(ctx context.Context, ref objectstore.Ref, size int64, meta objectstore.Metadata, body io.Reader) error {
	options := minio.PutObjectOptions{UserMetadata: meta.User, UserTags: meta.Tags, Checksum: minio.ChecksumCRC64NVME, DisableContentSha256: true,
		ContentType: meta.Headers["content-type"], ContentEncoding: meta.Headers["content-encoding"],
		ContentLanguage: meta.Headers["content-language"], ContentDisposition: meta.Headers["content-disposition"],
		CacheControl: meta.Headers["cache-control"]}
	_, err := c.minio.Client.PutObject(ctx, ref.Bucket, ref.Key, body, size, options)
	return translate(ctx, err)
}

// Delete removes the current version, or the version that is named.
func (c *Client) Delete(ctx context.Context, ref objectstore.Ref) error {
	err := c.minio.RemoveObject(ctx, ref.Bucket, ref.Key, minio.RemoveObjectOptions{VersionID: ref.VersionID})
	return translate(ctx, err)
}
