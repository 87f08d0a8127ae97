// Package ice installs the laboratory's stand-in of ICE in joined sites, for tests, in the order of the guide: the first
// site, which hangs, the seeds of the others, the credentials, the others whole, and the mirrors restarted. Left out is to
// restart ksqldb, which is of use once there are topics.
package ice

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/geored/kube/helm"
	"github.com/georedkit/georedkit/internal/laboratory/joined"
)

// Names of the chart and of what it makes.
const (
	Chart     = "ice-helm-operator-develop"
	Release   = "ice-helm-operator"
	Namespace = "ice-release"
	Version   = "3.5.41629"
)

// Namespaces are those that the chart makes.
var Namespaces = []string{"ice-arcus", "ice-cassandra", "ice-kafka", "ice-minio", "ice-rallypoint"}

// Stores are what a laboratory must be started with.
var Stores = []string{"ice"}

// ICE is the release in all sites.
type ICE struct {
	*joined.Sites
	t testing.TB
}

// On is ICE in these sites; nothing is installed yet.
func On(t testing.TB, s *joined.Sites) *ICE { return &ICE{s, t} }

func (i *ICE) must(err error) {
	i.t.Helper()
	if err != nil {
		i.t.Fatal(err)
	}
}

// Pull fetches a version of the chart from the laboratory's repository.
func (i *ICE) Pull(version string) helm.Chart {
	i.t.Helper()
	repo, err := i.ChartRepo()
	i.must(err)
	read := func(path string) []byte {
		text, err := os.ReadFile(path)
		i.must(err)
		return text
	}
	r := helm.Repository{URL: repo.URL, CA: read(repo.CAFile), User: string(read(repo.UserFile)), Password: helm.NewPassword(string(read(repo.PasswordFile)))}
	c, err := r.Pull(i.t.Context(), Chart, version)
	i.must(err)
	return c
}

// Apply installs or upgrades the release of a site, and does not wait.
func (i *ICE) Apply(site geored.SiteName, version string, values helm.Values) {
	i.t.Helper()
	space, err := kube.ReadObjects([]byte("{apiVersion: v1, kind: Namespace, metadata: {name: " + Namespace + "}}"))
	i.must(err)
	i.Run(i.Clusters[site].ApplyTask(joined.Step("namespace", site), space...))
	releases := helm.Releases{Cluster: i.Clusters[site]}
	i.must(releases.Apply(i.t.Context(), helm.Release{Name: Release, Namespace: Namespace, Chart: i.Pull(version), Values: values, NoWait: true}))
}

// Install brings everything up in every site.
func (i *ICE) Install() {
	i.t.Helper()
	began := time.Now()
	reached := func(what string) { i.t.Logf("ice: %6.1f s  %s", time.Since(began).Seconds(), what) }
	first := i.Names[0]
	i.Apply(first, Version, Values(first, i.Names))
	reached("first site applied")
	for _, site := range i.Names[1:] {
		i.Apply(site, Version, Seed(site, i.Names))
	}
	reached("others seeded")
	i.Credentials()
	reached("credentials exchanged")
	i.AwaitModel(first, Version)
	reached("first site's modelmanager is done")
	for _, site := range i.Names[1:] {
		i.Apply(site, Version, Values(site, i.Names))
	}
	for _, site := range i.Names {
		i.AwaitModel(site, Version)
		i.AwaitReady(site)
		reached(string(site) + " is ready")
	}
	// One that was started before the other site has failed connectors for ever (4.4.8).
	for _, site := range i.Names {
		i.Restart(site, "ice-kafka", "app.kubernetes.io/name=kafka-mirror-maker-2")
	}
	for _, site := range i.Names {
		i.AwaitReady(site)
	}
	reached("mirrors restarted")
}

// Restart deletes pods, as the guide does.
func (i *ICE) Restart(site geored.SiteName, namespace, selector string) {
	i.t.Helper()
	i.must(i.Clusters[site].Client().CoreV1().Pods(namespace).DeleteCollection(i.t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: selector}))
}

// Credentials gives the first site access to the StatefulSets of all others.
func (i *ICE) Credentials() {
	i.t.Helper()
	const account, in = "cassandra-operator", "ice-cassandra"
	for _, site := range i.Names[1:] {
		text := fmt.Sprintf("{apiVersion: v1, kind: Secret, type: kubernetes.io/service-account-token, metadata: {name: %s, namespace: %s, annotations: {kubernetes.io/service-account.name: %s}}}", account, in, account)
		objects, err := kube.ReadObjects([]byte(text))
		i.must(err)
		i.Run(i.Clusters[site].ApplyTask(joined.Step("token", site), objects...))
		config := i.Access(site, in, account)
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: string(site), Namespace: in}, Data: map[string][]byte{"config": config}}
		_, err = i.Clusters[i.Names[0]].Client().CoreV1().Secrets(in).Create(i.t.Context(), secret, metav1.CreateOptions{})
		i.must(err)
	}
}

// AwaitModel waits until a site's modelmanager is done.
func (i *ICE) AwaitModel(site geored.SiteName, version string) {
	i.t.Helper()
	i.Await("modelmanager of "+string(site), func() (string, bool) {
		job, err := i.Clusters[site].Client().BatchV1().Jobs("ice-arcus").Get(i.t.Context(), "modelmanager-"+version, metav1.GetOptions{})
		if err != nil {
			return err.Error(), false
		}
		return fmt.Sprint(job.Status), job.Status.Succeeded > 0
	})
}

// AwaitReady waits until no pod of a site's ICE is unready, but those of jobs that are done.
func (i *ICE) AwaitReady(site geored.SiteName) {
	i.t.Helper()
	i.Await("the pods of "+string(site), func() (string, bool) {
		unready := i.Unready(site)
		return strings.Join(unready, "\n"), len(unready) == 0
	})
}

// Unready describes the pods of a site's ICE that are not ready, and what lacks pods.
func (i *ICE) Unready(site geored.SiteName) []string {
	i.t.Helper()
	var unready []string
	client, all := i.Clusters[site].Client(), metav1.ListOptions{}
	lacks := func(name string, wanted *int32, ready int32) {
		if wanted != nil && ready < *wanted {
			unready = append(unready, fmt.Sprintf("%s: %d of %d pods are ready", name, ready, *wanted))
		}
	}
	for _, namespace := range Namespaces {
		sets, err := client.AppsV1().StatefulSets(namespace).List(i.t.Context(), all)
		i.must(err)
		for _, s := range sets.Items {
			lacks(s.Name, s.Spec.Replicas, s.Status.ReadyReplicas)
		}
		deployments, err := client.AppsV1().Deployments(namespace).List(i.t.Context(), all)
		i.must(err)
		for _, d := range deployments.Items {
			lacks(d.Name, d.Spec.Replicas, d.Status.ReadyReplicas)
		}
		pods, err := client.CoreV1().Pods(namespace).List(i.t.Context(), all)
		i.must(err)
		for _, pod := range pods.Items {
			ready := pod.Status.Phase == corev1.PodSucceeded
			for _, c := range pod.Status.Conditions {
				ready = ready || c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
			}
			if !ready || pod.DeletionTimestamp != nil {
				unready = append(unready, fmt.Sprintf("%s/%s: %s %q", namespace, pod.Name, pod.Status.Phase, states(pod)))
			}
		}
	}
	return unready
}

func states(pod corev1.Pod) []string {
	var all []string
	for _, c := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
		switch {
		case c.State.Waiting != nil:
			all = append(all, c.Name+" waits: "+c.State.Waiting.Reason)
		case c.State.Terminated != nil:
			all = append(all, c.Name+" ended: "+c.State.Terminated.Reason)
		default:
			all = append(all, c.Name+" runs")
		}
	}
	return all
}
