package coredns

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/georedkit/georedkit/geored/kube"
)

// Namespace is where Kubernetes has its name servers.
const Namespace = metav1.NamespaceSystem

// ServiceName is the Service that kubelets send their pods to, whatever serves behind it.
const ServiceName = "kube-dns"

// DNS is what serves DNS in one cluster.
type DNS struct {
	Service     *corev1.Service // nil: there is none
	Deployments []Deployment    // that are labelled as cluster DNS, or stand behind the Service; sorted by name
	Strays      []string        // pods that the Service leads to and that are of no Deployment, sorted
	NodeCaches  []NodeCache     // sorted by name
	Beside      []BesideService // sorted by name
}

// Deployment is one set of name servers.
type Deployment struct {
	Name      string
	Image     string
	Corefile  string // as its ConfigMap has it; zero: it names none that could be read
	ConfigMap string
	Behind    bool  // the Service leads to its pods
	Pods      []Pod // sorted by name
	live      *appsv1.Deployment
}

// Pod is one name server.
type Pod struct {
	Name    string
	Node    string
	Address netip.Addr // zero: it has none yet
	Ready   bool
	ImageID string // what runs, whatever the tag says
}

// Read finds the name servers of a cluster: deployments that are labelled as such or stand behind the Service, and those
// named besides. Everything is there with an error too, as far as it could be read.
func Read(ctx context.Context, c *kube.Cluster, also ...string) (DNS, error) {
	var dns DNS
	service, err := c.Client().CoreV1().Services(Namespace).Get(ctx, ServiceName, metav1.GetOptions{})
	if err == nil {
		dns.Service = service
	} else if !apierrors.IsNotFound(err) {
		return dns, fmt.Errorf("service %s: %w", ServiceName, err)
	}
	deployments, err := c.Client().AppsV1().Deployments(Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return dns, fmt.Errorf("deployments: %w", err)
	}
	pods, err := c.Client().CoreV1().Pods(Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return dns, fmt.Errorf("pods: %w", err)
	}
	for i := range deployments.Items {
		if d := &deployments.Items[i]; isDNS(d, dns.Service) || slices.Contains(also, d.Name) {
			read, err := readDeployment(ctx, c, d, pods.Items, dns.Service)
			if err != nil {
				return dns, err
			}
			dns.Deployments = append(dns.Deployments, read)
		}
	}
	slices.SortFunc(dns.Deployments, func(a, b Deployment) int { return cmp.Compare(a.Name, b.Name) })
	dns.Strays = strays(dns, pods.Items)
	if dns.NodeCaches, err = readNodeCaches(ctx, c); err != nil {
		return dns, err
	}
	dns.Beside, err = beside(ctx, c, dns.Deployments)
	return dns, err
}

// strays are the pods that a Service leads to and that are of none of the Deployments, such as a DaemonSet's.
func strays(dns DNS, pods []corev1.Pod) []string {
	var names []string
	for _, p := range pods {
		known := slices.ContainsFunc(dns.Deployments, func(d Deployment) bool {
			return slices.ContainsFunc(d.Pods, func(own Pod) bool { return own.Name == p.Name })
		})
		if leadsTo(dns.Service, p.Labels) && !over(p) && !known {
			names = append(names, p.Name)
		}
	}
	slices.Sort(names)
	return names
}

// over says whether a pod answers no more: an evicted one stays among the pods until somebody collects it.
func over(p corev1.Pod) bool {
	return p.DeletionTimestamp != nil || p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

func isDNS(d *appsv1.Deployment, service *corev1.Service) bool {
	return d.Labels["k8s-app"] == "kube-dns" || d.Labels[partOf] == partOfValue || leadsTo(service, d.Spec.Template.Labels)
}

// leadsTo says whether a Service selects pods with these labels. A Service without selector selects none.
func leadsTo(service *corev1.Service, pod map[string]string) bool {
	return service != nil && len(service.Spec.Selector) > 0 && labels.SelectorFromSet(service.Spec.Selector).Matches(labels.Set(pod))
}

func readDeployment(ctx context.Context, c *kube.Cluster, d *appsv1.Deployment, pods []corev1.Pod, service *corev1.Service) (Deployment, error) {
	read := Deployment{Name: d.Name, Behind: leadsTo(service, d.Spec.Template.Labels), live: d}
	if containers := d.Spec.Template.Spec.Containers; len(containers) > 0 {
		read.Image = containers[0].Image
	}
	selector, err := metav1.LabelSelectorAsSelector(d.Spec.Selector)
	if err != nil {
		return read, fmt.Errorf("deployment %s: selector: %w", d.Name, err)
	}
	for _, p := range pods {
		if selector.Matches(labels.Set(p.Labels)) && !over(p) && !ofAnother(p, d.Name) {
			read.Pods = append(read.Pods, podOf(p))
		}
	}
	slices.SortFunc(read.Pods, func(a, b Pod) int { return cmp.Compare(a.Name, b.Name) })
	from, err := corefileOf(ctx, c, d.Spec.Template.Spec)
	if err != nil {
		return read, fmt.Errorf("deployment %s: %w", d.Name, err)
	}
	read.ConfigMap, read.Corefile = from.Name, from.Data[corefileKey]
	return read, nil
}

// ofAnother says whether a pod belongs to another Deployment, whatever its labels are: the ReplicaSet in between is named
// after it and the hash of the template.
func ofAnother(p corev1.Pod, deployment string) bool {
	owner := metav1.GetControllerOf(&p)
	hash := p.Labels[appsv1.DefaultDeploymentUniqueLabelKey]
	return owner != nil && hash != "" && owner.Name != deployment+"-"+hash
}

func podOf(p corev1.Pod) Pod {
	read := Pod{Name: p.Name, Node: p.Spec.NodeName}
	if a, err := netip.ParseAddr(p.Status.PodIP); err == nil {
		read.Address = a
	}
	for _, condition := range p.Status.Conditions {
		read.Ready = read.Ready || condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue
	}
	if len(p.Status.ContainerStatuses) > 0 {
		read.ImageID = p.Status.ContainerStatuses[0].ImageID
	}
	return read
}

// corefileKey is where a ConfigMap has its Corefile.
const corefileKey = "Corefile"

// corefileOf finds the ConfigMap with the Corefile that a pod mounts; an empty one: there is none.
func corefileOf(ctx context.Context, c *kube.Cluster, spec corev1.PodSpec) (corev1.ConfigMap, error) {
	for _, volume := range spec.Volumes {
		if volume.ConfigMap == nil {
			continue
		}
		live, err := c.Client().CoreV1().ConfigMaps(Namespace).Get(ctx, volume.ConfigMap.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return corev1.ConfigMap{}, fmt.Errorf("configmap %s: %w", volume.ConfigMap.Name, err)
		}
		if _, ok := live.Data[corefileKey]; ok {
			return *live, nil
		}
	}
	return corev1.ConfigMap{}, nil
}
