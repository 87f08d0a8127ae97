package report_test

import (
	"fmt"
	"os"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/report"
)

// A document holds what was done and what was proven. Here something failed, so the report says what to do about it.
func ExampleWrite() {
	ways := []geored.Target{{Site: "paris", To: "london"}}
	finding := geored.Finding{Check: "mesh/path-mtu", Site: "paris", To: "london", Verdict: geored.Fail, Asked: ways,
		Message: "packets larger than 1320 bytes do not arrive", Remedy: "lower the tunnel's MTU to 1320"}
	d := report.Document{
		Title:    "our-install",
		Operator: "ada",
		Report:   geored.Report{Findings: []geored.Finding{finding}},
		Started:  time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC), Took: 72 * time.Second,
	}
	if err := report.Write(os.Stdout, ".txt", d); err != nil {
		fmt.Println(err)
	}
	// Output:
	// FAIL  1 check on 2 sites: 0 pass, 0 warn, 1 fail, 0 unknown  took 1m12s
	//   paris -> london  mesh fail
	//
	// fail         mesh/path-mtu  paris -> london
	//              packets larger than 1320 bytes do not arrive
	//              remedy: lower the tunnel's MTU to 1320
	//
	//   operator    ada
	//   started     2026-03-14 09:26:53 UTC
	//   took        1m12s
}
