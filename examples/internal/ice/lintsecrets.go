package ice

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

var secretKey = regexp.MustCompile(`(?i)(password|passwd|secret|token|api_?key)$`)

// secrets faults what is secret and stands in a values file: Helm keeps such a file in every revision of the release, and
// the guide's commands leave it on the disk (ICE guide, appendices A and C). What was written is never shown.
func (l *linter) secrets(site geored.SiteName, file, at string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			path := strings.TrimPrefix(at+"."+key, ".")
			if text, ok := v[key].(string); ok && text != "" && secretKey.MatchString(key) && !placeholder.MatchString(text) {
				l.fault(site, file+": "+path, "", "is a secret that stands in a file of values", "leave it out, and name a file that holds it: applications.mail.passwordFile of the topology")
			}
			l.secrets(site, file, path, v[key])
		}
	case []any:
		for i, item := range v {
			l.secrets(site, file, fmt.Sprintf("%s[%d]", at, i), item)
		}
	}
}
