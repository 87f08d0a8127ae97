// Package render renders the laboratory's charts without a laboratory.
package render

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/georedkit/georedkit/internal/lab/charts"
)

type table = map[string]any

// objects are those of a release, as "KIND NAMESPACE/NAME".
type objects map[string]*unstructured.Unstructured

// ice renders chart ice-helm-operator-develop.
func ice(version string, values table) (objects, error) {
	return renderedChart("ice-helm-operator-develop", version, values)
}

func renderedChart(name, version string, values table) (objects, error) {
	all, err := charts.Embedded()
	if err != nil {
		return nil, err
	}
	number := slices.IndexFunc(all, func(c charts.Chart) bool { return c.Name == name && c.Version == version })
	c, err := loader.LoadArchive(bytes.NewReader(all[number].Archive))
	if err != nil {
		return nil, err
	}
	options := chartutil.ReleaseOptions{Name: "ice-helm-operator", Namespace: "ice-release", IsInstall: true}
	given, err := chartutil.ToRenderValues(c, values, options, nil)
	if err != nil {
		return nil, err
	}
	files, err := engine.Render(c, given)
	if err != nil {
		return nil, err
	}
	found := objects{}
	for name, text := range files {
		decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
		for strings.HasSuffix(name, ".yaml") {
			o := &unstructured.Unstructured{}
			if err := decoder.Decode(o); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if len(o.Object) > 0 {
				found[fmt.Sprintf("%s %s/%s", o.GetKind(), o.GetNamespace(), o.GetName())] = o
			}
		}
	}
	return found, nil
}

// file reads one of the guide's values files, mended where it does not parse, with its placeholders filled in or not.
func file(t *testing.T, name string, filled bool) table {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	if filled {
		text = regexp.MustCompile(`___[A-Z0-9_]+?___|___[A-Z_]+__:__[A-Z_]+___`).ReplaceAll(text, []byte("x.example"))
	}
	var values table
	if err := json.Unmarshal(text, &values); err != nil {
		t.Fatal(err)
	}
	return values
}

func rendered(t *testing.T, version string, values table) objects {
	t.Helper()
	found, err := ice(version, values)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// set writes a value at a path of tables.
func set(values table, path string, value any) {
	keys := strings.Split(path, ".")
	for _, key := range keys[:len(keys)-1] {
		below, ok := values[key].(table)
		if !ok {
			below = table{}
			values[key] = below
		}
		values = below
	}
	values[keys[len(keys)-1]] = value
}

const version = "3.5.41629"

func TestGuidesFilesAreTakenOncePlaceholdersAreFilled(t *testing.T) {
	for name, placeholders := range map[string][]string{
		"ice_dc1": {"iceMinio/values/config/ingress/hosts/0", "iceIngress/values/host", "grafana.ini/smtp/password", "multicastInterfaceName", "merge.json/servers/0/url", "redirect.base.url"},
		"ice_dc2": {"iceMinio/values/config/ingress/hosts/0"}, "seed_dc2": {"multicastInterfaceName"}, "minimal_dc1": nil,
	} {
		if _, err := ice(version, file(t, name, true)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		_, err := ice(version, file(t, name, false))
		for _, placeholder := range placeholders {
			if err == nil || !strings.Contains(err.Error(), placeholder+"'") {
				t.Errorf("%s: the placeholder at %s is not told: %v", name, placeholder, err)
			}
		}
	}
}

func TestFaultyValuesAreRefused(t *testing.T) {
	for path, value := range map[string]any{
		"chart":                              table{},
		"charts.iceKafka":                    table{},
		"charts.iceMinio.multidatacenter":    table{},
		"charts.rallypoint.values.peers":     []any{},
		"charts.iceCassandra.values.casskop": true,
		"charts.instantConnectEnterprise.values.config.include.multicasskop":             true,
		"charts.instantConnectEnterprise.values.config.cassandra.replicationFactor":      0,
		"charts.instantConnectEnterprise.values.config.cassandra.nCassandraNodes":        3,
		"charts.instantConnectEnterprise.values.config.multidatacenter.currentDC":        "DC_1",
		"charts.instantConnectEnterprise.spec.timeout":                                   "3h",
		"charts.rallypoint.values.rallypoint.peerMeshes":                                 []any{"dc2"},
		"charts.iceMonitoring.values.grafana.grafana_ini":                                table{},
		"charts.instantConnectEnterprise.values.config.swaggerUI.json.merge.json":        "___X___",
		"charts.instantConnectEnterprise.values.env.arcusComponents.ipphone-bridge.base": "x",
	} {
		values := file(t, "ice_dc1", true)
		set(values, path, value)
		if _, err := ice(version, values); err == nil {
			t.Errorf("%s: %v is taken", path, value)
		}
	}
	if _, err := ice(version, table{}); err == nil || !strings.Contains(err.Error(), "name no site") {
		t.Errorf("no site: %v", err)
	}
}

// What there is follows the values: all in the first site, no applications in a seed, MultiCassKop in exactly one site.
func TestPartsFollowTheValues(t *testing.T) {
	everywhere := []string{
		"Namespace /ice-arcus", "Namespace /ice-cassandra", "Namespace /ice-kafka", "Namespace /ice-minio", "Namespace /ice-rallypoint",
		"StatefulSet ice-cassandra/ice-SITE-rack1", "Service ice-cassandra/ice-SITE-rack1", "Secret ice-cassandra/cassandra-credentials", "ServiceAccount ice-cassandra/cassandra-operator",
		"StatefulSet ice-kafka/kafka-SITE", "KafkaMirrorMaker2 ice-kafka/mm-OTHER", "StatefulSet ice-kafka/mm-OTHER-mirrormaker2", "Deployment ice-kafka/ksqldb",
		"StatefulSet ice-minio/minio", "Deployment ice-minio/minio-mirror", "Deployment ice-rallypoint/rallypoint", "Service ice-rallypoint/ice-rallypoint-discovery-SITE",
	}
	applications := []string{
		"Job ice-arcus/modelmanager-3.5.41629", "Deployment ice-arcus/platform-services", "Deployment ice-arcus/rest-bridge", "StatefulSet ice-arcus/elasticsearch-arcus-es-member",
		"Service ice-arcus/elasticsearch-arcus-es-member", "CronJob ice-arcus/elastic-sync-SITE", "Secret ice-arcus/init-superuser-pass",
	}
	const kop = "Deployment ice-cassandra/multi-casskop"
	for _, test := range []struct {
		file, site, other string
		with, without     []string
	}{
		{"ice_dc1", "dc1", "dc2", slices.Concat(everywhere, applications, []string{kop}), nil},
		{"seed_dc2", "dc2", "dc1", everywhere, append(applications, kop)},
		{"ice_dc2", "dc2", "dc1", slices.Concat(everywhere, applications), []string{kop}},
	} {
		found := rendered(t, version, file(t, test.file, true))
		names := strings.NewReplacer("SITE", test.site, "OTHER", test.other)
		for _, name := range test.with {
			if found[names.Replace(name)] == nil {
				t.Errorf("%s: no %s among %q", test.file, names.Replace(name), slices.Sorted(maps.Keys(found)))
			}
		}
		for _, name := range test.without {
			if found[names.Replace(name)] != nil {
				t.Errorf("%s: %s is there", test.file, names.Replace(name))
			}
		}
		for name, o := range found {
			if o.GetNamespace() == "" && o.GetKind() != "Namespace" {
				t.Errorf("%s: %s is in no namespace", test.file, name)
			}
		}
	}
	// Two switches for one thing.
	for _, path := range []string{"charts.iceCassandra.values.multi-casskop.enabled", "charts.instantConnectEnterprise.values.config.include.multiCassKop"} {
		values := file(t, "ice_dc1", true)
		set(values, path, false)
		if rendered(t, version, values)[kop] != nil {
			t.Errorf("%s is false, and MultiCassKop is there", path)
		}
	}
}

// What hangs until the credentials are there is the operator, by the Secret of each remote site, and nothing of the ring runs.
func TestTheRingWaitsForItsOperator(t *testing.T) {
	found := rendered(t, version, file(t, "ice_dc1", true))
	volumes, _, _ := unstructured.NestedSlice(found["Deployment ice-cassandra/multi-casskop"].Object, "spec", "template", "spec", "volumes")
	if len(volumes) != 1 || volumes[0].(table)["secret"].(table)["secretName"] != "dc2" {
		t.Errorf("its volumes: %v", volumes)
	}
	if n, _, _ := unstructured.NestedInt64(found["StatefulSet ice-cassandra/ice-dc1-rack1"].Object, "spec", "replicas"); n != 0 {
		t.Errorf("%d nodes", n)
	}
}

// When a seeded site is completed, no store of it starts again.
func TestCompletingASeedLeavesTheStoresAlone(t *testing.T) {
	seed, whole := rendered(t, version, file(t, "seed_dc2", true)), rendered(t, version, file(t, "ice_dc2", true))
	for name, o := range seed {
		other := whole[name]
		if other == nil {
			t.Errorf("%s goes", name)
			continue
		}
		before, after := fmt.Sprint(o.Object["spec"]), fmt.Sprint(other.Object["spec"])
		if before != after {
			t.Errorf("%s changes from %s to %s", name, before, after)
		}
	}
}

func TestEverySiteOfThreeHasATokenAndMirrorsOfItsOwn(t *testing.T) {
	tokens := map[string]bool{}
	for _, own := range []string{"dc1", "dc2", "dc3"} {
		values := file(t, "ice_dc1", true)
		const config = "charts.instantConnectEnterprise.values.config.multidatacenter."
		set(values, config+"currentDC", own)
		set(values, config+"dcs", []any{table{"name": "dc3"}, table{"name": "dc1"}, table{"name": "dc2"}})
		found := rendered(t, version, values)
		set := found["StatefulSet ice-cassandra/ice-"+own+"-rack1"]
		if set == nil {
			t.Fatalf("%s: no ring", own)
		}
		containers, _, _ := unstructured.NestedSlice(set.Object, "spec", "template", "spec", "containers")
		for _, e := range containers[0].(table)["env"].([]any) {
			if e.(table)["name"] == "TOKEN" {
				tokens[e.(table)["value"].(string)] = true
			}
		}
		for _, other := range []string{"dc1", "dc2", "dc3"} {
			if there := found["KafkaMirrorMaker2 ice-kafka/mm-"+other] != nil; there == (other == own) {
				t.Errorf("%s: a mirror of %s: %t", own, other, there)
			}
		}
	}
	if len(tokens) != 3 {
		t.Errorf("tokens: %v", tokens)
	}
}

func TestVersionsDiffer(t *testing.T) {
	images := map[string]bool{}
	timeouts := map[string]string{}
	for _, version := range []string{"3.5.41629", "3.5.41630", "3.5.41631"} {
		found := rendered(t, version, file(t, "ice_dc1", true))
		if found["Job ice-arcus/modelmanager-"+version] == nil {
			t.Errorf("%s: no modelmanager of its own", version)
		}
		containers, _, _ := unstructured.NestedSlice(found["Deployment ice-arcus/platform-services"].Object, "spec", "template", "spec", "containers")
		images[containers[0].(table)["image"].(string)] = true
		timeouts[version], _, _ = unstructured.NestedString(found["ConfigMap ice-arcus/ice-settings"].Object, "data", "SESSION_TIMEOUT")
	}
	if len(images) != 3 || timeouts["3.5.41629"] != "30m" || timeouts["3.5.41630"] != "45m" {
		t.Errorf("images %v, timeouts %v", images, timeouts)
	}
}

// With certificates nothing of ice-minio speaks without TLS, and without them nothing speaks of it.
func TestMinIOOverTLS(t *testing.T) {
	for _, secured := range []bool{false, true} {
		lab := table{"password": "correct horse", "mirrorWaits": true}
		if secured {
			lab["tls"] = table{"certificate": "c", "key": "k", "authority": "a"}
		}
		found, err := renderedChart("ice-minio", "3.5.41629", table{"multidatacenter": table{"currentDC": "dc1", "remoteDC": "dc2"}, "lab": lab})
		if err != nil {
			t.Fatal(err)
		}
		text := ""
		for name, o := range found {
			written, err := json.Marshal(o)
			if err != nil {
				t.Fatal(err)
			}
			text += name + string(written)
		}
		if plain := strings.Count(text, `"http://$(USER)`); secured != (plain == 0) {
			t.Errorf("secured %v: %d addresses without TLS", secured, plain)
		}
		for _, part := range []string{`"https://$(USER)`, "Secret ice-release/minio-certificate", `"scheme":"HTTPS"`, "--certs-dir", "SSL_CERT_FILE"} {
			if strings.Contains(text, part) != secured {
				t.Errorf("secured %v: %s", secured, part)
			}
		}
	}
	if _, err := renderedChart("ice-minio", "3.5.41629", table{"multidatacenter": table{"currentDC": "dc1"}, "lab": table{"tls": table{"certificate": "c"}}}); err == nil {
		t.Error("a certificate without its key is taken")
	}
}
