package secrets

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"testing"
)

// recorder counts what a test is told.
type recorder struct {
	testing.TB
	errors int
}

func (r *recorder) Helper()               {}
func (r *recorder) Errorf(string, ...any) { r.errors++ }

const key = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n-----END PRIVATE KEY-----\n"

func TestASecretIsFoundHoweverItIsWritten(t *testing.T) {
	known := Secrets{`<pass"word>&more`, key}
	for i, secret := range known {
		inJSON, err := json.Marshal(map[string]string{"x": "before " + secret})
		if err != nil {
			t.Fatal(err)
		}
		for how, text := range map[string]string{"plain": "x" + secret + "y", "base64": base64.StdEncoding.EncodeToString([]byte(secret)),
			"JSON": string(inJSON), "HTML": "<td>" + html.EscapeString(secret) + "</td>"} {
			found := &recorder{TB: t}
			known.NotIn(found, how, []byte(text))
			if found.errors != 1 {
				t.Errorf("secret %d as %s: found %d times", i, how, found.errors)
			}
		}
	}
	for text, want := range map[string]int{"key: MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF": 1, "nothing of it": 0, "-----BEGIN PRIVATE KEY-----": 0} {
		found := &recorder{TB: t}
		known.NotIn(found, "text", []byte(text))
		if found.errors != want {
			t.Error(fmt.Sprint(text, ": found ", found.errors))
		}
	}
}
