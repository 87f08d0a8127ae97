package credstest

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/georedkit/georedkit/creds"
)

// ref names an object.
type ref struct{ resource, namespace, name string }

type object map[string]any

// kind is a resource that the cluster knows.
type kind struct {
	group, resource, name string
	cluster               bool // it has no namespace
}

var kinds = []kind{
	{"", "namespaces", "Namespace", true}, {"", "serviceaccounts", "ServiceAccount", false}, {"", "secrets", "Secret", false},
	{"", "configmaps", "ConfigMap", false}, {"", "pods", "Pod", false}, {"discovery.k8s.io", "endpointslices", "EndpointSlice", false},
	{"apps", "deployments", "Deployment", false}, {"apps", "daemonsets", "DaemonSet", false}, {"apps", "statefulsets", "StatefulSet", false},
	{"rbac.authorization.k8s.io", "clusterroles", "ClusterRole", true}, {"rbac.authorization.k8s.io", "clusterrolebindings", "ClusterRoleBinding", true},
	{"rbac.authorization.k8s.io", "roles", "Role", false}, {"rbac.authorization.k8s.io", "rolebindings", "RoleBinding", false},
}

func (k kind) version() string {
	if k.group == "" {
		return "v1"
	}
	return k.group + "/v1"
}

func kindOf(group, resource string) (kind, bool) {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.group == group && k.resource == resource })
	if i < 0 {
		return kind{}, false
	}
	return kinds[i], true
}

// seed makes what every cluster has.
func (c *Cluster) seed(addresses []string) {
	for _, name := range []string{"default", "kube-system"} {
		c.put(ref{"namespaces", "", name}, object{})
	}
	endpoints := make([]any, len(addresses))
	for i, address := range addresses {
		endpoints[i] = map[string]any{"addresses": []any{address}, "conditions": map[string]any{"ready": true}}
	}
	port, _ := strconv.Atoi(Port)
	c.put(ref{"endpointslices", "default", "kubernetes"}, object{"addressType": "IPv4", "endpoints": endpoints,
		"metadata": map[string]any{"labels": map[string]any{"kubernetes.io/service-name": "kubernetes"}},
		"ports":    []any{map[string]any{"name": "https", "port": port, "protocol": "TCP"}}})
}

// Account makes a service account, with its namespace when there is none.
func (c *Cluster) Account(account creds.Account) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.put(ref{"namespaces", "", account.Namespace}, object{})
	c.put(ref{"serviceaccounts", account.Namespace, account.Name}, object{})
}

// Deployment makes a workload that is ready, with its namespace when there is none.
func (c *Cluster) Deployment(namespace, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.put(ref{"namespaces", "", namespace}, object{})
	c.put(ref{"deployments", namespace, name}, object{"spec": map[string]any{"replicas": 1, "selector": map[string]any{"matchLabels": map[string]any{"app": name}},
		"template": map[string]any{"metadata": map[string]any{"labels": map[string]any{"app": name}}}}})
}

// put makes an object or merges into the one that is there. The cluster is locked.
func (c *Cluster) put(r ref, changes object) object {
	o := c.merged(r, changes)
	c.version++
	o.metadata()["resourceVersion"] = strconv.Itoa(c.version)
	c.objects[r] = o
	if r.resource == "secrets" && o.text("type") == "kubernetes.io/service-account-token" && o.text("data", "token") == "" {
		c.pending[r] = true
	}
	if r.resource == "deployments" && !c.faults[RestartsLost()] {
		generation, _ := o.metadata()["generation"].(int)
		o.metadata()["generation"] = generation + 1
		o["status"] = map[string]any{"observedGeneration": generation + 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1, "readyReplicas": 1}
	}
	return o
}

// merged is the object as it would be after a change.
func (c *Cluster) merged(r ref, changes object) object {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.resource == r.resource })
	o := object{"apiVersion": kinds[i].version(), "kind": kinds[i].name,
		"metadata": map[string]any{"name": r.name, "uid": fmt.Sprintf("%s-%d", r.name, c.version), "creationTimestamp": c.clock.Now().UTC().Format("2006-01-02T15:04:05Z")}}
	if r.namespace != "" {
		o.metadata()["namespace"] = r.namespace
	}
	if old := c.objects[r]; old != nil {
		o = merge(map[string]any{}, old)
	}
	uid, created := o.metadata()["uid"], o.metadata()["creationTimestamp"]
	o = merge(o, changes)
	o.metadata()["uid"], o.metadata()["creationTimestamp"] = uid, created
	for key, value := range o.section("stringData") {
		o.section("data")[key] = base64.StdEncoding.EncodeToString([]byte(fmt.Sprint(value)))
	}
	delete(o, "stringData")
	return o
}

// merge lays changes over an object, as a JSON merge patch does (RFC 7396). Neither is changed.
func merge(into, changes map[string]any) object {
	result := maps.Clone(into)
	for key, value := range changes {
		inner, isMap := value.(map[string]any)
		switch {
		case value == nil:
			delete(result, key)
		case isMap:
			old, _ := result[key].(map[string]any)
			if old == nil {
				old = map[string]any{}
			}
			result[key] = map[string]any(merge(old, inner))
		default:
			result[key] = value
		}
	}
	return result
}

// control is what controllers do between two requests. The cluster is locked.
func (c *Cluster) control() {
	for r := range c.pending {
		o := c.objects[r]
		account := creds.Account{Namespace: r.namespace, Name: o.text("metadata", "annotations", "kubernetes.io/service-account.name")}
		if o == nil || c.faults[NotFilled()] || c.objects[ref{"serviceaccounts", account.Namespace, account.Name}] == nil {
			continue
		}
		delete(c.pending, r)
		encode := base64.StdEncoding.EncodeToString
		c.put(r, object{"data": map[string]any{"token": encode([]byte(c.Issuer.sign(longClaims(account, r.name)))),
			"ca.crt": encode(c.Authority.PEM()), "namespace": encode([]byte(r.namespace))}})
	}
	for r := range c.objects {
		if r.resource == "namespaces" {
			authority := c.Authority
			if c.faults[ForeignCA()] {
				authority = c.foreign
			}
			c.put(ref{"configmaps", r.name, "kube-root-ca.crt"}, object{"data": map[string]any{"ca.crt": string(authority.PEM())}})
		}
	}
}

func (o object) metadata() map[string]any { return o.section("metadata") }

func (o object) section(key string) map[string]any {
	section, ok := o[key].(map[string]any)
	if !ok {
		section = map[string]any{}
		if o != nil && key != "stringData" {
			o[key] = section
		}
	}
	return section
}

// text is the text at a path, "" when there is none.
func (o object) text(path ...string) string {
	var value any = map[string]any(o)
	for _, key := range path {
		m, _ := value.(map[string]any)
		value = m[key]
	}
	text, _ := value.(string)
	return text
}

// labelled says whether an object has a label, as key=value.
func (o object) labelled(selector string) bool {
	for part := range strings.SplitSeq(selector, ",") {
		key, value, _ := strings.Cut(part, "=")
		if o.text("metadata", "labels", key) != value {
			return false
		}
	}
	return true
}
