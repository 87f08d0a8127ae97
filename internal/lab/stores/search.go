package stores

import (
	"context"
	"io"

	"github.com/georedkit/georedkit/internal/lab/servers"
)

const searchFolder = "/lab/opensearch"

// search is OpenSearch, which answers as Elasticsearch 7.10 does.
func search(ctx context.Context, _ io.Writer) (Stores, error) {
	jars, err := servers.Jars(ctx, "opensearch")
	if err != nil {
		return Stores{}, err
	}
	program, err := servers.NewOpenSearchPod(searchFolder)
	if err != nil {
		return Stores{}, err
	}
	s := Stores{Folders: map[string]string{searchFolder: jars}}
	s.Images = append(s.Images, image("localhost/lab/opensearch:2.19", "/lab/server", map[string]string{"lab/server": program}))
	return s, nil
}
