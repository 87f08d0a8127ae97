package kube

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/geored/probe"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/gateway"
	"github.com/georedkit/georedkit/mesh/kilo"
)

// Observers are pods of the probe image on the network of every node of one site. They do nothing until they are asked
// for WireGuard interfaces that somebody else keeps, such as Kilo, and change nothing: NET_ADMIN is what reading takes,
// NET_RAW what asking a kernel by ICMP takes.
type Observers struct {
	Cluster    *kube.Cluster
	Namespace  string // is made too; it must admit pods on the host network
	Image      string // the probe image
	PullSecret string // name of a Secret of type kubernetes.io/dockerconfigjson in Namespace; zero: none
}

const observerName = "wireguard-observer"

var observerLabels = map[string]string{"app.kubernetes.io/name": observerName}

// Task is a task that is done when an observer runs on every node.
func (o Observers) Task(step geored.Step) (geored.Task, error) {
	if o.Cluster == nil {
		return geored.Task{}, errNoCluster
	}
	objects, err := o.Objects()
	if err != nil {
		return geored.Task{}, err
	}
	return o.Cluster.ApplyTask(step, objects...), nil
}

// Device asks the observer of a node for an interface.
func (o Observers) Device(ctx context.Context, node, link string) (mesh.DeviceState, error) {
	return o.fleet().device(ctx, node, link)
}

// Probe is the observer of a node, for questions of any kind.
func (o Observers) Probe(ctx context.Context, node string) (kube.Probe, error) {
	return o.fleet().on(ctx, node)
}

// Sample asks the observer of a node for two samples of an interface with a packet through each tunnel between them.
func (o Observers) Sample(ctx context.Context, node string, question gateway.SampleQuestion) (mesh.Sample, error) {
	return o.fleet().sample(ctx, node, question)
}

// LinkMTU asks the observer of a node for the MTU of the interface by which packets to an address leave.
func (o Observers) LinkMTU(ctx context.Context, node string, to netip.Addr) (int, error) {
	return o.fleet().linkMTU(ctx, node, to)
}

// Now is the time of the site, by the clock of the node that answers first.
func (o Observers) Now(ctx context.Context) (time.Time, error) {
	pods, err := o.fleet().pods(ctx)
	if err != nil {
		return time.Time{}, err
	}
	var clients []probe.Client
	for _, pod := range pods {
		clients = append(clients, pod)
	}
	return firstTime(ctx, clients)
}

// firstTime asks all at once: one on a node that is lost holds nobody up.
func firstTime(ctx context.Context, clients []probe.Client) (time.Time, error) {
	type told struct {
		now time.Time
		err error
	}
	ctx, enough := context.WithCancel(ctx)
	defer enough()
	came := make(chan told, len(clients))
	for _, client := range clients {
		go func() {
			answer, err := probe.Ask(ctx, client, probe.Clock{})
			came <- told{answer.Now, err}
		}()
	}
	errs := []error{fmt.Errorf("no observer tells the time: %d run", len(clients))}
	for range clients {
		t := <-came
		if t.err == nil {
			return t.now, nil
		}
		errs = append(errs, t.err)
	}
	return time.Time{}, errors.Join(errs...)
}

func (o Observers) kiloNodes(ctx context.Context) ([]kilo.Node, geored.Faults, error) {
	return KiloNodes(ctx, o.Cluster)
}

func (o Observers) kiloPeers(ctx context.Context) ([]kilo.Peer, error) {
	return KiloPeers(ctx, o.Cluster)
}

func (o Observers) fleet() fleet {
	return fleet{Cluster: o.Cluster, namespace: o.Namespace, labels: observerLabels, container: "observer", what: "observer"}
}

// Objects are the namespace and the DaemonSet.
func (o Observers) Objects() ([]*kube.Object, error) {
	if o.Image == "" {
		return nil, errors.New("probe image: none is named; give one with -probe-image (make image writes it)")
	}
	every := intstr.FromString("100%")
	return kube.Objects(privileged(o.Namespace), &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: o.Namespace, Name: observerName, Labels: observerLabels},
		Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: observerLabels},
			UpdateStrategy: appsv1.DaemonSetUpdateStrategy{Type: appsv1.RollingUpdateDaemonSetStrategyType,
				RollingUpdate: &appsv1.RollingUpdateDaemonSet{MaxUnavailable: &every}},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: observerLabels}, Spec: o.podSpec()},
		},
	})
}

// privileged is a namespace that lets pods on the host network in.
func privileged(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "privileged"}}}
}

// sockets is where a WireGuard that lives in a process is spoken to.
const sockets = "/var/run/wireguard"

func (o Observers) podSpec() corev1.PodSpec {
	spec := nodePod(o.PullSecret, corev1.Container{Name: "observer", Image: o.Image, Args: []string{"wait"}}, "NET_ADMIN", "NET_RAW")
	create := corev1.HostPathDirectoryOrCreate
	spec.Volumes = []corev1.Volume{{Name: "sockets", VolumeSource: corev1.VolumeSource{
		HostPath: &corev1.HostPathVolumeSource{Path: sockets, Type: &create}}}}
	spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "sockets", MountPath: sockets}}
	return spec
}
