package kube

import (
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/geored/kube"
)

// Role is what an account may do, and no more.
type Role struct {
	Cluster    []rbacv1.PolicyRule // in all namespaces
	Namespaced []rbacv1.PolicyRule // in the account's own
}

// DNSRole is what CoreDNS with kubernetai reads of another cluster. Roles of older charts lack the endpoint slices: then it
// never gets ready.
func DNSRole() Role {
	return Role{Cluster: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"endpoints", "services", "pods", "namespaces"}, Verbs: []string{"list", "watch"}},
		{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: []string{"list", "watch"}},
		{APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: []string{"get"}},
	}}
}

// MultiCassKopRole is what MultiCassKop does in another cluster: it keeps the CassandraCluster there. Its chart gives every
// verb on everything of the group (casskop multi-casskop/helm/multi-casskop/templates/role.yaml).
func MultiCassKopRole() Role {
	return Role{
		Namespaced: []rbacv1.PolicyRule{
			{APIGroups: []string{"db.orange.com"}, Resources: []string{"cassandraclusters"}, Verbs: []string{"get", "list", "watch", "create", "update", "patch", "delete"}},
			{APIGroups: []string{"db.orange.com"}, Resources: []string{"cassandraclusters/status"}, Verbs: []string{"get"}},
		},
		Cluster: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"get"}}},
	}
}

// Objects are the service account and its roles, to be applied before a token is minted. Its namespace must be there.
func (s Source) Objects() ([]*kube.Object, error) {
	a := s.Account
	name := "georedkit:" + a.Namespace + ":" + a.Name
	subjects := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: a.Namespace, Name: a.Name}}
	ref := func(kind string) rbacv1.RoleRef {
		return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: name}
	}
	objects, err := kube.Objects(&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: a.Namespace, Name: a.Name}})
	if err != nil {
		return nil, err
	}
	if len(s.Role.Cluster) > 0 {
		meta := metav1.ObjectMeta{Name: name}
		more, err := kube.Objects(&rbacv1.ClusterRole{ObjectMeta: meta, Rules: s.Role.Cluster}, &rbacv1.ClusterRoleBinding{ObjectMeta: meta, RoleRef: ref("ClusterRole"), Subjects: subjects})
		if err != nil {
			return nil, err
		}
		objects = append(objects, more...)
	}
	if len(s.Role.Namespaced) > 0 {
		meta := metav1.ObjectMeta{Namespace: a.Namespace, Name: name}
		more, err := kube.Objects(&rbacv1.Role{ObjectMeta: meta, Rules: s.Role.Namespaced}, &rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: ref("Role"), Subjects: subjects})
		if err != nil {
			return nil, err
		}
		objects = append(objects, more...)
	}
	return objects, nil
}
