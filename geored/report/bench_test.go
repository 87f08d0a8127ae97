package report_test

import (
	"encoding/json"
	"io"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored/report"
)

// BenchmarkHTML writes a report of 10,000 findings as HTML, beside encoding/json on the same findings.
func BenchmarkHTML(b *testing.B) {
	d := large(10_000, 100)
	var html, plain time.Duration
	for range b.N {
		began := time.Now()
		if err := json.NewEncoder(io.Discard).Encode(d.Report); err != nil {
			b.Fatal(err)
		}
		plain += time.Since(began)
		began = time.Now()
		if err := report.WriteHTML(io.Discard, d); err != nil {
			b.Fatal(err)
		}
		html += time.Since(began)
	}
	b.ReportMetric(float64(html)/float64(plain), "x-json")
}
