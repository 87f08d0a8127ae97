package killed

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

// Standing counts what leaves a trace in the clusters each time it is done, by "SITE WHAT": jobs, restarts of workloads,
// tokens, repairs.
type Standing map[string]int

// revisionOf is how often a Deployment's pods were changed, the first time among them (kube-controller-manager).
const revisionOf = "deployment.kubernetes.io/revision"

// Look counts in the sites of a laboratory, by its folder.
func Look(t testing.TB, folder string, sites ...geored.SiteName) Standing {
	t.Helper()
	found := Standing{}
	for _, site := range sites {
		cluster, err := kube.Open(site, geored.KubeRef{Kubeconfig: filepath.Join(folder, string(site)+".kubeconfig")})
		if err != nil {
			t.Fatal(err)
		}
		if err := found.add(t, cluster); err != nil {
			t.Fatalf("site %s: %v", site, err)
		}
	}
	return found
}

func (s Standing) add(t testing.TB, c *kube.Cluster) error {
	site, client, all := string(c.Site()), c.Client(), metav1.ListOptions{}
	deployments, err := client.AppsV1().Deployments("").List(t.Context(), all)
	if err != nil {
		return err
	}
	for _, d := range deployments.Items {
		s[fmt.Sprintf("%s revision deployment %s/%s", site, d.Namespace, d.Name)], _ = strconv.Atoi(d.Annotations[revisionOf]) // none yet is 0
	}
	revisions, err := client.AppsV1().ControllerRevisions("").List(t.Context(), all)
	if err != nil {
		return err
	}
	for _, r := range revisions.Items {
		for _, owner := range r.OwnerReferences {
			s[fmt.Sprintf("%s revision %s %s/%s", site, strings.ToLower(owner.Kind), r.Namespace, owner.Name)]++
		}
	}
	jobs, err := client.BatchV1().Jobs("").List(t.Context(), all)
	if err != nil {
		return err
	}
	for _, j := range jobs.Items {
		kind, _, _ := strings.Cut(j.Name, "-")
		s[fmt.Sprintf("%s jobs %s/%s", site, j.Namespace, kind)]++
	}
	tokens, err := client.CoreV1().Secrets("").List(t.Context(), metav1.ListOptions{FieldSelector: "type=kubernetes.io/service-account-token"})
	if err != nil {
		return err
	}
	for _, token := range tokens.Items {
		s[fmt.Sprintf("%s tokens %s", site, token.Namespace)]++
	}
	return s.repairs(t, c)
}

const cassandraNamespace = "ice-cassandra"

// repairs are those of the product's keyspace that each node was told to make, from its own record.
func (s Standing) repairs(t testing.TB, c *kube.Cluster) error {
	pods, err := c.Client().CoreV1().Pods(cassandraNamespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, pod := range pods.Items {
		if !strings.Contains(pod.Name, "rack1") {
			continue
		}
		out, err := c.Exec(t.Context(), kube.Command{Namespace: cassandraNamespace, Pod: pod.Name, Container: "cassandra",
			Argv: []string{"cqlsh", "-e", "select keyspace_name from system_distributed.parent_repair_history;"}})
		if err != nil {
			return fmt.Errorf("pod %s: %w", pod.Name, err)
		}
		n := 0
		for line := range strings.Lines(string(out.Stdout)) {
			if strings.TrimSpace(line) == "dev" {
				n++
			}
		}
		s["repairs of dev"] = n // the record is one for all sites
	}
	return nil
}

// String is one line for each, sorted.
func (s Standing) String() string {
	var b strings.Builder
	for _, what := range slices.Sorted(maps.Keys(s)) {
		fmt.Fprintf(&b, "%s: %d\n", what, s[what])
	}
	return b.String()
}

// ParseStanding reads what [Standing.String] wrote.
func ParseStanding(t testing.TB, text string) Standing {
	t.Helper()
	s := Standing{}
	for line := range strings.Lines(text) {
		at := strings.LastIndex(line, ": ")
		n, err := strconv.Atoi(strings.TrimSpace(line[max(at, 0)+2:]))
		if at < 0 || err != nil {
			t.Fatalf("%q: is no count", line)
		}
		s[line[:at]] = n
	}
	return s
}

// Since is what was added.
func (s Standing) Since(before Standing) Standing {
	added := Standing{}
	for what, n := range s {
		if n != before[what] {
			added[what] = n - before[what]
		}
	}
	return added
}

// Same fails for each count that is not the wanted one.
func (s Standing) Same(t testing.TB, wanted Standing) {
	t.Helper()
	all := maps.Clone(wanted)
	maps.Copy(all, s)
	for _, what := range slices.Sorted(maps.Keys(all)) {
		if s[what] != wanted[what] {
			t.Errorf("%s: %d, %d when left alone", what, s[what], wanted[what])
		}
	}
}
