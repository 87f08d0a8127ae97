package ice

import (
	"context"
	"fmt"
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	credskube "github.com/georedkit/georedkit/creds/kube"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

// runnerName is the cluster role that the runner needs at least.
const runnerName = "georedkit-ice-install"

func rule(group, resources, verbs string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: strings.Fields(resources), Verbs: strings.Fields(verbs)}
}

// Rules are what the runner of the installation does in each cluster. Charts may bring more; who installs a role must hold
// what it grants, so the name servers' and Kilo's own permissions are among them.
func Rules() []rbacv1.PolicyRule {
	const all = "get list watch create update patch delete"
	rules := []rbacv1.PolicyRule{
		rule("", "namespaces", "get list create update patch delete"), // -undo takes its own away
		rule("", "nodes", "get list watch patch"),
		rule("", "pods services configmaps serviceaccounts secrets persistentvolumeclaims", all),
		rule("", "pods/exec", "get create"),
		rule("", "endpoints events", "get list watch"),
		rule("coordination.k8s.io", "leases", "get create update delete"), // the lock
		rule("apps", "deployments daemonsets", all),
		rule("apps", "replicasets", "get list watch"),
		rule("apps", "statefulsets", "get list"), // what a namespace still holds that -undo takes back
		rule("batch", "cronjobs", "get list"),
		rule("discovery.k8s.io", "endpointslices", "get list watch"),
		rule("rbac.authorization.k8s.io", "clusterroles clusterrolebindings roles rolebindings", all),
		rule("storage.k8s.io", "storageclasses", "get list"),
		rule("apiextensions.k8s.io", "customresourcedefinitions", "get list watch create update patch"),
		rule("kilo.squat.ai", "peers", all),
	}
	return append(rules, credskube.DNSRole().Cluster...)
}

// rules are those of the runner as far as it goes.
func (d *Deployment) rules() []rbacv1.PolicyRule {
	if d.Topology.Applications == nil {
		return Rules()
	}
	return append(Rules(), ApplicationRules()...)
}

// runnerObjects is the manifest of the runner's role: bind it to who runs the installation.
func runnerObjects(rules []rbacv1.PolicyRule) ([]*kube.Object, error) {
	return kube.Objects(&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: runnerName}, Rules: rules})
}

// permissions asks the API server itself about each thing that will be done.
func (d *Deployment) permissions(ctx context.Context) []geored.Finding {
	answers := geored.Ask(ctx, d.targets("permissions"), func(ctx context.Context, t geored.Target) ([]string, error) {
		return d.denied(ctx, t.Site)
	})
	return answers.Each(func(_ geored.Target, denied []string) geored.Finding { return judgePermissions(denied) })
}

func judgePermissions(denied []string) geored.Finding {
	if len(denied) == 0 {
		return geored.Finding{Verdict: geored.Pass, Message: fmt.Sprintf("%d permissions are granted", len(Rules()))}
	}
	return geored.Finding{Verdict: geored.Fail, Message: fmt.Sprintf("the runner may not %s", denied[0]), Evidence: denied,
		Remedy: "bind the cluster role of rbac/runner.yaml (-render DIR writes it) to the user of the kubeconfig"}
}

func (d *Deployment) denied(ctx context.Context, site geored.SiteName) ([]string, error) {
	var targets []geored.Target
	asked := map[string]authorizationv1.ResourceAttributes{}
	for _, r := range d.rules() {
		for _, resource := range r.Resources {
			for _, verb := range r.Verbs {
				name, sub, _ := strings.Cut(resource, "/")
				text := strings.TrimSuffix(fmt.Sprintf("%s %s in %s", verb, resource, r.APIGroups[0]), " in ")
				if _, twice := asked[text]; !twice {
					targets = append(targets, geored.Target{Site: site, Name: text})
				}
				asked[text] = authorizationv1.ResourceAttributes{Group: r.APIGroups[0], Resource: name, Subresource: sub, Verb: verb}
			}
		}
	}
	answers := geored.Ask(ctx, targets, func(ctx context.Context, t geored.Target) (bool, error) {
		attributes := asked[t.Name]
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &attributes}}
		got, err := d.Clusters[site].Client().AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
		if err != nil {
			return false, err
		}
		return got.Status.Allowed, nil
	})
	for _, silent := range answers.Unanswered() {
		return nil, silent
	}
	var denied []string
	for t, allowed := range answers.All() {
		if !allowed {
			denied = append(denied, t.Name)
		}
	}
	slices.Sort(denied)
	return denied, nil
}
