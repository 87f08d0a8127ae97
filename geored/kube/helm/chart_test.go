package helm

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/release"

	"github.com/georedkit/georedkit/geored/kube"
)

func selfSignedCertificate(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func pulled(t *testing.T) Chart {
	t.Helper()
	_, repository := serve(t, "sample", "2.0.10", sample)
	chart, err := repository.Pull(t.Context(), "sample", "2.0.10")
	if err != nil {
		t.Fatal(err)
	}
	return chart
}

func TestChartTellsWhichValuesItRefuses(t *testing.T) {
	sampled := pulled(t)
	cases := map[string]struct{ values, want string }{
		"as it is":          {"{}", ""},
		"all of it":         {"replicas: 2\nconfig: {cidr: 10.80.0.0/16}", ""},
		"an unknown key":    {"replica: 2", "values: additional properties 'replica' not allowed; see the values of chart sample-2.0.10"},
		"an unknown inside": {"config: {cdir: x}", "values config: additional properties 'cdir' not allowed"},
		"another kind":      {"replicas: two", "values replicas: got string, want integer"},
		"text for a table":  {"config: " + secretPassword, "values config: is no table, and the chart has one there"},
		"table for a value": {"replicas: {a: 1}", "values replicas: is a table, and the chart has none there"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			values, err := ParseValues([]byte(c.values))
			if err != nil {
				t.Fatal(err)
			}
			err = sampled.Faults(values).Err()
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), secretPassword)):
				t.Errorf("faults: %v\nwant: %s", err, c.want)
			}
		})
	}
}

// What a schema says of a value may repeat it: of those complaints only the place is told.
func TestAFaultRepeatsNoValue(t *testing.T) {
	c := Chart{Name: "sample", Version: "1"}
	for text, want := range map[string]string{
		"'/smtp/password': '" + secretPassword + "' does not match pattern '^[a-z]{40}$'": "values smtp.password: do not fit the chart's schema",
		"'/smtp/mail': '" + secretPassword + "' is not valid email: no @":                 "values smtp.mail: do not fit the chart's schema",
		"'/smtp': missing properties 'user', 'password'":                                  "values smtp: missing properties 'user', 'password'",
		"'/replicas': got string, want integer":                                           "values replicas: got string, want integer",
	} {
		if got := c.schemaFault(text).Error(); !strings.Contains(got, want) || strings.Contains(got, secretPassword) {
			t.Errorf("%s\nwant: %s", got, want)
		}
	}
	if faults := (Chart{}).Faults(Values{}); len(faults) != 1 || faults[0].Field != "chart" {
		t.Errorf("a chart that is none: %v", faults)
	}
}

func TestRenderNeedsNoCluster(t *testing.T) {
	w := Release{Name: "kilo-dc1", Namespace: "kube-system", Chart: pulled(t), Values: Values{"config": map[string]any{"cidr": "10.80.0.0/16"}}}
	for range 2 { // rendering leaves the chart as it is
		objects, err := w.Chart.Render(w)
		if err != nil || len(objects) != 1 || objects[0].GetName() != "kilo-dc1" {
			t.Fatalf("%v %v", objects, err)
		}
		if data := objects[0].Object["data"].(map[string]any); data["cidr"] != "10.80.0.0/16" {
			t.Error(data)
		}
	}
	w.Values = Values{"nonsense": true}
	if _, err := w.Chart.Render(w); err == nil || !strings.Contains(err.Error(), "'nonsense' not allowed") {
		t.Error(err)
	}
}

// A chart is used more than once, and Helm writes into what it is given: aliases, conditions and imports must hold each time.
func TestDependenciesHoldEachTime(t *testing.T) {
	show := func(value string) []*chart.File {
		return []*chart.File{{Name: "templates/it.yaml", Data: []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Chart.Name }}}\ndata: {value: {{ " + value + " | quote }}}\n")}}
	}
	redis := &chart.Chart{Metadata: &chart.Metadata{APIVersion: "v2", Name: "redis", Version: "1.0.0"}, Templates: show(".Values.size"),
		Values: map[string]any{"size": "small", "export": map[string]any{"port": "6379"}}, Schema: []byte(`{"properties": {"size": {"type": "string"}}}`)}
	outer := &chart.Chart{Metadata: &chart.Metadata{APIVersion: "v2", Name: "outer", Version: "1.0.0", Dependencies: []*chart.Dependency{{Name: "redis", Version: "1.0.0",
		Alias: "cache", Condition: "cache.enabled", ImportValues: []any{map[string]any{"child": "export", "parent": "imported"}}}}}, Templates: show(`(default (dict "port" "none") .Values.imported).port`)}
	outer.AddDependency(redis)
	c := Chart{Name: "outer", Version: "1.0.0", chart: outer}
	render := func(cache map[string]any) map[string]any {
		t.Helper()
		w := Release{Name: "it", Namespace: "space", Chart: c, Values: Values{"cache": cache}}
		objects, err := c.Render(w)
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]any{}
		for _, o := range objects {
			found[o.GetName()] = o.Object["data"].(map[string]any)["value"]
		}
		return found
	}
	for range 2 {
		if got, want := render(map[string]any{"enabled": true, "size": "large"}), (map[string]any{"outer": "6379", "cache": "large"}); !reflect.DeepEqual(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		if got := render(map[string]any{"enabled": false}); len(got) != 1 || got["outer"] != "none" {
			t.Errorf("switched off, and there are %v", got)
		}
	}
	if faults := c.Faults(Values{"cache": map[string]any{"enabled": true, "size": 3}}); len(faults) == 0 {
		t.Error("what the dependency refuses is no fault")
	}
	if faults := c.Faults(Values{"cache": map[string]any{"enabled": false, "size": 3}}); len(faults) > 0 {
		t.Errorf("what is switched off refuses values: %v", faults)
	}
}

func TestMergeIsHelms(t *testing.T) {
	parse := func(text string) Values {
		values, err := ParseValues([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return values
	}
	got := Merge(parse("a: {b: 1, c: 2}\nlist: [1, 2]\nkeep: x"), parse("a: {c: 3}\nlist: [9]"), parse("a: {d: {e: 1}}"))
	if want := parse("a: {b: 1, c: 3, d: {e: 1}}\nlist: [9]\nkeep: x"); !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if _, err := ParseValues([]byte("a: 1\na: 2")); err == nil {
		t.Error("a key stands twice, and nobody said so")
	}
	if empty, err := ParseValues(nil); err != nil || empty == nil {
		t.Error(empty, err)
	}
}

func TestWhatAReleaseLacks(t *testing.T) {
	wanted := Release{Name: "r", Chart: pulled(t), Values: Values{"config": map[string]any{"cidr": "new"}, "replicas": 1}}
	good := func() *release.Release {
		return &release.Release{Info: &release.Info{Status: release.StatusDeployed}, Labels: wanted.labels(),
			Chart: &chart.Chart{Metadata: &chart.Metadata{Name: "sample", Version: "2.0.10"}}, Config: map[string]any{"config": map[string]any{"cidr": "new"}, "replicas": 1.0}}
	}
	cases := map[string]struct {
		spoil func(*release.Release)
		want  string
	}{
		"nothing":         {func(r *release.Release) { r.Labels[editedLabel] = "" }, ""},
		"another version": {func(r *release.Release) { r.Chart.Metadata.Version = "2.0.9" }, "has chart sample-2.0.9, not sample-2.0.10"},
		"another archive": {func(r *release.Release) { r.Labels[digestLabel] = "0" }, "was not installed from this archive"},
		"another value":   {func(r *release.Release) { r.Config["config"].(map[string]any)["cidr"] = secretPassword }, "has another value of config.cidr"},
		"a value more":    {func(r *release.Release) { r.Config["more"] = 1 }, "has another value of more"},
		"it failed":       {func(r *release.Release) { r.Info.Status = release.StatusFailed; r.Info.Description = "timed out" }, "is failed: timed out"},
		"it is pending":   {func(r *release.Release) { r.Info.Status = release.StatusPendingInstall }, "is pending-install"},
		"it was edited":   {func(r *release.Release) { r.Labels[editedLabel] = "x" }, `was edited as "x", not as ""`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			live := good()
			live.Labels[editedLabel] = ""
			c.spoil(live)
			got, err := wanted.missing(live)
			if err != nil || (got == "") != (c.want == "") || !strings.HasPrefix(got, c.want) || strings.Contains(got, secretPassword) {
				t.Errorf("%q %v, want %q", got, err, c.want)
			}
		})
	}
	if got, _ := wanted.missing(nil); got != "is not installed" {
		t.Error(got)
	}
}

// Who upgrades by hand leaves the mark of the archive before: neither the name nor the mark alone says whose it is.
func TestWhichArchiveARevisionIsOf(t *testing.T) {
	c := Chart{Name: "a", Version: "1", Digest: "sha256:" + strings.Repeat("ab", 32)}
	mark := shortDigest(c.Digest)
	if i := (Installed{Chart: "a-1", Digest: mark}); !i.Of(c) {
		t.Errorf("%+v is not of %s", i, c)
	}
	for _, i := range []Installed{{Chart: "a-2", Digest: mark}, {Chart: "a-1", Digest: "other"}, {Chart: "a-1"}, {Digest: mark}} {
		if i.Of(c) {
			t.Errorf("%+v is of %s", i, c)
		}
	}
}

func TestConflictsNameOwnerAndRemedy(t *testing.T) {
	w := Release{Name: "coredns-dc1", Namespace: "kube-system", Adopt: true}
	conflicts := []Conflict{{Object: "service/kube-dns", In: "kube-system"}, {Object: "clusterrole/coredns", Owner: "release kube-system/other"}}
	err := w.refused(conflicts)
	if err == nil || strings.Contains(err.Error(), "service/kube-dns") || !strings.Contains(err.Error(), "clusterrole/coredns is there already and it belongs to release kube-system/other") {
		t.Errorf("with adoption: %v", err)
	}
	w.Adopt = false
	err = w.refused(conflicts)
	if err == nil || !strings.Contains(err.Error(), "kubectl -n kube-system label --overwrite service/kube-dns app.kubernetes.io/managed-by=Helm && kubectl -n kube-system annotate --overwrite service/kube-dns meta.helm.sh/release-name=coredns-dc1 meta.helm.sh/release-namespace=kube-system") {
		t.Errorf("without adoption: %v", err)
	}
}

func TestEditChangesWhatIsSent(t *testing.T) {
	w := Release{Edit: func(objects []*kube.Object) ([]*kube.Object, error) {
		objects[0].SetName("edited")
		return objects, nil
	}}
	objects, err := pulled(t).Render(Release{Name: "r", Values: Values{}})
	if err != nil {
		t.Fatal(err)
	}
	out, err := w.renderer().Run(mustBuffer(t, objects))
	if err != nil || !strings.Contains(out.String(), `"name":"edited"`) {
		t.Error(out, err)
	}
}

func mustBuffer(t *testing.T, objects []*kube.Object) *bytes.Buffer {
	t.Helper()
	text, err := json.Marshal(objects[0].Object)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.NewBuffer(text)
}
