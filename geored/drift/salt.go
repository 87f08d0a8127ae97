package drift

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
)

// Salt keeps digests of one record from being looked up in tables, and from being compared with those of another. It is no
// secret: what is short could still be guessed, so what looks like a secret has no digest at all (see [Salt.Leaves]).
type Salt string

// NewSalt is a random one.
func NewSalt() Salt { return Salt(rand.Text()) }

// digestLength is in bytes: enough to tell two values of one field apart.
const digestLength = 12

// Digest is a short digest of anything that is written as JSON.
func (s Salt) Digest(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		text = fmt.Appendf(nil, "%v", err) // of values that came from JSON it cannot fail
	}
	sum := hmac.New(sha256.New, []byte(s))
	sum.Write(text)
	return hex.EncodeToString(sum.Sum(nil)[:digestLength])
}

// secretName errs on the side of leaving out.
var secretName = regexp.MustCompile(`(?i)passw|passphrase|secret|token|credential|private|jaas|api[-_]?key|access[-_]?key|(^|\.)key$|salt$|htpasswd|auth$`)

// Leaves are the salted digests of the values of a tree, each under its path: "config.peers.0.endpoint". What is named like
// a secret is left out with all below it; leftOut counts how often.
func (s Salt) Leaves(tree map[string]any) (facts map[string]string, leftOut int) {
	facts = map[string]string{}
	for key, value := range tree {
		leftOut += s.leaves(facts, key, value)
	}
	return facts, leftOut
}

func (s Salt) leaves(facts map[string]string, path string, value any) (leftOut int) {
	if secretName.MatchString(path) {
		return 1
	}
	switch v := value.(type) {
	case map[string]any:
		if len(v) == 0 { // it says something too: an empty rule allows all, none nothing
			facts[path] = s.Digest(v)
		}
		if name, ok := v["name"].(string); ok && v["value"] != nil && secretName.MatchString(name) { // {name: DB_PASSWORD, value: …}
			return 1
		}
		for key, inner := range v {
			leftOut += s.leaves(facts, path+"."+key, inner)
		}
	case []any:
		if len(v) == 0 {
			facts[path] = s.Digest(v)
		}
		for i, inner := range v {
			leftOut += s.leaves(facts, fmt.Sprintf("%s.%d", path, i), inner)
		}
	default:
		facts[path] = s.Digest(v)
	}
	return leftOut
}
