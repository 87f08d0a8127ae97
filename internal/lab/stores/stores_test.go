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
	if err == nil || !strings.Contains(err.Error(), `store "mino": there are cassandra, cassandra-5.0, ice, kafka, minio, search`) {
		t.Errorf("a store that there is not: %v", err)
	}
}

// The applications come with their stores, and bring what is missing of them.
func TestICEComesWithItsStores(t *testing.T) {
	for names, want := range map[string]string{
		"ice":                          "ice,minio,kafka,cassandra,search",
		"minio,kafka,cassandra":        "minio,kafka,cassandra,search,ice",
		"cassandra,kafka,minio,search": "cassandra,kafka,minio,search,ice",
		"minio,kafka":                  "minio,kafka",
	} {
		if got := strings.Join(withICE(strings.Split(names, ",")), ","); got != want {
			t.Errorf("%s becomes %s, want %s", names, got, want)
		}
	}
}
