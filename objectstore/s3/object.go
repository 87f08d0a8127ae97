package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/tags"

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
		if o.Metadata.Tags, err = c.tags(ctx, ref); err != nil {
			return objectstore.Object{}, err
		}
	}
	return o, nil
}

func (c *Client) tags(ctx context.Context, ref objectstore.Ref) (map[string]string, error) {
	tags, err := c.minio.GetObjectTagging(ctx, ref.Bucket, ref.Key, minio.GetObjectTaggingOptions{VersionID: ref.VersionID,
		Internal: minio.AdvancedObjectTaggingOptions{ReplicationProxyRequest: notByProxy.ReplicationProxyRequest}})
	if err != nil {
		return nil, translate(ctx, err)
	}
	return tags.ToMap(), nil
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
	if !info.Expires.IsZero() {
		set(&o.Metadata.Headers, "expires", info.Expires.UTC().Format(http.TimeFormat))
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
	options := minio.GetObjectOptions{VersionID: ref.VersionID, Internal: notByProxy}
	options.Set("Accept-Encoding", "identity") // or a transport of the caller's may unpack what is stored packed
	body, _, _, err := c.minio.GetObject(ctx, ref.Bucket, ref.Key, options)
	if err != nil {
		return nil, translateHead(ctx, err)
	}
	return body, nil
}

// Put writes an object with a checksum over all of it, which the server holds it to. The checksum stands in for signed
// chunks: versitygw 1.8 misreads those when a checksum follows them. An Expires that is no date is left out. Tags that
// S3 does not allow are refused; minio-go would leave all of them out. Encryption, storage class, retention and legal hold are the
// bucket's own.
func (c *Client) Put(ctx context.Context, ref objectstore.Ref, size int64, meta objectstore.Metadata, body io.Reader) error {
	if _, err := tags.NewTags(meta.Tags, true); err != nil {
		return fmt.Errorf("%w: tags of %s: %w", objectstore.ErrInvalidInput, ref.Key, err)
	}
	expires, _ := http.ParseTime(meta.Headers["expires"])
	options := minio.PutObjectOptions{UserMetadata: userHeaders(meta.User), UserTags: meta.Tags, Expires: expires, Checksum: minio.ChecksumCRC64NVME, DisableContentSha256: true,
		ContentType: meta.Headers["content-type"], ContentEncoding: meta.Headers["content-encoding"],
		ContentLanguage: meta.Headers["content-language"], ContentDisposition: meta.Headers["content-disposition"],
		CacheControl: meta.Headers["cache-control"]}
	if options.ContentEncoding != "" && size <= onePart { // minio-go 7.0.97 writes "aws-chunked" over it, for a checksum at the end
		options.Checksum, options.SendContentMd5 = minio.ChecksumNone, true
	}
	_, err := c.minio.Client.PutObject(ctx, ref.Bucket, ref.Key, body, size, options)
	return translate(ctx, err)
}

// onePart is what minio-go sends in one request.
const onePart = 16 << 20

// userHeaders names user metadata in full: minio-go takes the short form of some, as "expires", for headers of the content.
func userHeaders(user map[string]string) map[string]string {
	headers := make(map[string]string, len(user))
	for name, value := range user {
		headers["x-amz-meta-"+name] = value
	}
	return headers
}

// Delete removes the current version, or the version that is named.
func (c *Client) Delete(ctx context.Context, ref objectstore.Ref) error {
	err := c.minio.RemoveObject(ctx, ref.Bucket, ref.Key, minio.RemoveObjectOptions{VersionID: ref.VersionID})
	return translate(ctx, err)
}
