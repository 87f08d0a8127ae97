package ice

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/geored/probe"
	"github.com/georedkit/georedkit/mesh"
	meshkube "github.com/georedkit/georedkit/mesh/kube"
)

// onFile is what the API server of a good site says; anything else is not found.
var onFile = map[string]string{
	"/version":      `{"major":"1","minor":"33","gitVersion":"v1.33.4"}`,
	"/api/v1/nodes": `{"kind":"NodeList","apiVersion":"v1","items":[{"metadata":{"name":"n1"},"spec":{"podCIDR":"10.90.0.0/24","podCIDRs":["10.90.0.0/24"]}}]}`,
	"/apis/storage.k8s.io/v1/storageclasses": `{"kind":"StorageClassList","apiVersion":"storage.k8s.io/v1","items":[{"metadata":{"name":"local",
"annotations":{"storageclass.kubernetes.io/is-default-class":"true"}},"provisioner":"x"}]}`,
	"/api/v1/namespaces/kube-flannel/configmaps/kube-flannel-cfg": `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"kube-flannel-cfg"},
"data":{"net-conf.json":"{\"Backend\":{\"Type\":\"host-gw\"}}"}}`,
}

// recordedSites are sites whose API servers answer from what is on file, unless the answer was taken away.
func recordedSites(t *testing.T, answers *geotest.Recorded) *Deployment {
	t.Helper()
	d := &Deployment{Clusters: map[geored.SiteName]*kube.Cluster{}, mesh: meshkube.KiloMesh{}}
	for _, name := range []geored.SiteName{"dc1", "dc2"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if answers.Answer(fmt.Sprintf("%s: %s", name, r.URL.Path)) != nil {
				w.WriteHeader(http.StatusForbidden)
				fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","message":"forbidden","code":403}`)
			} else if text, ok := onFile[r.URL.Path]; ok {
				fmt.Fprint(w, text)
			} else {
				w.WriteHeader(http.StatusNotFound)
				fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","message":"not found","code":404}`)
			}
		}))
		t.Cleanup(server.Close)
		cluster, err := kube.New(name, &rest.Config{Host: server.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}})
		if err != nil {
			t.Fatal(err)
		}
		d.Clusters[name] = cluster
		site := mesh.Site{Site: geored.Site{Name: name, Pods: []netip.Prefix{netip.MustParsePrefix("10.90.0.0/16")}}}
		d.mesh.Network.Sites = append(d.mesh.Network.Sites, site)
		d.Topology.Sites = append(d.Topology.Sites, Site{Site: site})
	}
	return d
}

// With any answer of any API server removed, no check passes.
func TestHonesty(t *testing.T) {
	for _, id := range []geored.CheckID{CheckVersion, CheckRanges, CheckStorageClass, CheckCNI} {
		t.Run(string(id), func(t *testing.T) {
			geotest.Honest(t, id, func(answers *geotest.Recorded) []geored.Check { return recordedSites(t, answers).Preflight() })
		})
	}
}

// Without the clock of any site, the clocks are not said to agree.
func TestHonestClocks(t *testing.T) {
	skew := probe.Skew{Ahead: time.Millisecond, Error: time.Millisecond}
	clocks := map[geored.Target]probe.Skew{{Site: "dc1"}: skew, {Site: "dc2"}: skew, {Site: "dc3"}: skew}
	geotest.HonestAnswers(t, "site/clock", clocks, func(a geored.Answers[probe.Skew]) []geored.Finding {
		return []geored.Finding{judgeClocks(a)}
	})
}
