package creds

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

var (
	plain = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9+/=._-]*(:[A-Za-z0-9+/=._-]+)*$`)
	// words are taken for something else than text by a reader of YAML 1.1.
	words = []string{"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
)

// scalar writes text as YAML: as it is where every reader takes it for text, else quoted.
func scalar(text string) string {
	if plain.MatchString(text) && !slices.Contains(words, strings.ToLower(text)) {
		return text
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		return `""` // a string always can
	}
	return string(quoted)
}
