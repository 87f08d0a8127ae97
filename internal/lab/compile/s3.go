package compile

// S3 is object stores and the tools that others compare them with. Each is a module of its own, built as it is; those of
// MinIO are under the AGPL and never linked.
var S3 = Group{"s3", []module{
	{folder: "build/minio", ldflags: "-s -w", programs: []program{{"minio", "github.com/minio/minio"}}},
	{folder: "build/versitygw", ldflags: "-s -w", programs: []program{{"versitygw", "github.com/versity/versitygw/cmd/versitygw"}}},
	{folder: "build/mc", ldflags: "-s -w", programs: []program{{"mc", "github.com/minio/mc"}}},
	{folder: "build/rclone", ldflags: "-s -w", programs: []program{{"rclone", "github.com/rclone/rclone"}}},
}}

// S3Deaf is a MinIO whose events never reach those who listen for them, as in all versions since October 2025: a fault.
var S3Deaf = Group{"s3-deaf", []module{{folder: "build/minio-deaf", ldflags: "-s -w", programs: []program{{"minio", "github.com/minio/minio"}}}}}
