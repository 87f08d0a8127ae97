package compile

// S3 is object stores and the tools that others compare them with. Each is a module of its own, built as it is; those of
// MinIO are under the AGPL and never linked.
var S3 = Group{"s3", []module{
	{folder: "build/minio", ldflags: "-s -w", programs: []program{{"minio", "github.com/minio/minio"}}},
	{folder: "build/versitygw", ldflags: "-s -w", programs: []program{{"versitygw", "github.com/versity/versitygw/cmd/versitygw"}}},
	{folder: "build/mc", ldflags: "-s -w", programs: []program{{"mc", "github.com/minio/mc"}}},
	{folder: "build/rclone", ldflags: "-s -w", programs: []program{{"rclone", "github.com/rclone/rclone"}}},
}}
