//go:build lab

package main

import (
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

// drifted is something that somebody does past the installation on a real site, and what -check must say of it.
type drifted struct {
	site  string
	check geored.CheckID
	plant func(*testing.T, *kube.Cluster) error
	says  []string // parts of the finding
}

func patch(resource, body string) func(*testing.T, *kube.Cluster) error {
	return func(t *testing.T, c *kube.Cluster) error {
		return c.Client().Discovery().RESTClient().Patch(types.MergePatchType).AbsPath(resource).Body([]byte(body)).Do(t.Context()).Error()
	}
}

// plantDrifts does what is listed by hand, looks once, and wants each told: at its site, with who must mend it.
func (l *lab) plantDrifts(clusters map[string]*kube.Cluster, all ...drifted) {
	l.t.Helper()
	for _, d := range all {
		if err := d.plant(l.t, clusters[d.site]); err != nil {
			l.t.Fatalf("%s %s: %v", d.site, d.check, err)
		}
	}
	c := l.call("-check")
	for _, d := range all {
		told := ""
		for _, f := range c.report(l.t).Findings {
			if f.Check == d.check && string(f.Site) == d.site {
				told = string(f.Verdict) + " " + f.Message + "\n" + strings.Join(f.Evidence, "\n") + "\n" + f.Remedy
			}
		}
		for _, want := range append(d.says, "fail ") {
			if !strings.Contains(told, want) {
				l.t.Errorf("%s %s: without %q:\n%s", d.site, d.check, want, told)
			}
		}
	}
}

// networkDrifts are those of the joined sites.
func networkDrifts() []drifted {
	return []drifted{
		{"dc1", "drift/peers", patch("/api/v1/nodes/dc1-1", `{"metadata":{"annotations":{"kilo.squat.ai/force-endpoint":"203.0.113.9:51820"}}}`),
			[]string{"node dc1-1: endpoint is 203.0.113.9:51820, recorded is ", "its step annotate/dc1/dc1-1 mends it"}},
		{"dc2", "drift/rbac", func(t *testing.T, c *kube.Cluster) error {
			_, err := c.Client().RbacV1().ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "too-much"},
				RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
				Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "kube-system", Name: "coredns"}}}, metav1.CreateOptions{})
			return err
		}, []string{"clusterrolebinding too-much for account kube-system/coredns is there, and was not recorded", "deleted by whoever added it"}},
		{"dc2", "drift/dns", corefile(func(text string) string { return text + byHand }), []string{"Corefile is digest", "last written by", "taken back by whoever changed it"}},
	}
}

const byHand = "# by hand\n"

// corefile edits the Corefile of the federated name servers.
func corefile(edit func(string) string) func(*testing.T, *kube.Cluster) error {
	return func(t *testing.T, c *kube.Cluster) error {
		maps := c.Client().CoreV1().ConfigMaps("kube-system")
		list, err := maps.List(t.Context(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, m := range list.Items {
			if text := m.Data["Corefile"]; strings.Contains(text, "kubernetai") {
				m.Data["Corefile"] = edit(text)
				if _, err := maps.Update(t.Context(), &m, metav1.UpdateOptions{}); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

// productDrifts are those of the product.
func productDrifts() []drifted {
	const owner = "who looks after release ice-release/ice-helm-operator of dc"
	return []drifted{
		{"dc1", "drift/mirrors", patch("/apis/apps/v1/namespaces/ice-minio/deployments/minio-mirror", `{"spec":{"replicas":0}}`),
			[]string{"deployment ice-minio/minio-mirror: pods is 0, recorded is 1", owner + "1"}},
		{"dc2", "drift/connectors", patch("/apis/kafka.strimzi.io/v1/namespaces/ice-kafka/kafkamirrormaker2s/mm-dc1", `{"spec":{"target":{"groupId":"by-hand"}}}`),
			[]string{"kafkamirrormaker2 ice-kafka/mm-dc1: spec.target.groupId is digest", owner + "2"}},
		{"dc2", "ice/pods", patch("/apis/apps/v1/namespaces/ice-kafka/deployments/ksqldb", `{"spec":{"replicas":0}}`),
			[]string{"deployment ice-kafka/ksqldb asks for 0 pods, and its chart for 1"}},
	}
}

// What is done past the installation is told, and by whom it is to be mended; running again mends what is the program's own,
// and does not take the rest for meant.
func TestDriftIsTold(t *testing.T) {
	l := newLab(t)
	l.installed()
	clusters := l.clusters()
	l.plantDrifts(clusters, networkDrifts()...)
	if c := l.call("-output", "text"); c.code != 1 || !strings.Contains(c.stdout, "drift/rbac") || !strings.Contains(c.stdout, "drift/dns") || strings.Contains(c.stdout, "drift/peers") {
		t.Errorf("run again: exit code %d\n%s\n%s", c.code, c.stdout, c.stderr)
	}
	if err := clusters["dc2"].Client().RbacV1().ClusterRoleBindings().Delete(t.Context(), "too-much", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := corefile(func(text string) string { return strings.TrimSuffix(text, byHand) })(t, clusters["dc2"]); err != nil {
		t.Fatal(err)
	}
	l.heals()
	if err := clusters["dc1"].Client().CoreV1().ConfigMaps("kube-system").Delete(t.Context(), "ice-install", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	c := l.call("-check")
	if c.code != 4 {
		t.Errorf("without a record: exit code %d", c.code)
	}
	for _, f := range c.report(t).Findings {
		if area, _, _ := strings.Cut(string(f.Check), "/"); area == "drift" && f.Site == "dc1" && f.Verdict != geored.Unknown {
			t.Errorf("without a record: %s is %s", f.Check, f.Verdict)
		}
	}
}
