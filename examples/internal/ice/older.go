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
	return d.noVersion(ctx, "older", isOlder, "or upgrade to a newer one with ice-upgrade")
}

// NotNewer refuses a version that is newer than what a site has, as [Deployment.NotOlder] does: an installation asks for no
// backup, holds no gates and knows no way back.
func (d *Deployment) NotNewer(ctx context.Context) error {
	return d.noVersion(ctx, "newer", func(version, than string) bool { return isOlder(than, version) },
		"or upgrade with ice-upgrade; where the installation never came to its end, with helm by hand")
}

// noVersion refuses the version to install at the sites that have another one.
func (d *Deployment) noVersion(ctx context.Context, than string, refused func(wanted, have string) bool, remedy string) error {
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
		s.Reason = "whether " + wanted + " is " + than + " than what is installed cannot be told: " + s.Reason + "; see whether helm -n " + productNamespace + " list works with its kubeconfig"
		silent = append(silent, s)
	}
	var faults geored.Faults
	for t, have := range answers.All() {
		if refused(wanted, have) {
			faults = append(faults, geored.Fault{Site: t.Site, Field: "-chart-version", Value: wanted, Problem: fmt.Sprintf("is %s than %s, which is installed", than, have),
				Remedy: fmt.Sprintf("give -chart-version %s=%s, %s", ProductChart, have, remedy)})
		}
	}
	return errors.Join(append(silent, faults.Err())...)
}

// stillNotOlder asks once more, under the lock: somebody may have upgraded while this run waited for a person or the lock.
func (d *Deployment) stillNotOlder(ctx context.Context, site geored.SiteName) error {
	have, found, err := d.releases(site).Installed(ctx, productRelease, productNamespace)
	if err != nil {
		return geored.Retriable(err)
	}
	if wanted := d.charts.version(ProductChart); found && isOlder(wanted, versionOf(have.Chart)) {
		return fmt.Errorf("%s is installed at %s by now, and %s is older: start again with -chart-version %s=%s", versionOf(have.Chart), site, wanted, ProductChart, versionOf(have.Chart))
	}
	return nil
}

// versionOf is what stands behind the product's name in that of a chart with its version.
func versionOf(chart string) string { return strings.TrimPrefix(chart, ProductChart+"-") }

// isOlder compares numbers, not letters. Helm installs no chart whose version cannot be read.
func isOlder(version, than string) bool {
	a, err1 := semver.NewVersion(version)
	b, err2 := semver.NewVersion(than)
	return err1 == nil && err2 == nil && a.LessThan(b)
}
