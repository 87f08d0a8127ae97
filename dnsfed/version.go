package dnsfed

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Version is a release of CoreDNS. For kubernetai it is the CoreDNS that the plugin was compiled with. The zero value is
// no version.
type Version struct{ Major, Minor, Patch int }

// ParseVersion reads "1.12.3" or "v1.12.3", with or without a suffix behind a dash or plus, which does not count.
func ParseVersion(text string) (Version, error) {
	number, _, _ := strings.Cut(strings.TrimPrefix(text, "v"), "-")
	number, _, _ = strings.Cut(number, "+")
	parts := strings.Split(number, ".")
	var v [3]int
	if len(parts) != len(v) {
		return Version{}, fmt.Errorf("CoreDNS version %q: write it as 1.12.3", text)
	}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 16)
		if err != nil {
			return Version{}, fmt.Errorf("CoreDNS version %q: write it as 1.12.3", text)
		}
		v[i] = int(n)
	}
	return Version{v[0], v[1], v[2]}, nil
}

// String is the version as CoreDNS writes it.
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch) }

// IsZero says whether v is no version.
func (v Version) IsZero() bool { return v == Version{} }

// Compare is negative when v is older than w, positive when it is newer.
func (v Version) Compare(w Version) int {
	return cmp.Or(cmp.Compare(v.Major, w.Major), cmp.Compare(v.Minor, w.Minor), cmp.Compare(v.Patch, w.Patch))
}

// since is the first CoreDNS whose plugin kubernetes knows an option; the zero version is any that this package knows
// of (plugin/kubernetes/setup.go and the release notes).
var since = map[string]Version{
	"endpoint": {}, "tls": {}, "kubeconfig": {}, "namespaces": {}, "labels": {}, "namespace_labels": {}, "pods": {},
	"endpoint_pod_names": {}, "ttl": {}, "noendpoints": {}, "fallthrough": {}, "ignore": {},
	"multicluster":           {1, 12, 2},
	"startup_timeout":        {1, 12, 3},
	"apiserver_qps":          {1, 14, 0},
	"apiserver_burst":        {1, 14, 0},
	"apiserver_max_inflight": {1, 14, 0},
	"zonal":                  {1, 14, 7},
}

// knows says whether this CoreDNS has an option of the plugin kubernetes, and if not, why.
func (v Version) knows(option string) (bool, string) {
	first, known := since[option]
	switch {
	case !known:
		return false, "is no option of the plugin kubernetes"
	case v.Compare(first) < 0:
		return false, fmt.Sprintf("is not known to CoreDNS %s, but from %s on", v, first)
	}
	return true, ""
}
