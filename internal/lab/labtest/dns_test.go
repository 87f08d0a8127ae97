package labtest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// lookUp asks a site's name server by its Service, from the node.
func (l *laboratory) lookUp(t *testing.T, s site, name string) (string, error) {
	t.Helper()
	pid := l.pid(t, s.Name)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	resolver := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return dialInside(pid, "udp", net.JoinHostPort(s.DNSIP, "53"))
	}}
	found, err := resolver.LookupHost(ctx, name)
	return strings.Join(found, " "), err
}

func (l *laboratory) answers(t *testing.T, s site, name, want string) {
	t.Helper()
	eventually(t, s.Name+": "+name, func() error {
		got, err := l.lookUp(t, s, name)
		if err == nil && got != want {
			err = fmt.Errorf("got %s, want %s", got, want)
		}
		return err
	})
}

const kubernetesName = "kubernetes.default.svc.cluster.local."

func (s site) scaleDNS(t *testing.T, replicas int) {
	t.Helper()
	patch := fmt.Sprintf(`{"spec":{"replicas":%d}}`, replicas)
	_, err := s.client(t).AppsV1().Deployments("kube-system").Patch(context.Background(), "coredns", types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

// behindDNS counts the pods that kube-dns leads to.
func (s site) behindDNS(t *testing.T) int {
	t.Helper()
	slices, err := s.client(t).DiscoveryV1().EndpointSlices("kube-system").List(t.Context(), metav1.ListOptions{LabelSelector: "kubernetes.io/service-name=kube-dns"})
	if err != nil {
		t.Fatal(err)
	}
	ready := 0
	for _, slice := range slices.Items {
		for _, endpoint := range slice.Endpoints {
			if endpoint.Conditions.Ready != nil && *endpoint.Conditions.Ready {
				ready++
			}
		}
	}
	return ready
}

func TestPausedNameServer(t *testing.T) {
	s := shared.Sites[2]
	shared.answers(t, s, kubernetesName, s.APIServerIP)
	shared.fault(t, "resume dc3 coredns", "pause", "dc3", "coredns")
	if got, err := shared.lookUp(t, s, kubernetesName); err == nil {
		t.Errorf("paused, it answers %s", got)
	}
	shared.fault(t, "", "resume", "dc3", "coredns")
	shared.answers(t, s, kubernetesName, s.APIServerIP)
}

func TestSecondDNS(t *testing.T) {
	s := shared.Sites[2]
	shared.answers(t, s, kubernetesName, s.APIServerIP)
	before := s.behindDNS(t)
	shared.fault(t, "one-dns dc3", "second-dns", "dc3")
	eventually(t, "one more", func() error {
		if now := s.behindDNS(t); now != before+1 {
			return fmt.Errorf("%d, before %d", now, before)
		}
		return nil
	})
	shared.fault(t, "", "one-dns", "dc3")
	eventually(t, "as before", func() error {
		if now := s.behindDNS(t); now != before {
			return fmt.Errorf("%d, before %d", now, before)
		}
		return nil
	})
}

// What is asked once is answered on the node, also when no name server is left.
func TestNodeLocalDNS(t *testing.T) {
	s := shared.Sites[2]
	shared.fault(t, "no-node-local-dns dc3", "node-local-dns", "dc3")
	shared.answers(t, s, kubernetesName, s.APIServerIP)
	c := s.cluster(t)
	// A name of its own, asked for the first time just before: an answer is kept for 30 s.
	service, err := c.CoreV1().Services(c.namespace).Create(t.Context(), &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "once"},
		Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c.create(t, pod("asks", running("sleep", "infinity")))
	c.ready(t, "asks")
	fromPod := func() (string, error) {
		return c.exec(t.Context(), "asks", nil, "getent", "ahostsv4", "once."+c.namespace+".svc.cluster.local")
	}
	eventually(t, "a pod's question", func() error { _, err := fromPod(); return err })
	s.scaleDNS(t, 0)
	t.Cleanup(func() { s.scaleDNS(t, 1) })
	eventually(t, "no name server", func() error {
		// One that is still ending answers on, if it is the last one.
		left, err := s.client(t).CoreV1().Pods("kube-system").List(t.Context(), metav1.ListOptions{LabelSelector: "k8s-app=kube-dns"})
		if err == nil && len(left.Items) > 0 {
			err = fmt.Errorf("%d are left", len(left.Items))
		}
		return err
	})
	if text, err := fromPod(); err != nil || !strings.HasPrefix(text, service.Spec.ClusterIP+" ") {
		t.Errorf("the cache answers %q, %v", text, err)
	}
	shared.fault(t, "", "no-node-local-dns", "dc3")
	if got, err := shared.lookUp(t, s, kubernetesName); err == nil {
		t.Errorf("without cache and name server, %s", got)
	}
	s.scaleDNS(t, 1)
	shared.answers(t, s, kubernetesName, s.APIServerIP)
}

// importSecret puts a kubeconfig of one site's account coredns into another site, in kubemcsa's shape.
func importSecret(t *testing.T, from, to site) {
	t.Helper()
	secrets := from.client(t).CoreV1().Secrets("kube-system")
	token := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "coredns-token", Annotations: map[string]string{corev1.ServiceAccountNameKey: "coredns"}}, Type: corev1.SecretTypeServiceAccountToken,
	}
	if _, err := secrets.Create(t.Context(), token, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a token", func() (err error) {
		if token, err = secrets.Get(t.Context(), "coredns-token", metav1.GetOptions{}); err == nil && len(token.Data["token"]) == 0 {
			err = errors.New("not yet")
		}
		return err
	})
	text := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":%[1]q,"contexts":[{"name":%[1]q,"context":{"cluster":%[1]q,"user":%[1]q}}],
		"clusters":[{"name":%[1]q,"cluster":{"server":"https://%[2]s","certificate-authority-data":%[3]q}}],"users":[{"name":%[1]q,"user":{"token":%[4]q}}]}`,
		from.Name, from.APIServerIP, base64.StdEncoding.EncodeToString(token.Data["ca.crt"]), token.Data["token"])
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: from.Name}, Data: map[string][]byte{"config": []byte(text)}}
	if _, err := to.client(t).CoreV1().Secrets("kube-system").Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// nameServer is the pod of the chart, and whether it is ready.
func (s site) nameServer(t *testing.T) (corev1.Pod, error) {
	t.Helper()
	pods, err := s.client(t).CoreV1().Pods("kube-system").List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=ice-coredns"})
	if err != nil {
		t.Fatal(err)
	}
	if len(pods.Items) != 1 {
		return corev1.Pod{}, fmt.Errorf("%d pods", len(pods.Items))
	}
	p := pods.Items[0]
	for _, condition := range p.Status.Conditions {
		if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue {
			return p, nil
		}
	}
	return p, fmt.Errorf("%s %+v", p.Status.Phase, p.Status.ContainerStatuses)
}

func (s site) awaitNameServer(t *testing.T) (p corev1.Pod) {
	t.Helper()
	eventually(t, s.Name+": name server ready", func() (err error) {
		p, err = s.nameServer(t)
		return err
	})
	return p
}

// The chart's name server answers for both sites. One that waits for the other site, restarted while that is cut off,
// takes its own site's names along; one that does not, does not.
func TestFederatedDNS(t *testing.T) {
	dc1, dc2 := mesh(t)
	c2 := dc2.cluster(t)
	c2.create(t, pod("serves"))
	there := c2.expose(t, "serves", false)
	remote := "serves." + c2.namespace + ".svc.cluster.local."
	t.Cleanup(func() { dc1.restoreDNS(t) })
	shared.install(t, dc1, "ice-coredns-3.5.41629.tgz", "coredns-dc1", values(t, fmt.Sprintf(`{"config":{"multidatacenter":{"currentDC":"dc1","dnsIP":%q,"dcs":[
		{"name":"dc1","kubernetesEndpoint":"https://%s"},{"name":"dc2","kubernetesEndpoint":"https://%s"}]}}}`, dc1.DNSIP, dc1.APIServerIP, dc2.APIServerIP)))
	dc1.leadDNS(t, `{"app.kubernetes.io/name":"ice-coredns"}`) // an application merges with what was there
	eventually(t, "it hangs without its Secret", func() error {
		p, err := dc1.nameServer(t)
		if states := p.Status.ContainerStatuses; err != nil && len(states) == 1 && states[0].State.Waiting != nil && states[0].State.Waiting.Reason == "ContainerCreating" {
			return nil
		}
		return fmt.Errorf("%v", err)
	})
	importSecret(t, dc2, dc1)
	dc1.awaitNameServer(t)
	shared.answers(t, dc1, remote, there)
	shared.answers(t, dc1, kubernetesName, dc1.APIServerIP)

	t.Run("the other site out of sight", func(t *testing.T) { staleDNS(t, dc1, dc2) })
	t.Run("tokens", func(t *testing.T) { tokenFaults(t, dc2, dc1) })

	restartInACut := func() {
		t.Helper()
		p := dc1.awaitNameServer(t)
		shared.fault(t, "mend", "isolate", "dc1")
		none := int64(0)
		if err := dc1.client(t).CoreV1().Pods("kube-system").Delete(t.Context(), p.Name, metav1.DeleteOptions{GracePeriodSeconds: &none}); err != nil {
			t.Fatal(err)
		}
	}
	restartInACut()
	shared.answers(t, dc1, kubernetesName, dc1.APIServerIP)
	shared.fault(t, "", "mend")

	shared.fault(t, "dns-waits-for-own dc1", "dns-waits-for-all", "dc1")
	restartInACut()
	eventually(t, "the new one runs", func() error {
		p, err := dc1.nameServer(t)
		if err != nil && p.Status.Phase == corev1.PodRunning {
			return nil
		}
		return fmt.Errorf("%s %v", p.Status.Phase, err)
	})
	// For longer than one that does not wait needs.
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Second) {
		if got, err := shared.lookUp(t, dc1, kubernetesName); err == nil {
			t.Fatalf("it answers %s", got)
		}
	}
	shared.fault(t, "", "mend")
	shared.answers(t, dc1, kubernetesName, dc1.APIServerIP)
	shared.fault(t, "", "dns-waits-for-own", "dc1")
	shared.answers(t, dc1, remote, there)
}

// staleDNS: a name of the other site leads elsewhere, and the own name servers answer as before.
func staleDNS(t *testing.T, own, other site) {
	const moves = "moves.moved.default.svc.cluster.local."
	shared.fault(t, "fresh-dns dc1 dc2", "stale-dns", own.Name, other.Name)
	answer := func(s site) (address string) {
		t.Helper()
		eventually(t, s.Name+": "+moves, func() (err error) {
			address, err = shared.lookUp(t, s, moves)
			return err
		})
		return address
	}
	there := answer(other)
	if here := answer(own); here == there {
		t.Errorf("it is %s there and here", here)
	}
	shared.answers(t, own, kubernetesName, own.APIServerIP)
	shared.fault(t, "", "fresh-dns", own.Name, other.Name)
	if here, err := shared.lookUp(t, own, moves); err == nil && here != there {
		t.Errorf("mended, it is %s", here)
	}
	if _, err := other.client(t).CoreV1().Services("default").Get(t.Context(), "moved", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("its service is left: %v", err)
	}
}

// tokenFaults: of the account whose token another site holds.
func tokenFaults(t *testing.T, source, holder site) {
	held := func() (config string) {
		t.Helper()
		secret, err := holder.client(t).CoreV1().Secrets("kube-system").Get(t.Context(), source.Name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return string(secret.Data["config"])
	}
	// isTaken asks the source with what the holder has, at the source's address on this machine.
	isTaken := func() error {
		t.Helper()
		config, err := clientcmd.RESTConfigFromKubeConfig([]byte(held()))
		if err != nil {
			t.Fatal(err)
		}
		admin, err := clientcmd.BuildConfigFromFlags("", source.Kubeconfig)
		if err != nil {
			t.Fatal(err)
		}
		config.Host = admin.Host
		client, err := kubernetes.NewForConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Discovery().ServerVersion()
		return err
	}
	if err := isTaken(); err != nil {
		t.Fatal(err)
	}
	before := held()
	for _, kind := range []string{"revoke-token", "expire-token"} {
		shared.fault(t, "un"+kind+" "+source.Name, kind, source.Name)
		if err := isTaken(); !apierrors.IsUnauthorized(err) {
			t.Errorf("%s: %v", kind, err)
		}
		if same := held() == before; same != (kind == "revoke-token") {
			t.Errorf("%s: the copy is as it was: %t", kind, same)
		}
		if list := shared.fault(t, "", "list"); !strings.Contains(list, kind+" "+source.Name+" kube-system/coredns") {
			t.Errorf("list: %s", list)
		}
		shared.fault(t, "", "un"+kind, source.Name)
		if err := isTaken(); err != nil || held() != before {
			t.Errorf("un%s: %v, the copy is as it was: %t", kind, err, held() == before)
		}
	}
}

// restoreDNS leads the Service to the site's first name server again.
func (s site) restoreDNS(t *testing.T) {
	t.Helper()
	s.leadDNS(t, `{"k8s-app":"kube-dns"}`)
	if err := s.client(t).AppsV1().Deployments("kube-system").Delete(context.Background(), "ice-coredns", metav1.DeleteOptions{}); err != nil {
		t.Error(err)
	}
	shared.answers(t, s, kubernetesName, s.APIServerIP)
}

// leadDNS makes the Service kube-dns lead to the pods with these labels.
func (s site) leadDNS(t *testing.T, labels string) {
	t.Helper()
	patch := `[{"op":"replace","path":"/spec/selector","value":` + labels + `}]`
	if _, err := s.client(t).CoreV1().Services("kube-system").Patch(context.Background(), "kube-dns", types.JSONPatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		t.Error(err)
	}
}
