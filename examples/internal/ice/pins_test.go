package ice

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube/helm"
)

// archive is a chart that says no more than its name, its version and a description.
func archive(t *testing.T, name, version, description string) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	files := tar.NewWriter(zipped)
	text := fmt.Sprintf("apiVersion: v2\nname: %s\nversion: %s\ndescription: %s\n", name, version, description)
	if err := files.WriteHeader(&tar.Header{Name: name + "/Chart.yaml", Mode: 0o600, Size: int64(len(text))}); err != nil {
		t.Fatal(err)
	}
	if _, err := files.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := files.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// repository serves the charts, with a description that may change.
func repository(t *testing.T, description *string) helm.Repository {
	t.Helper()
	versions := map[string]string{KiloChart: KiloVersion, CoreDNSChart: CoreDNSVersion, ProductChart: ProductVersion}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/index.yaml" {
			fmt.Fprint(w, "apiVersion: v1\nentries:\n")
			for name, version := range versions {
				fmt.Fprintf(w, "  %s: [{name: %s, version: %s, urls: [%s.tgz]}]\n", name, name, version, name)
			}
			return
		}
		name := strings.Trim(strings.TrimSuffix(r.URL.Path, ".tgz"), "/")
		if versions[name] == "" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(archive(t, name, versions[name], *description)) // the test sees what does not come
	}))
	t.Cleanup(server.Close)
	return helm.Repository{URL: server.URL, CA: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})}
}

// The archive that was reviewed is the one that is installed: one that was published anew under the same version is told.
func TestThePlanPinsTheArchives(t *testing.T) {
	description := "first"
	charts := Charts{Repository: repository(t, &description)}
	plan := func() geored.Plan {
		d := opened(t)
		d.charts = newPulled(charts)
		pins, err := d.Pins(t.Context())
		if err != nil || len(pins) != 2 || !strings.HasPrefix(pins[0].Digest, "sha256:") {
			t.Fatal(pins, err)
		}
		plan, err := d.Install().Plan(pins, nil)
		if err != nil {
			t.Fatal(err)
		}
		return plan
	}
	reviewed := plan()
	if moves := reviewed.Moves(plan(), nil); len(moves) > 0 {
		t.Errorf("nothing moved, and %v", moves)
	}
	description = "second"
	moves := reviewed.Moves(plan(), nil)
	if len(moves) != 2 || !strings.HasPrefix(moves[1].String(), "input chart ice-kilo 2.0.10: changed from sha256:") && !strings.HasPrefix(moves[0].String(), "input chart ice-kilo 2.0.10: changed from sha256:") {
		t.Errorf("%v", moves)
	}
	d := opened(t)
	d.charts = newPulled(Charts{Repository: helm.Repository{URL: "https://127.0.0.1:1"}})
	if _, err := d.Pins(t.Context()); err == nil {
		t.Error("a repository that does not answer pins nothing, and nobody said so")
	}
}
