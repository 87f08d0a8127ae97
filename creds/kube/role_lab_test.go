//go:build lab

package kube_test

import (
	"fmt"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/creds"
	credskube "github.com/georedkit/georedkit/creds/kube"
	"github.com/georedkit/georedkit/geored/kube"
)

// access is one thing that an account may do, or may not.
type access struct {
	group, resource, verb, namespace string
	want                             bool
}

// The verbs of each role, asked of the API server itself with a token of the account.
func TestRolesAreAsNarrowAsTheySay(t *testing.T) {
	p := sites(t)
	const discovery, cassandra, rbac = "discovery.k8s.io", "db.orange.com", "rbac.authorization.k8s.io"
	for name, c := range map[string]struct {
		role credskube.Role
		may  []access
	}{
		"dns": {credskube.DNSRole(), []access{
			{"", "services", "list", "", true}, {"", "services", "watch", "", true}, {"", "endpoints", "watch", "", true}, {"", "pods", "watch", "", true}, {"", "namespaces", "list", "", true},
			{"", "nodes", "get", "", true}, {discovery, "endpointslices", "list", "", true}, {discovery, "endpointslices", "watch", "", true},
			{"", "secrets", "get", "", false}, {"", "secrets", "list", "kube-system", false}, {"", "configmaps", "get", "kube-system", false}, {"", "pods", "create", "", false},
			{"", "pods/exec", "create", "", false}, {"", "nodes", "list", "", false}, {"", "services", "delete", "", false}, {rbac, "clusterroles", "create", "", false},
			{"", "serviceaccounts/token", "create", "kube-system", false}}},
		"multi-casskop": {credskube.MultiCassKopRole(), []access{
			{cassandra, "cassandraclusters", "get", "kube-system", true}, {cassandra, "cassandraclusters", "list", "kube-system", true}, {cassandra, "cassandraclusters", "watch", "kube-system", true},
			{cassandra, "cassandraclusters", "create", "kube-system", true}, {cassandra, "cassandraclusters", "update", "kube-system", true}, {cassandra, "cassandraclusters", "patch", "kube-system", true},
			{cassandra, "cassandraclusters", "delete", "kube-system", true}, {cassandra, "cassandraclusters/status", "get", "kube-system", true}, {"", "namespaces", "get", "", true},
			{cassandra, "cassandraclusters", "get", "default", false}, {cassandra, "cassandraclusters", "deletecollection", "kube-system", false}, {cassandra, "multicasskops", "get", "kube-system", false},
			{cassandra, "cassandraclusters/status", "update", "kube-system", false}, {"", "secrets", "get", "kube-system", false}, {"", "pods", "list", "kube-system", false}, {"", "namespaces", "list", "", false}}},
	} {
		t.Run(name, func(t *testing.T) {
			source := p.account(creds.Account{Namespace: "kube-system", Name: "role-" + name}, c.role)
			credential, err := source.Request(t.Context(), time.Hour, "")
			p.must(err)
			config := p.admin("dc1")
			config.CertData, config.KeyData, config.CertFile, config.KeyFile = nil, nil, "", ""
			config.BearerToken = credential.Token.Reveal()
			cluster, err := kube.New("dc1", config)
			p.must(err)
			for _, a := range c.may {
				if got, err := allowed(t, cluster, a); err != nil || got != a.want {
					t.Errorf("%s %s %s in %q: %v, want %v: %v", a.verb, a.group, a.resource, a.namespace, got, a.want, err)
				}
			}
		})
	}
}

func allowed(t *testing.T, c *kube.Cluster, a access) (bool, error) {
	t.Helper()
	attributes := &authorizationv1.ResourceAttributes{Group: a.group, Resource: a.resource, Verb: a.verb, Namespace: a.namespace}
	for i, r := range a.resource {
		if r == '/' {
			attributes.Resource, attributes.Subresource = a.resource[:i], a.resource[i+1:]
		}
	}
	got, err := c.Client().AuthorizationV1().SelfSubjectAccessReviews().Create(t.Context(), &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: attributes}}, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	if got.Status.EvaluationError != "" {
		return false, fmt.Errorf("%s", got.Status.EvaluationError)
	}
	return got.Status.Allowed, nil
}
