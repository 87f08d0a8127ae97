// Package s3 reads and writes object stores over S3 for package objectstore: MinIO, versitygw, AWS and what else speaks
// the protocol.
//
// [Client] is the one type to know. It lists with a reader of its own, because decoding a listing with encoding/xml
// takes ten times the time of everything else a comparison does; everything else is minio-go's.
//
// Buckets are addressed by path, not by host name. Listing with metadata is an extension of MinIO.
package s3
