package stores

import (
	"io"
	"strings"
	"testing"
)

func TestNoStoreAndUnknownStores(t *testing.T) {
	if s, err := Prepare(t.Context(), "", io.Discard); err != nil || len(s.Folders)+len(s.Images) != 0 {
		t.Errorf("none wanted: %+v, %v", s, err)
	}
	_, err := Prepare(t.Context(), "mino", io.Discard)
	if err == nil || !strings.Contains(err.Error(), `store "mino": there are cassandra, kafka, minio`) {
		t.Errorf("a store that there is not: %v", err)
	}
}
