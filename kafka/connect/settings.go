package connect

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// Settings is a connector's configuration. It may hold passwords: printing it in any form, JSON included, shows
// [Redacted] in their place. Index it, or give it to the client, to use the values.
type Settings map[string]string

// Redacted stands for a value that is not shown. It is geored's, which this package does without.
const Redacted = "[redacted]"

// secretKey errs on the side of hiding; "key.converter" and its like are no secrets.
var secretKey = regexp.MustCompile(`(?i)password|jaas|secret|token|credential|user\.info|\.key$|keystore\.(key|certificate)`)

// userInfo is a user with a password in a URL.
var userInfo = regexp.MustCompile(`://[^/@\s]*:[^/@\s]*@`)

// Shown is a copy that may be shown: what may be a secret is [Redacted].
func (s Settings) Shown() map[string]string {
	shown := maps.Clone(map[string]string(s))
	for key, value := range shown {
		if secretKey.MatchString(key) || userInfo.MatchString(value) {
			shown[key] = Redacted
		}
	}
	return shown
}

// String is the settings in one line, sorted, secrets redacted.
func (s Settings) String() string {
	shown := s.Shown()
	lines := make([]string, 0, len(shown))
	for _, key := range slices.Sorted(maps.Keys(shown)) {
		lines = append(lines, key+"="+shown[key])
	}
	return strings.Join(lines, " ")
}

// Format redacts under every verb.
func (s Settings) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// LogValue redacts in logs.
func (s Settings) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalJSON redacts in files.
func (s Settings) MarshalJSON() ([]byte, error) { return json.Marshal(s.Shown()) }

// MarshalYAML does so too, for encoders that ask for it.
func (s Settings) MarshalYAML() (any, error) { return s.Shown(), nil }

// PutSettings makes a connector, or changes its whole configuration.
func (c *Client) PutSettings(ctx context.Context, name string, s Settings) error {
	return c.call(ctx, http.MethodPut, path("connectors", name, "config"), map[string]string(s), nil)
}

// PatchSettings changes single settings of a connector (Kafka 3.8); an empty value cannot remove one.
func (c *Client) PatchSettings(ctx context.Context, name string, s Settings) error {
	return c.call(ctx, http.MethodPatch, path("connectors", name, "config"), map[string]string(s), nil)
}

// Settings gives the whole configuration of a connector. [ErrNotFound] when there is none.
func (c *Client) Settings(ctx context.Context, connector string) (Settings, error) {
	var s Settings
	err := c.get(ctx, path("connectors", connector, "config"), &s)
	return s, err
}
