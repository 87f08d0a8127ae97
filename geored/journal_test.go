package geored_test

import (
	"path/filepath"
	"testing"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
)

func TestMemoryJournal(t *testing.T) {
	geotest.JournalConformance(t, func(*testing.T) geotest.JournalPlace {
		var j geored.MemoryJournal
		return geotest.JournalPlace{Open: func(*testing.T) geored.Journal { return &j }}
	})
}

func TestFileJournal(t *testing.T) {
	geotest.JournalConformance(t, func(t *testing.T) geotest.JournalPlace {
		path := filepath.Join(t.TempDir(), "journal")
		return geotest.JournalPlace{Many: 500, Open: func(t *testing.T) geored.Journal { return open(t, path) }}
	})
}
