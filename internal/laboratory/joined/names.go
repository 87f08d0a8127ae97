package joined

import (
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/georedkit/georedkit/dnsfed"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/mesh"
)

const (
	system      = metav1.NamespaceSystem
	reader      = "dns-peer" // ServiceAccount, its token, and the Secret with the others' access
	access      = "/etc/peers"
	corefileKey = "Corefile"
)

const readerObjects = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: dns-peer, namespace: kube-system}
---
apiVersion: v1
kind: Secret
metadata: {name: dns-peer, namespace: kube-system, annotations: {kubernetes.io/service-account.name: dns-peer}}
type: kubernetes.io/service-account-token
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: dns-peer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: system:coredns}
subjects: [{kind: ServiceAccount, name: dns-peer, namespace: kube-system}]
`

const peerKubeconfig = `{apiVersion: v1, kind: Config, current-context: peer,
clusters: [{name: peer, cluster: {server: "https://%s", certificate-authority-data: %s}}],
users: [{name: peer, user: {token: %s}}], contexts: [{name: peer, context: {cluster: peer, user: peer}}]}`

// names lets the name servers of every site answer for all.
func (s *Sites) names() {
	s.t.Helper()
	federation := dnsfed.Federation{Plugin: dnsfed.Kubernetai, CoreDNS: dnsfed.Version{Major: 1, Minor: 15}}
	var tasks []geored.Task
	for _, site := range s.network.Sites {
		federation.Sites = append(federation.Sites, dnsfed.Site{Site: site.Site, Kubeconfig: access + "/" + string(site.Name)})
		objects, err := kube.ReadObjects([]byte(readerObjects))
		s.must(err)
		tasks = append(tasks, s.Clusters[site.Name].ApplyTask(Step("dns-reader", site.Name), objects...))
	}
	s.Run(tasks...)
	files := map[string][]byte{}
	for _, site := range s.network.Sites {
		files[string(site.Name)] = s.Access(site.Name, system, reader)
	}
	for _, name := range s.Names {
		s.federate(federation, name, files)
	}
	for _, name := range s.Names {
		s.Await("the name servers of "+string(name), func() (string, bool) {
			d, err := s.Clusters[name].Client().AppsV1().Deployments(system).Get(s.t.Context(), "coredns", metav1.GetOptions{})
			s.must(err)
			return fmt.Sprint(d.Status), d.Status.ObservedGeneration == d.Generation && d.Status.UpdatedReplicas == 1 && d.Status.AvailableReplicas == 1 && d.Status.Replicas == 1
		})
	}
}

// Access lets pods of any site into the API server of one, with a token that lies there in a Secret.
func (s *Sites) Access(name geored.SiteName, namespace, tokenSecret string) []byte {
	s.t.Helper()
	number := slices.IndexFunc(s.network.Sites, func(site mesh.Site) bool { return site.Name == name })
	address := s.network.Sites[number].Services[0].Addr().Next().String()
	var secret *corev1.Secret
	s.Await("the token of "+string(name), func() (string, bool) {
		var err error
		secret, err = s.Clusters[name].Client().CoreV1().Secrets(namespace).Get(s.t.Context(), tokenSecret, metav1.GetOptions{})
		s.must(err)
		return "it is empty", len(secret.Data["token"]) > 0
	})
	return fmt.Appendf(nil, peerKubeconfig, address, base64.StdEncoding.EncodeToString(secret.Data["ca.crt"]), secret.Data["token"])
}

func (s *Sites) federate(f dnsfed.Federation, name geored.SiteName, files map[string][]byte) {
	s.t.Helper()
	client := s.Clusters[name].Client()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: "dns-peers"}, Data: files}
	_, err := client.CoreV1().Secrets(system).Create(s.t.Context(), secret, metav1.CreateOptions{})
	s.must(err)
	config, err := client.CoreV1().ConfigMaps(system).Get(s.t.Context(), "coredns", metav1.GetOptions{})
	s.must(err)
	config.Data[corefileKey], err = f.Merge(name, config.Data[corefileKey])
	s.must(err)
	_, err = client.CoreV1().ConfigMaps(system).Update(s.t.Context(), config, metav1.UpdateOptions{})
	s.must(err)
	patch := fmt.Sprintf(`{"spec":{"template":{"spec":{"containers":[{"name":"coredns","volumeMounts":[{"name":"peers","mountPath":%q,"readOnly":true}]}],
"volumes":[{"name":"peers","secret":{"secretName":"dns-peers"}}]}}}}`, access)
	_, err = client.AppsV1().Deployments(system).Patch(s.t.Context(), "coredns", types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{})
	s.must(err)
}

// Await looks until something is so, for four minutes; what was seen last is told when it never is.
func (s *Sites) Await(what string, so func() (seen string, done bool)) {
	s.t.Helper()
	for began := time.Now(); ; time.Sleep(200 * time.Millisecond) {
		seen, done := so()
		if done {
			return
		}
		if time.Since(began) > 4*time.Minute {
			s.t.Fatalf("%s: %s", what, seen)
		}
	}
}
