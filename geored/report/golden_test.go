package report_test

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored/report"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Every format of every sample is held against what was looked at. Look again after -update.
func TestGolden(t *testing.T) {
	for name, d := range documents() {
		for _, extension := range report.Extensions() {
			var got bytes.Buffer
			if err := report.Write(&got, extension, d); err != nil {
				t.Fatal(err)
			}
			page := withoutStyle(got.Bytes())
			file := filepath.Join("testdata", name+extension)
			if *update {
				if err := os.WriteFile(file, page, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(page, want) {
				t.Errorf("%s differs; go test ./geored/report -run Golden -update writes it anew", file)
			}
		}
	}
}

// withoutStyle leaves out what is the same in every page, and is looked at in a browser.
func withoutStyle(page []byte) []byte {
	before, rest, styled := bytes.Cut(page, []byte("<style>"))
	_, after, ended := bytes.Cut(rest, []byte("</defs></svg>"))
	if !styled || !ended {
		return page
	}
	return append(bytes.Clone(before), after...)
}

// What is made from maps must not change from call to call.
func TestTheSameDocumentGivesTheSameBytes(t *testing.T) {
	d := large(400, 30)
	for _, extension := range report.Extensions() {
		var first bytes.Buffer
		if err := report.Write(&first, extension, d); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			var again bytes.Buffer
			if err := report.Write(&again, extension, d); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(first.Bytes(), again.Bytes()) {
				t.Fatalf("%s: two calls differ", extension)
			}
		}
	}
}

// A document that somebody put together need not say when its run began.
func TestADocumentWithoutABeginning(t *testing.T) {
	for name, d := range documents() {
		d.Run.Began = time.Time{}
		if err := report.Write(io.Discard, ".html", d); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
