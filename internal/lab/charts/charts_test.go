package charts_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/internal/lab/charts"
)

func embedded(t *testing.T) []charts.Chart {
	t.Helper()
	all, err := charts.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func unpack(t *testing.T, archive []byte) map[string]string {
	t.Helper()
	zipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	in := tar.NewReader(zipped)
	for {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = string(content)
	}
}

func TestEachVersionIsAChartOfItsOwn(t *testing.T) {
	found := map[string]string{}
	for _, c := range embedded(t) {
		files := unpack(t, c.Archive)
		manifest := files[c.Name+"/Chart.yaml"]
		lines := []string{"name: " + c.Name + "\n", `version: "` + c.Version + "\"\n"}
		if c.AppVersion != "" {
			lines = append(lines, `appVersion: "`+c.AppVersion+"\"\n")
		}
		for _, line := range lines {
			if !strings.Contains(manifest, "\n"+line) {
				t.Errorf("%s: Chart.yaml lacks %q:\n%s", c.FileName(), line, manifest)
			}
		}
		if _, ok := files[c.Name+"/versions"]; ok {
			t.Errorf("%s holds the list of versions", c.FileName())
		}
		if schema := files[c.Name+"/values.schema.json"]; !json.Valid([]byte(schema)) || !strings.Contains(schema, `"additionalProperties": false`) {
			t.Errorf("%s: no strict schema of its values", c.FileName())
		}
		found[c.Name+" "+c.Version] = c.AppVersion
	}
	for version, app := range map[string]string{"ice-kilo 2.0.10": "0.6", "ice-kilo 2.1.0": "0.7", "ice-coredns 3.5.41629": "1.15"} {
		if found[version] != app {
			t.Errorf("%s: application %q, want %q", version, found[version], app)
		}
	}
	// Files whose names begin with an underscore are easily left out.
	if _, ok := unpack(t, chart(t, "ice-coredns-3.5.41629.tgz").Archive)["ice-coredns/templates/_helpers.tpl"]; !ok {
		t.Error("_helpers.tpl is missing")
	}
}

func chart(t *testing.T, file string) charts.Chart {
	t.Helper()
	for _, c := range embedded(t) {
		if c.FileName() == file {
			return c
		}
	}
	t.Fatalf("no %s", file)
	return charts.Chart{}
}

func TestRepositoryKnowsItsUsers(t *testing.T) {
	handler, err := charts.Handler(embedded(t), charts.Login{User: "u", Password: "p"})
	if err != nil {
		t.Fatal(err)
	}
	get := func(path, user, password string) *http.Response {
		request := httptest.NewRequest(http.MethodGet, path, nil)
		if user != "" {
			request.SetBasicAuth(user, password)
		}
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		return recorder.Result()
	}
	for _, path := range []string{"/index.yaml", "/ice-kilo-2.0.10.tgz", "/nothing"} {
		for _, login := range [][2]string{{"", ""}, {"u", ""}, {"u", "wrong"}, {"wrong", "p"}} {
			if response := get(path, login[0], login[1]); response.StatusCode != http.StatusUnauthorized || response.Header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s as %v: %s", path, login, response.Status)
			}
		}
	}
	if response := get("/nothing", "u", "p"); response.StatusCode != http.StatusNotFound {
		t.Error(response.Status)
	}
	var index struct {
		Entries map[string][]struct {
			Version, Digest string
			URLs            []string
		}
	}
	if err := json.NewDecoder(get("/index.yaml", "u", "p").Body).Decode(&index); err != nil {
		t.Fatal(err)
	}
	served := 0
	for name, versions := range index.Entries {
		for _, v := range versions {
			archive, err := io.ReadAll(get("/"+v.URLs[0], "u", "p").Body)
			if err != nil {
				t.Fatal(err)
			}
			if sum := sha256.Sum256(archive); hex.EncodeToString(sum[:]) != v.Digest {
				t.Errorf("%s %s: the archive is another one than the index says", name, v.Version)
			}
			served++
		}
	}
	if served != len(embedded(t)) {
		t.Errorf("%d versions in the index, %d are embedded", served, len(embedded(t)))
	}
}
