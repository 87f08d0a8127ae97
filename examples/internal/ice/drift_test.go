package ice

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/creds"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/drift"
	"github.com/georedkit/georedkit/geored/geotest"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/connect"
	"github.com/georedkit/georedkit/kafka/kafkatest"
	"github.com/georedkit/georedkit/mesh/kilo"
)

const (
	nodePath     = "/api/v1/nodes/dc1-1"
	peerPath     = "/apis/kilo.squat.ai/v1alpha1/peers/dc2-1"
	corePath     = "/api/v1/namespaces/kube-system/configmaps/coredns-dc1"
	dnsPath      = "/api/v1/namespaces/kube-system/services/kube-dns"
	rolePath     = "/apis/rbac.authorization.k8s.io/v1/clusterroles/georedkit:kube-system:coredns"
	bindPath     = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/"
	tokenPath    = "/api/v1/namespaces/kube-system/secrets/dc2"
	kiloPath     = "/api/v1/namespaces/default/secrets/sh.helm.release.v1.kilo-dc1.v2"
	ringPath     = "/apis/apps/v1/namespaces/ice-cassandra/statefulsets/ice-dc1-rack1"
	mirrorPath   = "/apis/apps/v1/namespaces/ice-minio/deployments/minio-mirror"
	resourcePath = "/apis/kafka.strimzi.io/v1/namespaces/ice-kafka/kafkamirrormaker2s/mm-dc2"
	workerPath   = "/api/v1/namespaces/ice-kafka/pods/mm-dc2-mirrormaker2-0"
)

// releaseSecret is a release as Helm keeps it.
func releaseSecret(t *testing.T, name, namespace, chart string, revision int, values table) table {
	return releaseThatIs(t, "deployed", name, namespace, chart, revision, values)
}

// installedArchive is the digest of the charts that are installed.
var installedArchive = "sha256:" + strings.Repeat("abcd", 16)

func releaseThatIs(t *testing.T, status, name, namespace, chart string, revision int, values table, description ...string) table {
	t.Helper()
	text, err := json.Marshal(table{"name": name, "namespace": namespace, "version": revision, "config": values, "info": table{"status": status, "description": strings.Join(description, "")},
		"chart": table{"metadata": table{"name": chart, "version": "1.0.0"}}})
	if err != nil {
		t.Fatal(err)
	}
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return table{"kind": "Secret", "apiVersion": "v1", "type": "helm.sh/release.v1",
		"metadata": table{"name": fmt.Sprintf("sh.helm.release.v1.%s.v%d", name, revision), "namespace": namespace,
			"labels": table{"name": name, "owner": "helm", "status": status, "version": fmt.Sprint(revision), "georedkit-chart": installedArchive[len("sha256:"):][:40]}},
		"data": table{"release": base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString(zipped.Bytes())))}}
}

// copied is a Secret with an export of dc2 whose token dies at a time; zero: never.
func copied(t *testing.T, ends time.Time) table {
	t.Helper()
	claims := table{"iss": "x", "sub": "system:serviceaccount:kube-system:coredns"}
	if !ends.IsZero() {
		claims["exp"] = ends.Unix()
	}
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	token, err := creds.ParseToken("aGVhZGVy." + base64.RawURLEncoding.EncodeToString(text) + ".cGxhbnRlZC1zZWNyZXQ")
	if err != nil {
		t.Fatal(err)
	}
	data := table{}
	for key, value := range (creds.Export{Name: "dc2", Server: "https://10.130.0.1", CA: []byte("ca\n"), Account: dnsAccount(), Token: token}).Kubemcsa().Data {
		data[key] = []byte(value.Reveal())
	}
	return table{"kind": "Secret", "apiVersion": "v1", "type": "Opaque", "metadata": table{"name": "dc2", "namespace": "kube-system"}, "data": data}
}

func meta(name, namespace string) table {
	return table{"name": name, "namespace": namespace, "managedFields": []any{table{"manager": "kubectl-edit", "operation": "Update", "time": "2026-01-02T03:04:05Z", "fieldsType": "FieldsV1", "fieldsV1": table{"f:metadata": table{"f:annotations": table{"f:kilo.squat.ai/force-endpoint": table{}}}}}}}
}

// installed fills dc1's API server as an installation leaves it.
func installed(t *testing.T, a *apiServer) {
	t.Helper()
	node := meta("dc1-1", "")
	node["annotations"] = table{kilo.ForceEndpoint: "192.168.1.1:51820", kilo.EndpointKey: "192.168.1.1:51820", kilo.InternalIP: "192.168.1.1/24",
		kilo.Key: "CSqTnTGJQ1+J0VbRbsmJsMTLbPBzMYQwQbLJ1ELk1U4=", kilo.WireGuardIP: "10.80.0.1/16", kilo.PersistentKeepalive: "10"}
	a.put(nodePath, table{"kind": "Node", "apiVersion": "v1", "metadata": node, "spec": table{"podCIDRs": []string{"10.90.0.0/24"}}})
	a.put(peerPath, table{"kind": "Peer", "apiVersion": "kilo.squat.ai/v1alpha1", "metadata": table{"name": "dc2-1"},
		"spec": table{"publicKey": "k2", "allowedIPs": []string{"10.120.0.0/24", "10.110.0.1/32"}, "persistentKeepalive": 10, "endpoint": table{"port": 51820, "dnsOrIP": table{"ip": "192.168.1.2"}}}})
	a.put(kiloPath, releaseSecret(t, "kilo-dc1", "default", "ice-kilo", 2, table{"config": table{"enablePeers": true}, "password": "planted-secret"}))
	a.put("/api/v1/namespaces/default/secrets/sh.helm.release.v1.coredns-dc1.v1", releaseSecret(t, "coredns-dc1", "default", "ice-coredns", 1, table{}))
	a.put("/api/v1/namespaces/ice-release/secrets/sh.helm.release.v1.ice-helm-operator.v3", releaseSecret(t, "ice-helm-operator", "ice-release", "ice-helm-operator-develop", 3, table{}))
	a.put(corePath, table{"kind": "ConfigMap", "apiVersion": "v1", "metadata": meta("coredns-dc1", "kube-system"), "data": table{"Corefile": ".:53 {\n  kubernetai dc2\n}\n"}})
	a.put(dnsPath, table{"kind": "Service", "apiVersion": "v1", "metadata": meta("kube-dns", "kube-system"), "spec": table{"clusterIP": "10.100.0.10", "selector": table{"app": "coredns-dc1"}}})
	a.put("/apis/apps/v1/namespaces/kube-system/deployments/coredns-dc1", table{"kind": "Deployment", "apiVersion": "apps/v1", "metadata": table{"name": "coredns-dc1", "namespace": "kube-system"},
		"spec": table{"selector": table{"matchLabels": table{"app": "coredns-dc1"}}, "template": table{"metadata": table{"labels": table{"app": "coredns-dc1"}},
			"spec": table{"containers": []any{table{"name": "coredns", "image": "coredns:1"}}, "volumes": []any{table{"name": "c", "configMap": table{"name": "coredns-dc1"}}}}}}})
	a.put(rolePath, table{"kind": "ClusterRole", "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": meta("georedkit:kube-system:coredns", ""), "rules": []any{table{"apiGroups": []string{""}, "resources": []string{"services"}, "verbs": []string{"list", "watch"}}}})
	a.put(bindPath+"georedkit:kube-system:coredns", binding("georedkit:kube-system:coredns"))
	a.put(tokenPath, copied(t, time.Time{}))
	a.put(ringPath, table{"kind": "StatefulSet", "apiVersion": "apps/v1", "metadata": meta("ice-dc1-rack1", "ice-cassandra"), "spec": table{"replicas": 1, "template": table{"spec": table{"containers": []any{table{"name": "cassandra", "image": "c:1", "env": []any{table{"name": "SEEDS", "value": "a,b"}}}}}}}})
	a.put(mirrorPath, table{"kind": "Deployment", "apiVersion": "apps/v1", "metadata": meta("minio-mirror", "ice-minio"), "spec": table{"replicas": 1, "template": table{"spec": table{"containers": []any{table{"name": "mirror", "image": "mc:1", "args": []string{"mirror", "dc1/files", "planted-secret"}}}}}}})
	a.put(workerPath, table{"kind": "Pod", "apiVersion": "v1", "metadata": table{"name": "mm-dc2-mirrormaker2-0", "namespace": "ice-kafka", "labels": table{"strimzi.io/cluster": "mm-dc2"}}, "spec": table{"containers": []any{table{"name": "mm", "image": "mm:1"}}}})
}

func binding(role string) table {
	return table{"kind": "ClusterRoleBinding", "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": table{"name": role}, "roleRef": table{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
		"subjects": []any{table{"kind": "ServiceAccount", "namespace": "kube-system", "name": "coredns"}}}
}

// standing is a deployment whose first site stands, with that site's API server.
func standing(t *testing.T, o Options) (*Deployment, *apiServer) {
	t.Helper()
	d, servers := onServers(t, withApplications(2), o)
	installed(t, servers["dc1"])
	return d, servers["dc1"]
}

func areaOf(t *testing.T, d *Deployment, name string) area {
	t.Helper()
	areas := d.areas()
	i := slices.IndexFunc(areas, func(a area) bool { return a.name == name })
	if i < 0 {
		t.Fatalf("there is no area %s", name)
	}
	return areas[i]
}

// Whatever is changed past the installation is told: what, how it was recorded, by whom it was written, and who must mend it.
func TestEachDriftIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		area  string
		plant func(*testing.T, *apiServer)
		want  []string
	}{
		"an endpoint": {"peers", func(t *testing.T, a *apiServer) {
			a.change(t, nodePath, "203.0.113.9:51820", "metadata", "annotations", kilo.ForceEndpoint)
		},
			[]string{"node dc1-1: endpoint is 203.0.113.9:51820, recorded is 192.168.1.1:51820 (last written by kubectl-edit on 2026-01-02T03:04:05Z)", "its step annotate/dc1/dc1-1 mends it"}},
		"a key": {"peers", func(t *testing.T, a *apiServer) {
			a.change(t, nodePath, "u0Y3hNYzFMmXSZQeAkNsEtTQhw1bqCFcDZPlwe8GWkQ=", "metadata", "annotations", kilo.Key)
		}, []string{"node dc1-1: public key is u0Y3h", "annotate/dc1/dc1-1"}},
		"a peer's addresses": {"peers", func(t *testing.T, a *apiServer) { a.change(t, peerPath, []any{"10.120.0.0/16"}, "spec", "allowedIPs") },
			[]string{"peer dc2-1: allowed IPs is 10.120.0.0/16, recorded is 10.110.0.1/32, 10.120.0.0/24", "peers/dc1/part2"}},
		"one peer less": {"peers", func(_ *testing.T, a *apiServer) { a.remove(peerPath) }, []string{"peer dc2-1 is not there any more", "peers/dc1/part2"}},
		"one peer more": {"peers", func(_ *testing.T, a *apiServer) {
			a.put("/apis/kilo.squat.ai/v1alpha1/peers/mallory", table{"kind": "Peer", "apiVersion": "kilo.squat.ai/v1alpha1", "metadata": table{"name": "mallory"}, "spec": table{"publicKey": "m", "allowedIPs": []string{"0.0.0.0/0"}}})
		}, []string{"peer mallory is there, and was not recorded", "taken away by whoever added it"}},
		"the Corefile": {"dns", func(t *testing.T, a *apiServer) { a.change(t, corePath, ".:53 {\n}\n", "data", "Corefile") },
			[]string{"deployment kube-system/coredns-dc1: Corefile is digest", "last written by kubectl-edit", "taken back by whoever changed it"}},
		"the address of DNS": {"dns", func(t *testing.T, a *apiServer) { a.change(t, dnsPath, "10.100.0.11", "spec", "clusterIP") },
			[]string{"service kube-system/kube-dns: address is 10.100.0.11, recorded is 10.100.0.10", "run ice-install again"}},
		"a role": {"rbac", func(t *testing.T, a *apiServer) { a.change(t, rolePath, []any{"*"}, "rules", 0, "verbs") },
			[]string{"for account kube-system/coredns: rule 1 is * services, recorded is list watch services", "tokens/dc1/account"}},
		"one binding more": {"rbac", func(_ *testing.T, a *apiServer) { a.put(bindPath+"cluster-admin", binding("cluster-admin")) },
			[]string{"clusterrolebinding cluster-admin for account kube-system/coredns is there, and was not recorded", "deleted by whoever added it"}},
		"another token": {"tokens", func(t *testing.T, a *apiServer) { a.put(tokenPath, copied(t, time.Now().Add(1000*time.Hour))) },
			[]string{"secret kube-system/dc2: dies is 20", "what site dc2 gives out now"}},
		"no token": {"tokens", func(_ *testing.T, a *apiServer) { a.remove(tokenPath) }, []string{"secret kube-system/dc2 is not there any more", "its stage credentials"}},
		"a broken copy": {"tokens", func(t *testing.T, a *apiServer) { a.change(t, tokenPath, "eA==", "data", "config") },
			[]string{"secret kube-system/dc2: account is nothing, recorded is kube-system/coredns", "its stage credentials"}},
		"a value": {"releases", func(t *testing.T, a *apiServer) {
			a.put(kiloPath, releaseSecret(t, "kilo-dc1", "default", "ice-kilo", 2, table{"config": table{"enablePeers": false}, "password": "planted-secret"}))
		}, []string{"release default/kilo-dc1: value config.enablePeers is digest", "peers/dc1/part2"}},
		"an upgrade by hand": {"releases", func(t *testing.T, a *apiServer) {
			a.put(strings.Replace(kiloPath, "v2", "v3", 1), releaseSecret(t, "kilo-dc1", "default", "other-kilo", 3, table{"config": table{"enablePeers": true}, "password": "planted-secret"}))
		}, []string{"release default/kilo-dc1: chart is other-kilo-1.0.0, recorded is ice-kilo-1.0.0", "whoever upgraded it by hand rolls it back"}},
		"a release less": {"releases", func(_ *testing.T, a *apiServer) { a.remove(kiloPath) }, []string{"release default/kilo-dc1 is not there any more"}},
		"seeds": {"seeds", func(t *testing.T, a *apiServer) {
			a.change(t, ringPath, "a", "spec", "template", "spec", "containers", 0, "env", 0, "value")
		},
			[]string{"statefulset ice-cassandra/ice-dc1-rack1: seeds of cassandra is a, recorded is a,b (last written by kubectl-edit", "who looks after release ice-release/ice-helm-operator of dc1"}},
		"nodes of the ring": {"seeds", func(t *testing.T, a *apiServer) { a.change(t, ringPath, 0, "spec", "replicas") },
			[]string{"statefulset ice-cassandra/ice-dc1-rack1: nodes is 0, recorded is 1", "MultiCassKop's to say, in dc1"}},
		"a mirror that was stopped": {"mirrors", func(t *testing.T, a *apiServer) { a.change(t, mirrorPath, 0, "spec", "replicas") },
			[]string{"deployment ice-minio/minio-mirror: pods is 0, recorded is 1", "who looks after release ice-release/ice-helm-operator of dc1"}},
		"what a mirror copies": {"mirrors", func(t *testing.T, a *apiServer) {
			a.change(t, mirrorPath, []any{"mirror", "dc1/other", "planted-secret"}, "spec", "template", "spec", "containers", 0, "args")
		}, []string{"arguments of mirror is digest ", "who looks after release ice-release/ice-helm-operator of dc1"}},
		"a worker less": {"mirrors", func(_ *testing.T, a *apiServer) { a.remove(workerPath) }, []string{"workers of ice-kafka/mm-dc2: images is nothing, recorded is mm:1", "Strimzi's operator of dc1"}},
	} {
		t.Run(name, func(t *testing.T) {
			d, server := standing(t, Options{})
			a := areaOf(t, d, c.area)
			salt := drift.NewSalt()
			recorded, err := a.read(t.Context(), "dc1", salt)
			if err != nil {
				t.Fatal(err)
			}
			if text, err := json.Marshal(recorded); err != nil || bytes.Contains(text, []byte("planted")) || bytes.Contains(text, []byte("cGxhbnRlZC1zZWNyZXQ")) {
				t.Errorf("a secret stands in the record: %s, %v", text, err)
			}
			if f := judgeDrift(a, compared{recorded: a.named(recorded), now: recorded, at: time.Now()}); f.Verdict != geored.Pass {
				t.Fatalf("nothing drifted, and: %+v", f)
			}
			c.plant(t, server)
			now, err := a.read(t.Context(), "dc1", salt)
			if err != nil {
				t.Fatal(err)
			}
			f := judgeDrift(a, compared{recorded: recorded, now: a.named(now), at: time.Now()})
			said := f.Message + "\n" + strings.Join(f.Evidence, "\n") + "\n" + f.Remedy
			for _, want := range c.want {
				if f.Verdict != geored.Fail || !strings.Contains(said, want) {
					t.Errorf("%s, without %q:\n%s", f.Verdict, want, said)
				}
			}
		})
	}
}

// A release that went forth and back is no drift.
func TestARevisionAloneIsNoDrift(t *testing.T) {
	d, server := standing(t, Options{})
	a, salt := areaOf(t, d, "releases"), drift.NewSalt()
	recorded, err := a.read(t.Context(), "dc1", salt)
	if err != nil {
		t.Fatal(err)
	}
	server.put(strings.Replace(kiloPath, "v2", "v4", 1), releaseSecret(t, "kilo-dc1", "default", "ice-kilo", 4, table{"config": table{"enablePeers": true}, "password": "planted-secret"}))
	now, err := a.read(t.Context(), "dc1", salt)
	if f := judgeDrift(a, compared{recorded: recorded, now: now}); err != nil || f.Verdict != geored.Pass {
		t.Errorf("%+v, %v", f, err)
	}
}

// What a mirror is told to do is compared path by path.
func TestDriftOfAMirror(t *testing.T) {
	d, server := standing(t, Options{})
	server.put(resourcePath, table{"apiVersion": "kafka.strimzi.io/v1", "kind": "KafkaMirrorMaker2", "metadata": meta("mm-dc2", "ice-kafka"),
		"spec": table{"replicas": 1, "target": table{"alias": "dc1", "authentication": table{"password": "planted"}}, "mirrors": []any{table{"topicsPattern": ".*"}}}})
	server.put("/apis/kafka.strimzi.io", table{"kind": "APIGroup", "apiVersion": "v1", "name": "kafka.strimzi.io", "versions": []any{table{"groupVersion": "kafka.strimzi.io/v1", "version": "v1"}}})
	a, salt, m := areaOf(t, d, "connectors"), drift.NewSalt(), kafka.Mirror{From: "dc2", To: "dc1"}
	read := func() []drift.Thing {
		thing, err := d.resourceThing(t.Context(), m, "revision 1", salt)
		if err != nil || strings.Contains(fmt.Sprint(thing), "planted") {
			t.Fatal(thing, err)
		}
		return a.named([]drift.Thing{thing})
	}
	was := read()
	server.change(t, resourcePath, "orders", "spec", "mirrors", 0, "topicsPattern")
	f := judgeDrift(a, compared{recorded: was, now: read()})
	if f.Verdict != geored.Fail || !strings.Contains(f.Message, "kafkamirrormaker2 ice-kafka/mm-dc2: spec.mirrors.0.topicsPattern is digest") ||
		!strings.Contains(f.Message, "last written by kubectl-edit") || !strings.Contains(f.Remedy, "who looks after release") {
		t.Errorf("%+v", f)
	}
}

// A connector is compared setting by setting, and no secret is kept.
func TestDriftOfAConnector(t *testing.T) {
	a := areaOf(t, productOf(t, 2), "connectors")
	thing := func(s connect.Settings) []drift.Thing {
		return a.named([]drift.Thing{{Name: "connector dc2->dc1.MirrorSourceConnector", Facts: settingFacts(s), Mends: "the operator"}})
	}
	was := thing(connect.Settings{"topics": ".*", "sasl.jaas.config": "planted"})
	if text := fmt.Sprint(was); strings.Contains(text, "planted") || !strings.Contains(text, "settings left out as secrets:1") {
		t.Error(text)
	}
	f := judgeDrift(a, compared{recorded: was, now: thing(connect.Settings{"topics": "orders", "sasl.jaas.config": "planted"})})
	if f.Verdict != geored.Fail || f.Message != "connector dc2->dc1.MirrorSourceConnector: topics is orders, recorded is .*" || f.Remedy != "the operator" {
		t.Errorf("%+v", f)
	}
}

// connecting puts dc2's mirror into dc1, and leads what asks for its worker to a Connect.
func connecting(a *apiServer, url string) {
	const name = "mm-dc2-mirrormaker2-api"
	a.put("/apis/kafka.strimzi.io", table{"kind": "APIGroup", "apiVersion": "v1", "name": "kafka.strimzi.io", "versions": []any{table{"groupVersion": "kafka.strimzi.io/v1", "version": "v1"}}})
	a.put(resourcePath, table{"apiVersion": "kafka.strimzi.io/v1", "kind": "KafkaMirrorMaker2", "metadata": meta("mm-dc2", "ice-kafka"), "spec": table{"replicas": 1, "mirrors": []any{table{"topicsPattern": ".*"}}}})
	a.put("/api/v1/namespaces/ice-kafka/services/"+name, table{"kind": "Service", "apiVersion": "v1", "metadata": table{"name": name, "namespace": "ice-kafka"},
		"spec": table{"clusterIP": "10.100.0.77", "ports": []any{table{"name": "rest-api", "port": 8083}}}})
	a.put("/apis/discovery.k8s.io/v1/namespaces/ice-kafka/endpointslices/"+name, table{"kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1", "addressType": "IPv4",
		"metadata": table{"name": name, "namespace": "ice-kafka", "labels": table{"kubernetes.io/service-name": name}}, "ports": []any{table{"name": "rest-api", "port": 8083}},
		"endpoints": []any{table{"addresses": []string{"10.90.0.9"}, "targetRef": table{"kind": "Pod", "namespace": "ice-kafka", "name": "mm-dc2-mirrormaker2-0"}}}})
	a.mu.Lock()
	defer a.mu.Unlock()
	a.port = strings.TrimPrefix(url, "http://")
}

// What Strimzi is told and what Connect runs are held against the record together; while Connect is silent nothing is told.
func TestConnectorsAreHeldAgainstTheirRecord(t *testing.T) {
	d, server := standing(t, Options{})
	world := kafkatest.New(t, "dc1", "dc2")
	connecting(server, world.ConnectURL("dc1"))
	tasks, err := d.recordStage().Bind(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := tasks[0].Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	worker, err := connect.New(connect.Config{URL: world.ConnectURL("dc1")})
	if err != nil {
		t.Fatal(err)
	}
	source := (kafka.Mirror{From: "dc2", To: "dc1"}).Connector(kafka.SourceConnector)
	recorded, err := worker.Settings(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var mend func(context.Context) error
	for _, c := range []struct {
		name       string
		spoil      func()
		want       geored.Verdict
		says, mend string
		restore    func()
	}{
		{"another setting", func() {
			other := maps.Clone(recorded)
			other["topics"] = "orders"
			must(worker.PutSettings(t.Context(), source, other))
		}, geored.Fail, "connector " + source + ": topics is orders, recorded is .*", "who wrote to Connect past it must stop",
			func() { must(worker.PutSettings(t.Context(), source, recorded)) }},
		{"one connector more", func() { must(worker.PutSettings(t.Context(), "mallory", recorded)) }, geored.Fail, "connector mallory is there, and was not recorded", "Strimzi's operator of dc1",
			func() { must(worker.Delete(t.Context(), "mallory")) }},
		{"one connector less", func() { must(worker.Delete(t.Context(), source)) }, geored.Fail, "connector " + source + " is not there any more", "Strimzi's operator of dc1",
			func() { must(worker.PutSettings(t.Context(), source, recorded)) }},
		{"another resource", func() { server.change(t, resourcePath, "orders", "spec", "mirrors", 0, "topicsPattern") }, geored.Fail,
			"kafkamirrormaker2 ice-kafka/mm-dc2: spec.mirrors.0.topicsPattern is digest", "who looks after release",
			func() { server.change(t, resourcePath, ".*", "spec", "mirrors", 0, "topicsPattern") }},
		{"Connect is silent", func() {
			var err error
			mend, err = world.Inject(t.Context(), kafkatest.WorkerKilled, geored.Target{Site: "dc1"})
			must(err)
		}, geored.Unknown, "dc1 record did not answer", "", func() { must(mend(t.Context())) }},
	} {
		c.spoil()
		if f := proven1(t, d, CheckDriftConnectors); f.Site != "dc1" || f.Verdict != c.want || !strings.Contains(f.Message, c.says) || !strings.Contains(f.Remedy, c.mend) {
			t.Errorf("%s: %+v", c.name, f)
		}
		c.restore()
		if f := proven1(t, d, CheckDriftConnectors); f.Site != "dc1" || f.Verdict != geored.Pass || !strings.HasPrefix(f.Message, "4 things") {
			t.Errorf("behind %s: %+v", c.name, f)
		}
	}
}

// A token is told of while there is time, and fails once it is over.
func TestATokenNearItsEnd(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for left, want := range map[time.Duration]geored.Verdict{30 * 24 * time.Hour: geored.Pass, 13 * 24 * time.Hour: geored.Warn, 0: geored.Fail, -time.Hour: geored.Fail} {
		things := []drift.Thing{{Area: "tokens", Name: "secret a/b", Facts: map[string]string{dies: now.Add(left).Format(time.RFC3339)}, Mends: "run it again"},
			{Area: "tokens", Name: "secret a/c", Facts: map[string]string{dies: "never"}}}
		f := judgeDrift(area{name: "tokens"}, compared{recorded: things, now: things, at: now})
		if f.Verdict != want || want != geored.Pass && (f.Remedy != "run it again" || !strings.Contains(f.Message, "secret a/b dies on")) {
			t.Errorf("%v left: %+v", left, f)
		}
	}
}

// recording is a joined deployment of which dc1 stands, and its record step.
func recording(t *testing.T) (*Deployment, *apiServer, geored.Task) {
	t.Helper()
	d, servers := onServers(t, good, Options{})
	installed(t, servers["dc1"])
	tasks, err := d.recordStage().Bind(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return d, servers["dc1"], tasks[0]
}

func proven1(t *testing.T, d *Deployment, id geored.CheckID) geored.Finding {
	t.Helper()
	checks := slices.DeleteFunc(d.driftChecks(), func(c geored.Check) bool { return c.ID != id })
	report, err := geored.Prove(t.Context(), geored.CheckConfig{}, checks...)
	if err != nil || len(report.Findings) != 2 {
		t.Fatalf("%+v, %v", report, err)
	}
	return report.Findings[0]
}

var joined1 = []geored.CheckID{CheckDriftRecord, CheckDriftPlan, CheckDriftReleases, CheckDriftPeers, CheckDriftDNS, CheckDriftRBAC, CheckDriftTokens}

// Without a record nothing passes; with it all does; and what was changed by hand is not recorded by running again.
func TestTheRecordOfAnInstallation(t *testing.T) {
	d, server, task := recording(t)
	for _, id := range joined1 {
		if f := proven1(t, d, id); f.Verdict != geored.Unknown || f.Site != "dc1" || !strings.Contains(f.Message, "run ice-install") {
			t.Errorf("without a record: %+v", f)
		}
	}
	apply := func() {
		t.Helper()
		if err := task.Apply(t.Context()); err != nil {
			t.Fatal(err)
		}
		if state, err := task.Observe(t.Context()); err != nil || !state.Done {
			t.Fatalf("%+v, %v", state, err)
		}
	}
	if state, err := task.Observe(t.Context()); err != nil || state.Done {
		t.Fatalf("%+v, %v", state, err)
	}
	apply()
	for _, id := range joined1 {
		if f := proven1(t, d, id); f.Verdict != geored.Pass {
			t.Errorf("nothing drifted: %+v", f)
		}
	}
	server.change(t, peerPath, []any{"10.0.0.0/8"}, "spec", "allowedIPs")
	apply()
	if f := proven1(t, d, CheckDriftPeers); f.Verdict != geored.Fail || !strings.Contains(f.Message, "peer dc2-1: allowed IPs is 10.0.0.0/8") {
		t.Errorf("a drift was recorded as meant: %+v", f)
	}
	server.put(strings.Replace(kiloPath, "v2", "v3", 1), releaseSecret(t, "kilo-dc1", "default", "ice-kilo", 3, table{}))
	if state, err := task.Observe(t.Context()); err != nil || state.Done {
		t.Errorf("another revision is recorded already: %+v, %v", state, err)
	}
	apply()
	if f := proven1(t, d, CheckDriftPeers); f.Verdict != geored.Pass {
		t.Errorf("what came with a new revision is a drift: %+v", f)
	}

	server.silent = true
	for _, id := range joined1 {
		if f := proven1(t, d, id); f.Verdict != geored.Unknown || f.Site != "dc1" {
			t.Errorf("of a site that does not answer: %+v", f)
		}
	}
	server.silent = false
	if err := task.Undo(t.Context()); err != nil {
		t.Fatal(err)
	}
	if state, err := task.Gone(t.Context()); err != nil || !state.Done {
		t.Errorf("%+v, %v", state, err)
	}
	if err := task.Undo(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestARecordOfSomethingElse(t *testing.T) {
	d, server, task := recording(t)
	if err := task.Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	const path = "/api/v1/namespaces/kube-system/configmaps/ice-install"
	whole := server.objects[path]["data"].(table)["record"].(string)
	for name, c := range map[string]struct {
		plant func()
		id    geored.CheckID
		want  string
	}{
		"changed by hand":  {func() { server.change(t, path, strings.Replace(whole, "k2", "k3", 1), "data", "record") }, CheckDriftRecord, "somebody changed it"},
		"another cluster":  {func() { server.change(t, "/api/v1/namespaces/kube-system", "new", "metadata", "uid") }, CheckDriftRecord, "another cluster"},
		"another topology": {func() { d.options.Images.Probe = "other:1"; d.mesh.Ends["dc1"] = otherImage(d.mesh.Ends["dc1"]) }, CheckDriftPlan, "the topology and the record disagree in"},
	} {
		server.change(t, path, whole, "data", "record")
		server.change(t, "/api/v1/namespaces/kube-system", "uid-dc1", "metadata", "uid")
		if f := proven1(t, d, c.id); f.Verdict != geored.Pass {
			t.Fatalf("%s: before: %+v", name, f)
		}
		c.plant()
		if f := proven1(t, d, c.id); f.Verdict != geored.Fail || !strings.Contains(f.Message, c.want) || f.Remedy == "" {
			t.Errorf("%s: %+v", name, f)
		}
		d, server, task = recording(t)
		if err := task.Apply(t.Context()); err != nil {
			t.Fatal(err)
		}
		whole = server.objects[path]["data"].(table)["record"].(string)
	}
	server.change(t, path, "{", "data", "record")
	if state, err := task.Observe(t.Context()); err != nil || state.Done {
		t.Errorf("a record that cannot be read is kept: %+v, %v", state, err)
	}
	if err := task.Apply(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestPlansThatDisagree(t *testing.T) {
	r := drift.Record{Wanted: map[geored.StepID]string{"a": "sha256:1", "b": "sha256:2"}}
	for name, c := range map[string]struct {
		now  map[geored.StepID]string
		want string
	}{
		"the same":   {map[geored.StepID]string{"a": "sha256:1", "b": "sha256:2"}, ""},
		"one moved":  {map[geored.StepID]string{"a": "sha256:9", "b": "sha256:2"}, "a: the topology asks for sha256:9…, recorded is sha256:1…"},
		"one more":   {map[geored.StepID]string{"a": "sha256:1", "b": "sha256:2", "c": "sha256:3"}, "c: the topology asks for sha256:3…, and nothing was recorded"},
		"one less":   {map[geored.StepID]string{"a": "sha256:1"}, "b: the topology does not ask for it, recorded is sha256:2…"},
		"none there": {nil, "a: the topology does not ask for it"},
	} {
		f := judgePlan(r, c.now)
		if passes := f.Verdict == geored.Pass; passes != (c.want == "") || !strings.Contains(strings.Join(f.Evidence, "\n"), c.want) {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// Opened for reading, the whole of the installation cannot change a site, and its checks do not try.
func TestChecksCannotWrite(t *testing.T) {
	d, servers := onServers(t, withApplications(2), Options{ReadOnly: true})
	for _, a := range servers {
		installed(t, a)
	}
	if _, err := geored.Prove(t.Context(), geored.CheckConfig{Budget: 5 * time.Second}, d.Checks()...); err != nil {
		t.Fatal(err)
	}
	tried := 0
	soon := func(do func(context.Context) error) error { // some wait for what is not there
		ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
		defer stop()
		return do(ctx)
	}
	for _, stage := range d.Install().Stages {
		var tasks []geored.Task
		err := soon(func(ctx context.Context) (err error) {
			tasks, err = stage.Bind(ctx)
			return err
		})
		if err != nil {
			continue // without charts and keys some cannot be bound
		}
		for _, task := range tasks {
			for _, write := range []func(context.Context) error{task.Apply, task.Undo} {
				if write == nil {
					continue
				}
				if err := soon(write); errors.Is(err, kube.ErrReadOnly) {
					tried++
				}
			}
		}
	}
	if tried < 5 {
		t.Errorf("only %d steps tried to write and were refused", tried)
	}
	for site, a := range servers {
		requests := a.requests()
		for _, request := range requests {
			_, program, executes := strings.Cut(request, "/exec ")
			reads := strings.HasPrefix(request, "GET ") || strings.HasSuffix(request, "/selfsubjectaccessreviews")
			if executes && !onlyReads(strings.Fields(program)) || !executes && !reads {
				t.Errorf("%s: %s", site, request)
			}
		}
		if len(requests) < 20 {
			t.Errorf("%s was asked only %d times", site, len(requests))
		}
	}
}

func TestProgramsThatChecksMayExecute(t *testing.T) {
	for text, want := range map[string]bool{"/probe ask clock": true, "nodetool status": true, "nodetool describecluster": true, "nodetool repair": false,
		"nodetool status; rm": false, "nodetool": false, "cqlsh -e x": false, "": false} {
		if got := onlyReads(strings.Fields(text)); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}

// Every check of a drift keeps the rule of every verdict.
func TestHonestyOfDrift(t *testing.T) {
	record, err := drift.Record{Site: "dc1", Cluster: "x", Wanted: map[geored.StepID]string{"a": "b"}}.Sealed()
	if err != nil {
		t.Fatal(err)
	}
	answers := map[geored.Target]recordSeen{}
	for _, site := range []geored.SiteName{"dc1", "dc2", "dc3"} {
		r := record
		r.Site = site
		answers[geored.Target{Site: site}] = recordSeen{r, nil, "x"}
	}
	geotest.HonestAnswers(t, CheckDriftRecord, answers, func(a geored.Answers[recordSeen]) []geored.Finding { return a.Each(judgeRecord) })
	honest(t, CheckDriftPlan, record, alone(func(r drift.Record) geored.Finding { return judgePlan(r, record.Wanted) }))
	things := []drift.Thing{{Area: "x", Name: "y", Facts: map[string]string{"a": "b"}}}
	for _, id := range []geored.CheckID{CheckDriftReleases, CheckDriftPeers, CheckDriftDNS, CheckDriftRBAC, CheckDriftTokens, CheckDriftSeeds, CheckDriftConnectors, CheckDriftMirrors} {
		honest(t, id, compared{recorded: things, now: things}, alone(func(c compared) geored.Finding { return judgeDrift(area{name: "x"}, c) }))
	}
}
