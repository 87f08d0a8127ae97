package labtest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
)

// ask asks the laboratory's chart repository, as the login says or with another password.
func (l *laboratory) ask(t *testing.T, path, password string) *http.Response {
	t.Helper()
	text, err := os.ReadFile(l.dir + "/ready.json")
	if err != nil {
		t.Fatal(err)
	}
	var ready struct {
		ChartRepo struct{ URL, CAFile, UserFile, PasswordFile string }
	}
	if err := json.Unmarshal(text, &ready); err != nil {
		t.Fatal(err)
	}
	repo := ready.ChartRepo
	if info, err := os.Stat(repo.PasswordFile); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info, err)
	}
	read := func(path string) string {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	if password == "" {
		password = read(repo.PasswordFile)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(read(repo.CAFile)))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, repo.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth(read(repo.UserFile), password)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

func (l *laboratory) chart(t *testing.T, file string) *chart.Chart {
	t.Helper()
	response := l.ask(t, "/"+file, "")
	if response.StatusCode != http.StatusOK {
		t.Fatal(response.Status)
	}
	c, err := loader.LoadArchive(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// render gives the objects of a chart, those of its CRDs first.
func render(c *chart.Chart, release string, values map[string]any) ([]*unstructured.Unstructured, error) {
	options := chartutil.ReleaseOptions{Name: release, Namespace: "default", IsInstall: true}
	all, err := chartutil.ToRenderValues(c, values, options, nil)
	if err != nil {
		return nil, err
	}
	files, err := engine.Render(c, all)
	if err != nil {
		return nil, err
	}
	var texts []string
	for _, crd := range c.CRDObjects() {
		texts = append(texts, string(crd.File.Data))
	}
	for name, text := range files {
		if strings.HasSuffix(name, ".yaml") {
			texts = append(texts, text)
		}
	}
	slices.SortFunc(texts[len(c.CRDObjects()):], strings.Compare)
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(strings.Join(texts, "\n---\n")), 4096)
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}

// install applies a chart of the laboratory's repository.
func (l *laboratory) install(t *testing.T, site site, file, release string, values map[string]any) {
	t.Helper()
	objects, err := render(l.chart(t, file), release, values)
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		// A CRD is known to the API a moment after it was made.
		eventually(t, "apply "+object.GetKind()+" "+object.GetName(), func() error {
			resource, err := site.resource(t, object)
			if err != nil {
				return err
			}
			text, err := json.Marshal(object)
			if err != nil {
				return err
			}
			force := true
			_, err = resource.Patch(t.Context(), object.GetName(), types.ApplyPatchType, text, metav1.PatchOptions{FieldManager: "labtest", Force: &force})
			return err
		})
	}
}

func (s site) resource(t *testing.T, object *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	t.Helper()
	config := s.config(t)
	asked, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	kind := object.GroupVersionKind()
	mapping, err := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(asked)).RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return nil, err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	if object.GetNamespace() != "" {
		return client.Resource(mapping.Resource).Namespace(object.GetNamespace()), nil
	}
	return client.Resource(mapping.Resource), nil
}

func values(t *testing.T, text string) map[string]any {
	t.Helper()
	var all map[string]any
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestChartRepositoryTurnsStrangersAway(t *testing.T) {
	if response := shared.ask(t, "/index.yaml", "wrong"); response.StatusCode != http.StatusUnauthorized {
		t.Error(response.Status)
	}
	response := shared.ask(t, "/index.yaml", "")
	text, err := io.ReadAll(response.Body)
	if err != nil || !bytes.Contains(text, []byte(`"ice-kilo"`)) {
		t.Errorf("%s %s %v", response.Status, text, err)
	}
}

// The guide's own files are taken, its typing mistakes that change no shape included; what it does not have is refused.
func TestChartsTakeTheGuidesValues(t *testing.T) {
	const peers = `{"config":{"multidatacenter":{"wgCIDR":"10.130.0.0/16"},"peers":[{"name":"dc1-1","allowedIPs":["10.90.0.0/16","10.80.0.1/32","10.100.0.0/16"],
		"endpoint":{"ip":"192.168.1.105","port":51820},"publicKey":"___PUBLIC_KEY_OF_KILO0_INTERFACE_ON_DC1___","persistentKeepalive":10}]%s}%s}`
	const dns = `{"config":{"multidatacenter":{"dcs":[{"name":"dc1","kubernetesEndpoint":"https://10.100.0.1"},{"name":"dc2","kubernetesEndpoint":"https://10.130.0.1"}],
		"dnsIP":"10.100.0.10"%s}}}`
	for _, test := range []struct{ name, file, values, fault string }{
		{"kilo part 1", "ice-kilo-2.0.10.tgz", `{"config":{"multidatacenter":{"wgCIDR":"10.80.0.0/16"},"peers":[]}}`, ""},
		{"kilo part 2", "ice-kilo-2.0.10.tgz", fmt.Sprintf(peers, `,"enablePeers":true`, ""), ""},
		{"an unknown value", "ice-kilo-2.0.10.tgz", fmt.Sprintf(peers, `,"enablePeer":true`, ""), "enablePeer"},
		{"an unknown value at the top", "ice-kilo-2.0.11.tgz", fmt.Sprintf(peers, "", `,"image":"x"`), "image"},
		{"no range", "ice-kilo-2.0.10.tgz", `{"config":{"peers":[]}}`, "wgCIDR"},
		{"coredns", "ice-coredns-3.5.41629.tgz", fmt.Sprintf(dns, ""), ""},
		{"coredns with its own site", "ice-coredns-3.5.41630.tgz", fmt.Sprintf(dns, `,"currentDC":"dc1"`), ""},
		{"coredns with an unknown value", "ice-coredns-3.5.41629.tgz", fmt.Sprintf(dns, `,"dnsip":"10.100.0.10"`), "dnsip"},
	} {
		objects, err := render(shared.chart(t, test.file), "r", values(t, test.values))
		switch {
		case test.fault == "" && (err != nil || len(objects) == 0):
			t.Errorf("%s: %d objects, %v", test.name, len(objects), err)
		case test.fault != "" && (err == nil || !strings.Contains(err.Error(), test.fault)):
			t.Errorf("%s: %v, want a fault that names %s", test.name, err, test.fault)
		}
	}
}

// Peers are made when they are enabled, and not before.
func TestPeersWaitToBeEnabled(t *testing.T) {
	const text = `{"config":{"multidatacenter":{"wgCIDR":"10.80.0.0/16"},"enablePeers":%t,"peers":[{"name":"a","allowedIPs":["10.120.0.0/24"],
		"endpoint":{"ip":"10.98.2.1","port":51820},"publicKey":"k"}]}}`
	for _, enabled := range []bool{false, true} {
		objects, err := render(shared.chart(t, "ice-kilo-2.0.10.tgz"), "r", values(t, fmt.Sprintf(text, enabled)))
		if err != nil {
			t.Fatal(err)
		}
		made := slices.ContainsFunc(objects, func(o *unstructured.Unstructured) bool { return o.GetKind() == "Peer" })
		if made != enabled {
			t.Errorf("enabled %t: a Peer is made: %t", enabled, made)
		}
	}
}
