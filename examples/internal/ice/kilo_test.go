package ice

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage"
	"helm.sh/helm/v3/pkg/storage/driver"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/geored/kube/helm"
	"github.com/georedkit/georedkit/mesh/kilo"
)

// releasedWith is a cluster that has Kilo's release in that state with those values; without a state it has none.
func releasedWith(t *testing.T, status release.Status, values string) *kube.Cluster {
	t.Helper()
	secrets := fake.NewClientset().CoreV1().Secrets(releaseNamespace)
	if status != "" {
		config := map[string]any{}
		if err := json.Unmarshal([]byte(values), &config); err != nil {
			t.Fatal(err)
		}
		installed := &release.Release{Name: kiloRelease("dc1"), Namespace: releaseNamespace, Version: 2, Info: &release.Info{Status: status}, Config: config}
		if err := storage.Init(driver.NewSecrets(secrets)).Create(installed); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		list, err := secrets.List(r.Context(), metav1.ListOptions{LabelSelector: r.URL.Query().Get("labelSelector")})
		if err != nil || r.Method != http.MethodGet {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		list.Kind, list.APIVersion = "SecretList", "v1"
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(list)
	}))
	t.Cleanup(server.Close)
	cluster, err := kube.New("dc1", &rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return cluster
}

// A release that has its peers keeps them when Kilo is installed again, whatever is laid over its values: without them the
// sites would be apart until the peers' own step. Anything else begins without peers.
func TestPeersAreKeptWhenKiloIsInstalledAgain(t *testing.T) {
	const (
		peer    = `{"name":"dc2-1","allowedIPs":["10.110.0.1/32"],"endpoint":{"ip":"192.168.1.106","port":51820},"publicKey":"k","persistentKeepalive":10}`
		without = `{"config":{"multidatacenter":{"wgCIDR":"10.80.0.0/16"},"peers":[]}}`
		with    = `{"config":{"multidatacenter":{"wgCIDR":"10.80.0.0/16"},"enablePeers":true,"peers":[` + peer + `]}}`
	)
	for name, c := range map[string]struct {
		status     release.Status
		have, want string
	}{
		"not installed":              {"", "", without},
		"without peers":              {release.StatusDeployed, without, without},
		"with peers":                 {release.StatusDeployed, with, with},
		"with more laid over it":     {release.StatusDeployed, with[:len(with)-1] + `,"lab":{"granularity":"full"}}`, with},
		"peers that are not enabled": {release.StatusDeployed, `{"config":{"multidatacenter":{"wgCIDR":"10.80.0.0/16"},"peers":[` + peer + `]}}`, without},
		"of another range":           {release.StatusDeployed, `{"config":{"multidatacenter":{"wgCIDR":"10.4.0.0/16"},"enablePeers":true,"peers":[` + peer + `]}}`, without},
		"left pending":               {release.StatusPendingUpgrade, with, without},
		"by another program":         {release.StatusDeployed, `{"config":7}`, without},
	} {
		t.Run(name, func(t *testing.T) {
			d := opened(t)
			d.Clusters["dc1"] = releasedWith(t, c.status, c.have)
			got, err := d.firstPart(t.Context(), d.mesh.Network.Sites[0])
			if err != nil {
				t.Fatal(err)
			}
			want, err := helm.ParseValues([]byte(c.want))
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%v, want %v, %v", got, want, err)
			}
		})
	}
	d := opened(t) // of a cluster that does not answer
	if _, err := d.firstPart(t.Context(), d.mesh.Network.Sites[0]); err == nil {
		t.Error("nobody knows whether it has peers, and it goes on")
	}
}

// A node that has just started leads beside the one that leads: the plan is made when it has heard of the others.
func TestPlanWaitsUntilKiloHasTurnedOver(t *testing.T) {
	d, servers := onServers(t, good, Options{})
	node := func(site, name, own, wireGuard string) {
		annotations := table{kilo.EndpointKey: own + ":51820", kilo.InternalIP: own + "/24", kilo.GranularityKey: "location", kilo.Key: wireGuardKeys[name]}
		if wireGuard != "" {
			annotations[kilo.WireGuardIP] = wireGuard
		}
		servers[geored.SiteName(site)].put("/api/v1/nodes/"+name, table{"kind": "Node", "apiVersion": "v1", "metadata": table{"name": name, "annotations": annotations}, "spec": table{"podCIDRs": []string{"10.90.0.0/24"}}})
	}
	node("dc2", "dc2-1", "192.168.1.106", "10.110.0.1/16")
	node("dc1", "dc1-1", "192.168.1.105", "10.80.0.1/16")
	node("dc1", "dc1-2", "192.168.1.107", "10.80.0.1/16")
	if _, err := d.mesh.Plan(d.mesh.Observe(t.Context())); err == nil || !strings.Contains(err.Error(), "has 2 leaders") {
		t.Fatalf("%v", err)
	}
	given, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := d.turnedOver(given); err == nil {
		t.Error("two leaders are planned with")
	}
	go func() {
		time.Sleep(300 * time.Millisecond)
		node("dc1", "dc1-2", "192.168.1.107", "")
	}()
	if _, err := d.turnedOver(t.Context()); err != nil {
		t.Error(err)
	}
}

var wireGuardKeys = map[string]string{"dc1-1": "CSqTnTGJQ1+J0VbRbsmJsMTLbPBzMYQwQbLJ1ELk1U4=", "dc1-2": "ASqTnTGJQ1+J0VbRbsmJsMTLbPBzMYQwQbLJ1ELk1U4=", "dc2-1": "BSqTnTGJQ1+J0VbRbsmJsMTLbPBzMYQwQbLJ1ELk1U4="}
