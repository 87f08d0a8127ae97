package stores

import (
	"context"
	"io"

	"github.com/georedkit/georedkit/internal/lab/compile"
)

const s3Folder = "/lab/s3"

// minio is the server and its client, as two images.
func minio(ctx context.Context, progress io.Writer) (Stores, error) {
	bin, err := compile.Ensure(ctx, compile.S3, progress)
	if err != nil {
		return Stores{}, err
	}
	s := Stores{Folders: map[string]string{s3Folder: bin}}
	s.Images = append(s.Images, image("localhost/lab/minio:2025-09", s3Folder+"/minio", nil), image("localhost/lab/mc:2025", s3Folder+"/mc", nil))
	return s, nil
}
