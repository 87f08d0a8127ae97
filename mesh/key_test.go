package mesh_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/georedkit/georedkit/mesh"
)

// Vectors of RFC 7748 section 6.1, in base64.
const (
	alicePrivate = "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo="
	alicePublic  = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="
)

func TestPublicKeyOfPrivateKey(t *testing.T) {
	private, err := mesh.ParsePrivateKey(alicePrivate)
	if err != nil {
		t.Fatal(err)
	}
	if got := private.Public().String(); got != alicePublic {
		t.Errorf("public key %s", got)
	}
	again, err := mesh.ParsePrivateKey(private.Reveal())
	if err != nil || !again.Equal(private) || again.Reveal() != "cAdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LGo=" {
		t.Errorf("not clamped, or not the same again: %v", err)
	}
	if private.Equal(mesh.PrivateKey{}) || !(mesh.PrivateKey{}).Equal(mesh.PrivateKey{}) || private.Equal(testKey(t, 1)) {
		t.Error("keys that differ are equal, or the reverse")
	}
}

func TestPrivateKeyShowsItselfNowhere(t *testing.T) {
	private := testKey(t, 7)
	nested := struct {
		hidden mesh.PrivateKey
		Shown  *mesh.PrivateKey
	}{private, &private}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%b", "%c", "%o", "%U", "%t", "%08.3f"} {
		fmt.Fprintf(&out, verb+"\n", private)
		fmt.Fprintf(&out, verb+"\n", &private)
		fmt.Fprintf(&out, verb+"\n", nested)
		fmt.Fprintf(&out, verb+"\n", []mesh.PrivateKey{private})
		fmt.Fprintf(&out, verb+"\n", map[string]any{"k": private})
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("key", "key", private, "nested", nested)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("key", "key", private, "nested", nested)
	if err := json.NewEncoder(&out).Encode(nested); err != nil {
		t.Fatal(err)
	}
	raw := decode(t, private.Reveal())
	for _, form := range []string{private.Reveal(), fmt.Sprintf("%x", raw), fmt.Sprintf("%X", raw), fmt.Sprint(raw)[1:60], fmt.Sprintf("%#v", raw)[8:40], string(raw)} {
		if strings.Contains(out.String(), form) {
			t.Errorf("shown as %.40q", form)
		}
	}
}

func TestKeyErrorsDoNotRepeatASecret(t *testing.T) {
	for _, bad := range []string{"short", alicePrivate[:43], alicePrivate + "A", alicePrivate + "\n", alicePrivate[:20], "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="} {
		_, err := mesh.ParsePrivateKey(bad)
		if err == nil || strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %v", bad, err)
		}
		if _, err := mesh.ParsePublicKey(bad); err == nil {
			t.Errorf("%q is no public key", bad)
		}
	}
	if _, err := mesh.NewPrivateKey(iotest.ErrReader(errors.New("no entropy"))); err == nil || !strings.Contains(err.Error(), "no entropy") {
		t.Errorf("no random bytes: %v", err)
	}
}

func TestKeysAsText(t *testing.T) {
	var public mesh.PublicKey
	if err := json.Unmarshal([]byte(`"`+alicePublic+`"`), &public); err != nil || public.String() != alicePublic {
		t.Errorf("%v, %v", public, err)
	}
	var private mesh.PrivateKey
	if err := json.Unmarshal([]byte(`"`+alicePrivate+`"`), &private); err != nil || private.Public() != public {
		t.Errorf("private key from JSON: %v", err)
	}
	text, _ := private.MarshalText()
	if err := private.UnmarshalText(text); err == nil {
		t.Error("the redacted form reads as a key")
	}
	if err := private.UnmarshalText(nil); err != nil || !private.IsZero() || !private.Public().IsZero() || private.Reveal() != "" {
		t.Errorf("nothing reads as a key: %v", err)
	}
	if err := public.UnmarshalText(nil); err != nil || !public.IsZero() || public.String() != "" {
		t.Errorf("nothing reads as a key: %v", err)
	}
}

func FuzzParsePublicKey(f *testing.F) {
	f.Add(alicePublic)
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		key, err := mesh.ParsePublicKey(text)
		if err == nil && key.String() != text {
			t.Errorf("%q reads as %q", text, key)
		}
	})
}

func decode(t *testing.T, text string) []byte {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
