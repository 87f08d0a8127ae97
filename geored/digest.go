package geored

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
)

// DigestOf is the digest of anything that is written as JSON: what a step wants, or an input. Leave secrets out of what
// is given, or put a keyed hash in their place: short ones could be guessed from a digest.
func DigestOf(parts ...any) (string, error) {
	hash := sha256.New()
	for _, part := range parts {
		text, err := json.Marshal(part) // keys of maps are sorted
		if err != nil {
			return "", fmt.Errorf("digest: %w", err)
		}
		fmt.Fprintf(hash, "%d:%s\n", len(text), text)
	}
	return fmt.Sprintf("sha256:%x", hash.Sum(nil)), nil
}
