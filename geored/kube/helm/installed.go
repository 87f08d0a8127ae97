package helm

import (
	"context"
	"encoding/json"
	"strings"

	"helm.sh/helm/v3/pkg/release"

	"github.com/georedkit/georedkit/geored/kube"
)

// Installed is the newest revision of a release, as it was found.
type Installed struct {
	Chart    string // name and version: "ice-kilo-2.0.10"
	Digest   string // the beginning of its archive's digest, where this package installed it. Zero: somebody else did
	Revision int
	Deployed bool
	Status   string // Helm's word for it
	// RollingBack says that it was made by a rollback that did not come to its end: killed, or refused.
	RollingBack bool
	Values      Values
	Manifest    string
}

// Decode reads the values into a struct.
func (i Installed) Decode(into any) error {
	text, err := json.Marshal(i.Values)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

// Objects are the objects that the revision consists of, without its hooks.
func (i Installed) Objects() ([]*kube.Object, error) { return kube.ReadObjects([]byte(i.Manifest)) }

// Installed finds a release, whoever installed it; false when there is none.
func (r Releases) Installed(ctx context.Context, name, namespace string) (Installed, bool, error) {
	last, err := r.last(ctx, name, namespace)
	if err != nil || last == nil || last.Info.Status == release.StatusUninstalled {
		return Installed{}, false, err
	}
	i := Installed{RollingBack: rollingBack(last.Info), Revision: last.Version, Deployed: last.Info.Status == release.StatusDeployed, Status: last.Info.Status.String(), Values: last.Config, Manifest: last.Manifest, Digest: last.Labels[digestLabel]}
	if last.Chart != nil && last.Chart.Metadata != nil {
		i.Chart = last.Chart.Metadata.Name + "-" + last.Chart.Metadata.Version
	}
	return i, true, nil
}

// Of says that the revision is of that very archive, and was installed by this package: who upgrades by hand to another one
// leaves the mark of the one before.
func (i Installed) Of(c Chart) bool {
	return i.Chart == c.String() && i.Digest == shortDigest(c.Digest)
}

// rollingBack: what failed is told from a failed upgrade by its description alone, which is Helm's, or ours where a run was
// killed.
func rollingBack(i *release.Info) bool {
	const pending = release.StatusPendingRollback
	return i.Status == pending || i.Status == release.StatusFailed && (strings.HasPrefix(i.Description, "Rollback ") || strings.Contains(i.Description, pending.String()))
}
