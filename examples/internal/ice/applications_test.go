package ice

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/creds"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
	"github.com/georedkit/georedkit/geored/kube/helm"
	"github.com/georedkit/georedkit/geored/probe"
	"github.com/georedkit/georedkit/objectstore"
)

const section = `
applications:
  multicastInterface: ens3
  ipPhoneBridge: true
  mail: {from: ice@example.org, fromName: ICE, server: "mail.example.org:587", user: apikey, passwordFile: mail.password}
  timeout: 20m
`

// withApplications is a topology of n sites with the product.
func withApplications(n int) string {
	var b strings.Builder
	b.WriteString("sites:\n")
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, "  - {name: dc%d, fqdn: ice.dc%[1]d.example.org, kubeconfig: dc%[1]d.kubeconfig, wireguardCIDR: 10.%d.0.0/16, podCIDR: 10.%d.0.0/16, serviceCIDR: 10.%d.0.0/16, nodes: [{name: dc%[1]d-1, internalIP: 192.168.1.%[1]d, endpoint: \"192.168.1.%[1]d:51820\", podCIDRs: [10.%[3]d.0.0/24]}]}\n", i, 10+3*i, 11+3*i, 12+3*i)
	}
	return b.String() + section
}

func TestApplicationsAreReadWithTheGuidesDefaults(t *testing.T) {
	topology, err := ParseTopology([]byte(good + "applications: {}\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := Applications{First: "dc1", MulticastInterface: "eth0", Retention: "7d", CassandraNodes: 1, ReplicationFactor: 1, Timeout: 3 * time.Hour}
	if got := *topology.Applications; got != want {
		t.Errorf("%+v", got)
	}
	if got := topology.In("/x").Applications; got == nil || *got != want {
		t.Errorf("%+v", got)
	}
	whole, err := ParseTopology([]byte(withApplications(2)))
	if err != nil {
		t.Fatal(err)
	}
	if got := whole.In("/x").Applications.Mail.PasswordFile; got != "/x/mail.password" {
		t.Error(got)
	}
}

func TestFaultyApplicationsAreToldAllAtOnce(t *testing.T) {
	faulty := strings.Replace(withApplications(2), "fqdn: ice.dc2.example.org", "fqdn: ___DC2_FQDN___", 1)
	faulty = strings.Replace(faulty, "ens3", "eth0 or so", 1) + "  first: dc9\n  retention: week\n  replicationFactor: 3\n"
	faulty = strings.Replace(strings.Replace(faulty, "mail.example.org:587", "___SMTP_SERVER___", 1), "20m", "soon", 1)
	_, err := ParseTopology([]byte(faulty))
	if err == nil {
		t.Fatal("it was taken")
	}
	for _, want := range []string{"fqdn ___DC2_FQDN___: is a placeholder", "multicastInterface", "first dc9: is none of the sites", "retention week", "replicationFactor 3",
		"mail.server", "___SMTP_SERVER___: is a placeholder", "timeout soon"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in:\n%v", want, err)
		}
	}
	for name, change := range map[string][2]string{"the same name twice": {"fqdn: ice.dc2", "fqdn: ice.dc1"}, "no name for one": {"fqdn: ice.dc2.example.org, ", ""}} {
		if _, err := ParseTopology([]byte(strings.Replace(withApplications(2), change[0], change[1], 1))); err == nil || !strings.Contains(err.Error(), "site dc2: fqdn") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// productOf is a deployment of n sites that answer nobody.
func productOf(t *testing.T, n int) *Deployment {
	t.Helper()
	return openedWith(t, withApplications(n))
}

func openedWith(t *testing.T, text string) *Deployment {
	t.Helper()
	topology, err := ParseTopology([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, site := range topology.Sites {
		file := "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\ncontexts: [{name: c, context: {cluster: c}}]\n"
		if err := os.WriteFile(filepath.Join(dir, string(site.Name)+".kubeconfig"), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "mail.password"), []byte("planted-password\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := Open(topology.In(dir), Options{Images: Images{Probe: "registry.example.org/probe:1"}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func productFiles(t *testing.T, d *Deployment) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, site := range d.Topology.Sites {
		if err := d.renderProduct(files, site.Name); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// What is rendered obeys the symmetry rules, for any number of sites, and holds no secret.
func TestRenderedValuesHaveNoFault(t *testing.T) {
	for _, n := range []int{2, 3, 5} {
		d := productOf(t, n)
		files, tree := productFiles(t, d), fstest.MapFS{}
		for name, text := range files {
			tree[name] = &fstest.MapFile{Data: text}
			if strings.Contains(string(text), "planted-password") {
				t.Errorf("%s holds the password", name)
			}
		}
		if len(files) != 2*n-1 {
			t.Errorf("%d sites: %d files", n, len(files))
		}
		for _, topology := range []string{"", withApplications(n)} {
			faults, err := Lint(tree, []byte(topology))
			if err != nil || len(faults) > 0 {
				t.Errorf("%d sites: %v\n%v", n, err, faults)
			}
		}
	}
}

func TestValuesAreThoseOfTheAppendices(t *testing.T) {
	d := productOf(t, 2)
	var dc1, seed, dc2 map[string]any
	files := productFiles(t, d)
	for name, into := range map[string]*map[string]any{"ice/ice_dc1.json": &dc1, "seed/seed_dc2.json": &seed, "ice/ice_dc2.json": &dc2} {
		if err := json.Unmarshal(files[name], into); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		in   map[string]any
		path string
		want any
	}{
		{dc1, "iceCassandra values multi-casskop k8s remote", []any{"dc2"}},
		{dc1, "instantConnectEnterprise values config include multiCassKop", true},
		{dc2, "instantConnectEnterprise values config include multiCassKop", false},
		{dc2, "iceCassandra values multi-casskop enabled", false},
		{dc1, "instantConnectEnterprise spec timeout", 1200.0},
		{dc2, "iceMinio values multidatacenter remoteDC", "dc1"},
		{dc2, "rallypoint values rallypoint peerMeshes", []any{"ice-rallypoint-discovery-dc1"}},
		{seed, "instantConnectEnterprise enabled", false},
		{seed, "rallypoint values reflector config multicastInterfaceName", "ens3"},
		{dc1, "iceMonitoring values grafana grafana.ini smtp host", "mail.example.org:587"},
		{dc1, "iceMonitoring values loki config table_manager retention_period", "7d"},
		{dc2, "iceIngress values host", "ice.dc2.example.org"},
		{dc2, "instantConnectEnterprise values config swaggerUI", table{"enabled": false, "mergeJson": true, "json": table{"merge.json": table{
			"servers": []any{table{"description": "public rest endpoint", "url": "https://ice.dc2.example.org/instant-connect"}}}}}},
		{dc2, "instantConnectEnterprise values env arcusComponents ipphone-bridge redirect.base.url", "https://ice.dc2.example.org/ipphone"},
	} {
		if got := lookup(c.in["charts"].(map[string]any), strings.Fields(c.path)...); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %v, want %v", c.path, got, c.want)
		}
	}
	secret, err := d.withPassword(d.productValues("dc1"))
	if err != nil || lookup(secret["charts"].(map[string]any), "iceMonitoring", "values", "grafana", "grafana.ini", "smtp", "password") != "planted-password" {
		t.Errorf("the mail server's password is not among the values that are installed: %v", err)
	}
	for _, step := range d.Install().Steps() {
		if strings.Contains(fmt.Sprintf("%+v", step), "planted-password") {
			t.Errorf("step %s holds the password", step.ID)
		}
	}
}

func TestLintNamesAsymmetry(t *testing.T) {
	cases := map[string]struct{ file, old, new, want string }{
		"a mesh is missing":           {"ice/ice_dc1.json", `"ice-rallypoint-discovery-dc2"`, `"ice-rallypoint-discovery-dc3"`, "lacks ice-rallypoint-discovery-dc2"},
		"a mesh of nobody":            {"seed/seed_dc2.json", `"ice-rallypoint-discovery-dc1"`, `"discovery-dc1"`, "discovery-dc1: is none of"},
		"objects go nowhere":          {"ice/ice_dc2.json", `"remoteDC": "dc1"`, `"remoteDC": "dc7"`, "remoteDC dc7: is no other site"},
		"a site is missing":           {"ice/ice_dc2.json", "\"name\": \"dc1\"\n", "\"name\": \"dc2\"\n", "dcs dc2 dc2: lacks dc1"},
		"switches differ":             {"ice/ice_dc1.json", `"multiCassKop": true`, `"multiCassKop": false`, "two switches stand for one thing"},
		"more copies than nodes":      {"ice/ice_dc1.json", `"replicationFactor": 1`, `"replicationFactor": 3`, "is more than nCassandraNodes 1"},
		"name of another site":        {"ice/ice_dc2.json", `"host": "ice.dc2`, `"host": "ice.dc1`, "are several names of one site"},
		"a seed with applications":    {"seed/seed_dc2.json", "\"instantConnectEnterprise\": {\n      \"enabled\": false", "\"instantConnectEnterprise\": {\n      \"enabled\": true", "is not false"},
		"a placeholder for the name":  {"ice/ice_dc1.json", "ice.dc1.example.org", "___DC1_FQDN___", "is a placeholder"},
		"currentDC of the other site": {"ice/ice_dc1.json", `"currentDC": "dc1"`, `"currentDC": "dc2"`, "is not the file's own site"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			tree := fstest.MapFS{}
			for file, text := range productFiles(t, productOf(t, 2)) {
				if file == c.file {
					if !strings.Contains(string(text), c.old) {
						t.Fatalf("%s has no %s:\n%s", file, c.old, text)
					}
					text = []byte(strings.ReplaceAll(string(text), c.old, c.new))
				}
				tree[file] = &fstest.MapFile{Data: text}
			}
			faults, err := Lint(tree, nil)
			if err != nil || !strings.Contains(faults.Error(), c.want) {
				t.Errorf("%v\n%v\nwant %s", err, faults, c.want)
			}
		})
	}
}

// Killed anywhere, the whole installation goes on to the same end, and nothing is applied twice.
func TestTheWholeInstallationKilledAnywhere(t *testing.T) {
	book := productOf(t, 3).Install()
	points := geotest.KillAnywhere(t, func(testing.TB) geotest.Rehearsal {
		var world geotest.World
		var locks geored.MemoryLocks
		return geotest.Rehearsal{Runbook: func() geored.Runbook { return world.Like(book) },
			Config: geored.RunConfig{Lock: locks.Lock("it", geored.Holder{})}, Effects: world.Effects, State: world.State}
	})
	if points < 5*len(book.Steps()) {
		t.Errorf("only %d points for %d steps", points, len(book.Steps()))
	}
}

// The order in which the guide's traps lie.
func TestOrderOfTheStages(t *testing.T) {
	book := productOf(t, 3).Install()
	if err := book.Validate(); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, step := range book.Steps() {
		ids = append(ids, string(step.ID))
	}
	order := []string{"applications/dc1/install", "seed/dc2/install", "hang/dc1/multi-casskop", "operator-tokens/dc2/account", "cassandra/dc1/nodes", "modelmanager/dc1/modelmanager",
		"ring/dc1/whole", "ring/dc1/repair", "ring/dc1/equal", "password/dc2/init-superuser-pass", "complete/dc2/install", "password-kept/dc2/init-superuser-pass", "finish/dc1/ksqldb"}
	last := -1
	for _, id := range order {
		at := slices.Index(ids, id)
		if at <= last {
			t.Errorf("%s stands at %d, behind is %d", id, at, last)
		}
		last = at
	}
	third := slices.IndexFunc(book.Steps(), func(s geored.Step) bool { return s.ID == "complete/dc3/install" })
	if third < 0 || !slices.Contains(book.Steps()[third].Needs, "complete/dc2/modelmanager") {
		t.Errorf("two modelmanagers would change the schema at once: %d of %q", third, ids)
	}
	if plain := len(opened(t).Install().Stages); plain != 9 {
		t.Errorf("without applications there are %d stages", plain)
	}
}

// What the product's operator makes is waited for as long as it has: none of these steps gets what a step has by default.
func TestEveryStepOfTheApplicationsHasTheirTime(t *testing.T) {
	description := "it"
	d, _ := onServers(t, withApplications(3), Options{Charts: Charts{Repository: repository(t, &description)}})
	d.Topology.Applications.Mail = nil // its password is in no file
	for _, stage := range d.applications() {
		tasks, err := stage.Bind(t.Context())
		if stage.Name == "operator-credentials" && err != nil {
			continue // there is no token to bring; it is given its time where all are
		}
		if err != nil || len(tasks) == 0 || len(tasks) != len(stage.Outline) {
			t.Errorf("stage %s: %d tasks, %v", stage.Name, len(tasks), err)
		}
		for _, task := range tasks {
			if task.Timeout != 20*time.Minute {
				t.Errorf("%s has %s", task.ID, task.Timeout)
			}
		}
	}
}

func waitingPod(reason string, events ...string) hanging {
	pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "multi-casskop-1"}, Status: corev1.PodStatus{Phase: corev1.PodPending,
		ContainerStatuses: []corev1.ContainerStatus{{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}}}}}
	return hanging{Pod: pod, events: events, absent: []string{"secret dc2"}}
}

func TestItHangsForTheRightReasonOnly(t *testing.T) {
	besides := waitingPod("ContainerCreating", `MountVolume.SetUp failed for volume "dc2" : secret "dc2" not found`)
	besides.absent = append(besides.absent, "configmap seeds")
	const missing = `MountVolume.SetUp failed for volume "dc2" : secret "dc2" not found`
	for name, c := range map[string]struct {
		pods []hanging
		done bool
		want string
	}{
		"the Secret is missing":  {[]hanging{waitingPod("ContainerCreating", missing)}, true, missing},
		"no pod":                 {nil, false, "no pod yet"},
		"no reason told yet":     {[]hanging{waitingPod("ContainerCreating")}, false, "ContainerCreating"},
		"another Secret":         {[]hanging{waitingPod("ContainerCreating", `secret "tls" not found`)}, false, "for none of the Secrets"},
		"the image cannot come":  {[]hanging{waitingPod("ImagePullBackOff", missing)}, false, "ImagePullBackOff"},
		"it runs without access": {[]hanging{{Pod: corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodRunning}}, events: []string{missing}}}, false, "Running"},
		"for a ConfigMap too":    {[]hanging{besides}, false, "and configmap seeds would keep it"},
	} {
		if got := judgeHang(c.pods, []geored.SiteName{"dc2"}); got.Done != c.done || !strings.Contains(got.Detail, c.want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// What a pod does not start without is told from what it may do without.
func TestNeedsOfAPod(t *testing.T) {
	may := true
	name := func(n string) corev1.LocalObjectReference { return corev1.LocalObjectReference{Name: n} }
	named := map[string][]string{}
	for _, n := range needs(corev1.PodSpec{
		Volumes: []corev1.Volume{
			{VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "dc2"}}},
			{VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "spare", Optional: &may}}},
			{VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: name("seeds")}}},
			{VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
				{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: name("roots")}}, {Secret: &corev1.SecretProjection{LocalObjectReference: name("keys")}}}}}}},
		InitContainers: []corev1.Container{{EnvFrom: []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: name("first")}}}}},
		Containers: []corev1.Container{{Env: []corev1.EnvVar{{Name: "A", Value: "b"},
			{ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: name("user")}}},
			{ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: name("level"), Optional: &may}}}}}},
	}) {
		named[n.kind] = append(named[n.kind], n.name)
	}
	if strings.Join(named["secret"], " ") != "dc2 keys first user" || strings.Join(named["configmap"], " ") != "seeds roots" {
		t.Errorf("%q", named)
	}
}

func job(name string, made int, status batchv1.JobStatus) batchv1.Job {
	return batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.Unix(int64(made), 0)}, Status: status}
}

func TestJudgeModelManager(t *testing.T) {
	done, failed := batchv1.JobStatus{Succeeded: 1}, batchv1.JobStatus{Failed: 1, Conditions: []batchv1.JobCondition{{Type: batchv1.JobFailed, Status: "True", Message: "too often"}}}
	for name, c := range map[string]struct {
		jobs []batchv1.Job
		done bool
		want string
	}{
		"none":                    {nil, false, "no job"},
		"completed":               {[]batchv1.Job{job("a", 1, done)}, true, "1 completed"},
		"failed":                  {[]batchv1.Job{job("a", 1, failed)}, false, "too often"},
		"the newer one still not": {[]batchv1.Job{job("b", 2, batchv1.JobStatus{Active: 1}), job("a", 1, done)}, false, "job b"},
	} {
		if got := judgeModelManager(c.jobs); got.Done != c.done || !strings.Contains(got.Detail, c.want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func runningPod(name string, ready bool) corev1.Pod {
	status := corev1.ConditionFalse
	if ready {
		status = corev1.ConditionTrue
	}
	return corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: status}}}}
}

// Running is not enough: that is where the guide's check and this one part.
func TestJudgePods(t *testing.T) {
	if got := judgePods("n", []corev1.Pod{runningPod("a", true)}); !got.Done {
		t.Errorf("%+v", got)
	}
	for name, pods := range map[string][]corev1.Pod{"none": nil, "not ready": {runningPod("a", true), runningPod("b", false)}, "waiting": {waitingPod("CrashLoopBackOff").Pod}} {
		if got := judgePods("n", pods); got.Done {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestJudgePassword(t *testing.T) {
	ours, other := creds.NewDocument("planted"), creds.NewDocument("another")
	for name, c := range map[string]struct {
		ours, theirs creds.Document
		there, done  bool
	}{
		"the same": {ours, ours, true, true}, "another": {ours, other, true, false}, "none there": {ours, creds.Document{}, false, false}, "empty there": {ours, creds.Document{}, true, false},
		"none here": {creds.Document{}, other, true, false}, "none anywhere": {creds.Document{}, creds.Document{}, true, false},
	} {
		got := judgePassword("dc1", c.ours, c.theirs, c.there)
		if got.Done != c.done || strings.Contains(got.Detail, "planted") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// A restart that is owed since the password was copied is made up for by the next run, however the first one ended, and
// crossed off.
func TestTheRestartThatIsOwed(t *testing.T) {
	d, servers := onServers(t, withApplications(2), Options{})
	const path, arcus = "/api/v1/namespaces/ice-arcus/secrets/init-superuser-pass", "/apis/apps/v1/namespaces/ice-arcus/deployments/rest-bridge"
	for _, server := range servers {
		server.put(path, table{"kind": "Secret", "apiVersion": "v1", "metadata": table{"name": "init-superuser-pass", "namespace": "ice-arcus"}, "data": table{"pass": "cGxhbnRlZA=="}})
	}
	servers["dc2"].put(arcus, table{"kind": "Deployment", "apiVersion": "apps/v1", "metadata": table{"name": "rest-bridge", "namespace": "ice-arcus"}})
	tasks, err := d.passwordKept().Bind(t.Context())
	if err != nil || len(tasks) != 1 {
		t.Fatal(tasks, err)
	}
	restarted := func() bool {
		servers["dc2"].mu.Lock()
		defer servers["dc2"].mu.Unlock()
		return strings.Contains(fmt.Sprint(servers["dc2"].objects[arcus]), restartedFor+":copied")
	}
	apply := func() geored.State {
		t.Helper()
		if err := tasks[0].Apply(t.Context()); err != nil {
			t.Fatal(err)
		}
		state, err := tasks[0].Observe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return state
	}
	if apply(); restarted() {
		t.Error("nothing was owed")
	}
	servers["dc2"].change(t, path, table{restartOwed: "copied"}, "metadata", "annotations")
	if state, err := tasks[0].Observe(t.Context()); err != nil || state.Done || !strings.Contains(state.Detail, "was not restarted") {
		t.Errorf("%+v, %v", state, err)
	}
	if state := apply(); !restarted() || strings.Contains(state.Detail, "was not restarted") {
		t.Errorf("restarted %t: %+v", restarted(), state)
	}
}

// A password that is copied over another one is owed a restart of those who read the other, whichever stage copies it; one that
// was not there was read by nobody.
func TestWhoReadTheOtherPasswordIsRestarted(t *testing.T) {
	const path = "/api/v1/namespaces/ice-arcus/secrets/init-superuser-pass"
	secret := func(pass string) table {
		return table{"kind": "Secret", "apiVersion": "v1", "metadata": table{"name": "init-superuser-pass", "namespace": "ice-arcus"}, "data": table{"pass": pass}}
	}
	for name, there := range map[string]bool{"another one": true, "none": false} {
		d, servers := onServers(t, withApplications(2), Options{})
		servers["dc1"].put(path, secret("cGxhbnRlZA=="))
		if there {
			servers["dc2"].put(path, secret("b3RoZXI="))
		}
		tasks, err := d.password().Bind(t.Context())
		if err != nil || len(tasks) != 1 {
			t.Fatal(tasks, err)
		}
		if err := tasks[0].Apply(t.Context()); err != nil {
			t.Fatal(err)
		}
		state, err := tasks[0].Observe(t.Context())
		owed, err2 := d.restartOwed(t.Context(), "dc2")
		if err != nil || err2 != nil || !state.Done || (owed != "") != there {
			t.Errorf("%s: %+v, owed %q, %v, %v", name, state, owed, err, err2)
		}
	}
}

// A canary proves workers and the releases of both ends: an upgrade may change how one is reached, and leave the workers alone.
func TestAMirrorIsProvenAnewAfterAnUpgrade(t *testing.T) {
	d, servers := onServers(t, withApplications(2), Options{})
	look := func() string {
		t.Helper()
		found, err := d.mirrorOf(t.Context(), "dc1", "dc2", "ice-minio", "app=minio-mirror")
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if found := look(); found != "" {
		t.Errorf("no worker runs: %q", found)
	}
	pod := func(uid string) {
		servers["dc1"].put("/api/v1/namespaces/ice-minio/pods/minio-mirror-1", table{"kind": "Pod", "apiVersion": "v1",
			"metadata": table{"name": "minio-mirror-1", "namespace": "ice-minio", "uid": uid, "labels": table{"app": "minio-mirror"}}})
	}
	pod("one")
	seen := map[string]bool{look(): true}
	for name, change := range map[string]func(){
		"another worker": func() { pod("two") },
		"the other site": func() { installed(t, servers["dc2"]) },
		"its own site":   func() { installed(t, servers["dc1"]) },
	} {
		change()
		if found := look(); found == "" || seen[found] || found != look() {
			t.Errorf("%s: %q", name, found)
		} else {
			seen[found] = true
		}
	}
	servers["dc2"].silent = true
	if found, err := d.mirrorOf(t.Context(), "dc1", "dc2", "ice-minio", "app=minio-mirror"); err == nil {
		t.Errorf("the other end is silent, and it is %q", found)
	}
}

// The mail server's password is looked for before anything is changed.
func TestThePasswordFileIsReadFirst(t *testing.T) {
	d, _ := onServers(t, withApplications(2), Options{})
	file := filepath.Join(t.TempDir(), "mail.password")
	d.Topology.Applications.Mail = &Mail{PasswordFile: file}
	for text, want := range map[string]string{"": "has an empty first line", " \nsecond": "has an empty first line", "planted\n": "", "gone": "cannot be read"} {
		err := os.WriteFile(file, []byte(text), 0o600)
		if text == "gone" {
			err = os.Remove(file)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Secrets(); (err != nil) != (want != "") || err != nil && (!strings.Contains(err.Error(), "applications.mail.passwordFile") || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v", text, err)
		}
	}
	d.Topology.Applications.Mail = nil
	if err := d.Secrets(); err != nil {
		t.Error(err)
	}
}

// A site past its seed is left alone, also when its last revision failed or was killed: a seed takes its applications away.
func TestASeedTakesNoApplicationsAway(t *testing.T) {
	for status, enabled := range map[string]bool{"deployed": true, "failed": true, "pending-upgrade": true, "superseded": false} {
		d, servers := onServers(t, withApplications(2), Options{})
		servers["dc2"].put("/api/v1/namespaces/ice-release/secrets/sh.helm.release.v1.ice-helm-operator.v3",
			releaseThatIs(t, status, "ice-helm-operator", "ice-release", ProductChart, 3, table{"charts": table{"instantConnectEnterprise": table{"enabled": enabled}}}))
		own := geored.State{Detail: "the seed's own look"}
		task := d.unlessComplete(geored.Task{Step: geored.Step{Site: "dc2"}, Observe: func(context.Context) (geored.State, error) { return own, nil }})
		if state, err := task.Observe(t.Context()); err != nil || state.Done != enabled {
			t.Errorf("%s: %+v, %v", status, state, err)
		}
	}
}

// Every replica is proven, and by a look that only reads nothing is begun in the nodes.
func TestHowReplicasAreProven(t *testing.T) {
	for reads, factor := range map[bool]int{false: 3, true: 3} {
		d, _ := onServers(t, withApplications(2), Options{ReadOnly: reads})
		d.Topology.Applications.ReplicationFactor = factor
		if how := d.comparing(); how.EveryReplica != reads || (how.Trees == nil) != reads {
			t.Errorf("read-only %t: %+v", reads, how)
		}
	}
}

func TestJudgeCrossings(t *testing.T) {
	good := objectstore.Crossing{From: "dc1", To: "dc2", Arrived: true}
	if err := judgeCrossings([]objectstore.Crossing{good}, "dc1"); err != nil {
		t.Error(err)
	}
	for name, c := range map[string][]objectstore.Crossing{"none": nil, "other way": {{From: "dc2", To: "dc1", Arrived: true}}, "lost": {{From: "dc1", To: "dc2"}}, "unasked": {{From: "dc1", To: "dc2", Err: os.ErrDeadlineExceeded}}} {
		if judgeCrossings(c, "dc1") == nil {
			t.Errorf("%s passes", name)
		}
	}
}

func TestJudgeRelease(t *testing.T) {
	wanted := helm.Values{"charts": table{"a": table{"n": 1, "list": []any{"x"}}}}
	right := helm.Installed{Chart: ProductChart + "-1", Deployed: true, Revision: 3, Values: helm.Values{"charts": table{"a": table{"n": 1.0, "list": []any{"x"}}}}}
	with := func(change func(*helm.Installed)) productFound {
		p := right
		change(&p)
		return productFound{p, true}
	}
	for name, c := range map[string]struct {
		found productFound
		want  geored.Verdict
	}{
		"as planned":    {productFound{right, true}, geored.Pass},
		"not there":     {productFound{}, geored.Fail},
		"pending":       {with(func(i *helm.Installed) { i.Deployed = false }), geored.Fail},
		"other version": {with(func(i *helm.Installed) { i.Chart = ProductChart + "-2" }), geored.Fail},
		"other value": {with(func(i *helm.Installed) {
			i.Values = helm.Values{"charts": table{"a": table{"n": 2.0, "list": []any{"x"}}}}
		}), geored.Fail},
		"mail password": {with(func(i *helm.Installed) {
			i.Values = helm.Merge(i.Values, helm.Values{"charts": table{"iceMonitoring": table{"values": table{"grafana": table{"grafana.ini": table{"smtp": table{"password": "x"}}}}}}})
		}), geored.Pass},
	} {
		if got := judgeRelease(c.found, "1", wanted); got.Verdict != c.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestHonestApplicationChecks(t *testing.T) {
	three := func(first, others int) map[geored.Target]int {
		return map[geored.Target]int{{Site: "dc1"}: first, {Site: "dc2"}: others, {Site: "dc3"}: others}
	}
	operators := func(a geored.Answers[int]) []geored.Finding { return []geored.Finding{judgeOperators(a, "dc1")} }
	geotest.HonestAnswers(t, CheckMultiCassKop, three(1, 0), operators)
	secret := creds.NewDocument("planted")
	geotest.HonestAnswers(t, CheckPassword, map[geored.Target]creds.Document{{Site: "dc1"}: secret, {Site: "dc2"}: secret},
		func(a geored.Answers[creds.Document]) []geored.Finding {
			return []geored.Finding{judgePasswords(a, "dc1")}
		})
	silentFirst := geored.Ask(t.Context(), []geored.Target{{Site: "dc1"}, {Site: "dc2"}}, func(_ context.Context, t geored.Target) (creds.Document, error) {
		if t.Site == "dc1" {
			return creds.Document{}, errors.New("timed out")
		}
		return creds.NewDocument("planted"), nil
	})
	if f := judgePasswords(silentFirst, "dc1"); f.Verdict != geored.Unknown {
		t.Errorf("the first site is silent, and a site would be rolled back: %+v", f)
	}
	honest(t, CheckRelease, productFound{helm.Installed{Chart: ProductChart + "-1", Deployed: true, Values: helm.Values{}}, true}, func(_ geored.Target, p productFound) geored.Finding {
		return judgeRelease(p, "1", helm.Values{})
	})
	honest(t, CheckModelManager, geored.State{Done: true, Detail: "completed"}, func(_ geored.Target, s geored.State) geored.Finding { return judgeState(s, "") })
	all := map[string][]corev1.Pod{}
	for _, namespace := range productNamespaces {
		all[namespace] = []corev1.Pod{runningPod("a", true)}
	}
	whole := running{all, geored.State{Done: true, Detail: "3 workloads have all their pods"}}
	honest(t, CheckPods, whole, func(_ geored.Target, all running) geored.Finding { return judgeRunning(all) })
	if f := judgeRunning(running{all, geored.State{Detail: "deployment ice-arcus/rest-bridge asks for 0 pods, and its chart for 1"}}); f.Verdict != geored.Fail || !strings.Contains(f.Message, "rest-bridge") {
		t.Errorf("a workload without pods: %+v", f)
	}
	for _, c := range documentedChecks {
		honest(t, c.id, said{true, "shown"}, func(_ geored.Target, s said) geored.Finding { return judgeSaid(s) })
	}
	honest(t, CheckMulticast, probe.LinkAnswer{Present: true, Up: true, Multicast: true}, func(t geored.Target, a probe.LinkAnswer) geored.Finding { return judgeLink(t.Name, "eth0", a) })
	for _, a := range []probe.LinkAnswer{{}, {Present: true, Multicast: true}, {Present: true, Up: true}} {
		if f := judgeLink("n", "eth0", a); f.Verdict != geored.Fail {
			t.Errorf("%+v: %+v", a, f)
		}
	}
	equal := cassandra.Comparisons{{Equality: cassandra.Equal}}
	rows := func(a geored.Answers[cassandra.Comparisons]) []geored.Finding { return []geored.Finding{judgeRows(a)} }
	geotest.HonestAnswers(t, CheckRows, map[geored.Target]cassandra.Comparisons{{Site: "dc1"}: equal, {Site: "dc2"}: equal}, rows)
	for name, found := range map[string]cassandra.Comparisons{"none": nil, "different": {{Equality: cassandra.Different}}, "unproven": {{Equality: cassandra.Unproven}}} {
		asked := geored.Ask(t.Context(), []geored.Target{{Site: "dc1"}}, func(context.Context, geored.Target) (cassandra.Comparisons, error) { return found, nil })
		if f := judgeRows(asked); f.Verdict == geored.Pass || (name == "different") != (f.Verdict == geored.Fail) {
			t.Errorf("%s: %+v", name, f)
		}
	}
	broken := cassandra.Comparisons{{Ranges: []cassandra.RangeResult{{Reads: []cassandra.Read{{Source: cassandra.Source{Site: "dc2"}, Err: "timed out"}}}}}}
	if unread(broken, "dc1") != nil || unread(broken, "dc2") == nil {
		t.Error("the site that was not read is not told")
	}
}

func TestJudgeOperators(t *testing.T) {
	for name, counts := range map[string][2]int{"in two sites": {1, 1}, "in none": {0, 0}, "in the wrong one": {0, 1}, "twice": {2, 0}} {
		answers := geored.Ask(t.Context(), []geored.Target{{Site: "dc1"}, {Site: "dc2"}}, func(_ context.Context, t geored.Target) (int, error) {
			return map[geored.SiteName]int{"dc1": counts[0], "dc2": counts[1]}[t.Site], nil
		})
		if f := judgeOperators(answers, "dc1"); f.Verdict != geored.Fail {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// A pod of rallypoint that does not run is deleted once it had its time to come up, and seen back; others are left alone.
func TestRallypointPodsThatDoNotRun(t *testing.T) {
	pod := func(name string, age time.Duration, ready string) (string, table) {
		const folder = "/api/v1/namespaces/" + rallypointNamespace + "/pods/"
		return folder + name, table{"metadata": table{"name": name, "namespace": rallypointNamespace, "uid": name, "creationTimestamp": time.Now().Add(-age).UTC().Format(time.RFC3339)},
			"status": table{"phase": "Running", "conditions": []any{table{"type": "Ready", "status": ready}}}}
	}
	d, servers := onServers(t, withApplications(2), Options{})
	a := servers["dc2"]
	task := d.rallypointTask(geored.Step{Site: "dc2"})
	observe := func() geored.State {
		t.Helper()
		state, err := task.Observe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return state
	}
	if observe().Done {
		t.Error("no pod is there, and it is done")
	}
	a.put(pod("well", time.Hour, "True"))
	a.put(pod("stuck", time.Hour, "False"))
	a.put(pod("young", patience/2, "False"))
	if state := observe(); state.Done || !strings.Contains(state.Detail, "is Running and not ready") {
		t.Errorf("%+v", state)
	}
	a.requests()
	if err := task.Apply(t.Context()); !geored.IsRetriable(err) || !strings.Contains(err.Error(), "1 pods are younger") {
		t.Errorf("the young one: %v", err)
	}
	for _, request := range a.requests() {
		if strings.HasPrefix(request, "DELETE") && !strings.HasSuffix(request, "/stuck") {
			t.Error(request)
		}
	}
	if state := observe(); state.Done || strings.Contains(state.Detail, "stuck") {
		t.Errorf("%+v", state)
	}
	a.put(pod("young", patience, "True"))
	if state := observe(); !state.Done {
		t.Errorf("%+v", state)
	}
}
