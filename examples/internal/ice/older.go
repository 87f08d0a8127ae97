package ice

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/georedkit/georedkit/geored"
)

// NotOlder refuses a version of the product that is older than what a site has: its schema does not go back. All sites are
// told at once, before anything is changed: geored.Faults, and a geored.Silence for each that could not be asked.
func (d *Deployment) NotOlder(ctx context.Context) error {
	if d.Topology.Applications == nil {
		return nil
	}
	answers := geored.Ask(ctx, d.perSite(), func(ctx context.Context, t geored.Target) (string, error) {
		have, _, err := d.releases(t.Site).Installed(ctx, productRelease, productNamespace)
		return versionOf(have.Chart), err
	})
	wanted := d.charts.version(ProductChart)
	var silent []error
	for _, s := range answers.Unanswered() {
		s.Reason = "whether " + wanted + " is older than what is installed cannot be told: " + s.Reason + "; see whether helm -n " + productNamespace + " list works with its kubeconfig"
		silent = append(silent, s)
	}
	var faults geored.Faults
	for t, have := range answers.All() {
		if isOlder(wanted, have) {
			faults = append(faults, geored.Fault{Site: t.Site, Field: "-chart-version", Value: wanted, Problem: fmt.Sprintf("is older than %s, which is installed", have),
				Remedy: fmt.Sprintf("give -chart-version %s=%s, or upgrade to a newer one with ice-upgrade", ProductChart, have)})
		}
	}
	return errors.Join(append(silent, faults.Err())...)
}

// versionOf is what stands behind the product's name in that of a chart with its version.
func versionOf(chart string) string { return strings.TrimPrefix(chart, ProductChart+"-") }

// isOlder compares numbers, not letters. Helm installs no chart whose version cannot be read.
func isOlder(version, than string) bool {
	a, err1 := semver.NewVersion(version)
	b, err2 := semver.NewVersion(than)
	return err1 == nil && err2 == nil && a.LessThan(b)
}
