//go:build !linux && !darwin

package cli

import "github.com/georedkit/georedkit/geored/report"

// usage is not measured here.
func usage() report.Usage { return report.Usage{} }
