package ice

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"

	"github.com/georedkit/georedkit/dnsfed/coredns"
	"github.com/georedkit/georedkit/geored"
)

// Versions of Kubernetes: tokens are taken back by a label that 1.29 was the first to heed; the newest that this was tried
// with.
const (
	leastMinor = 29
	triedMinor = 36
)

func (d *Deployment) versions(ctx context.Context) []geored.Finding {
	answers := geored.Ask(ctx, d.targets("apiserver"), func(ctx context.Context, t geored.Target) (version.Info, error) {
		var info version.Info
		text, err := d.Clusters[t.Site].Client().Discovery().RESTClient().Get().AbsPath("/version").DoRaw(ctx)
		if err == nil {
			err = json.Unmarshal(text, &info)
		}
		return info, err
	})
	return answers.Each(func(_ geored.Target, info version.Info) geored.Finding { return judgeVersion(info) })
}

func judgeVersion(info version.Info) geored.Finding {
	f := geored.Finding{Verdict: geored.Pass, Message: "Kubernetes " + info.GitVersion}
	minor, err := strconv.Atoi(strings.TrimRight(info.Minor, "+"))
	switch {
	case err != nil || info.Major != "1":
		f.Verdict, f.Message = geored.Unknown, fmt.Sprintf("version %q cannot be read", info.GitVersion)
	case minor < leastMinor:
		f.Verdict, f.Message = geored.Fail, fmt.Sprintf("Kubernetes %s is older than 1.%d: it does not heed what takes tokens back", info.GitVersion, leastMinor)
		f.Remedy = fmt.Sprintf("upgrade it to 1.%d or later", leastMinor)
	case minor > triedMinor:
		f.Verdict, f.Message = geored.Warn, fmt.Sprintf("Kubernetes %s is newer than 1.%d, the newest that this was tried with", info.GitVersion, triedMinor)
	}
	return f
}

// ranges holds each node's slice of the pods against the site's range (ICE guide, 3.2).
func (d *Deployment) ranges(ctx context.Context) []geored.Finding {
	answers := geored.Ask(ctx, d.targets("nodes"), func(ctx context.Context, t geored.Target) ([]geored.Node, error) {
		return d.Clusters[t.Site].Nodes(ctx)
	})
	return answers.Each(func(t geored.Target, nodes []geored.Node) geored.Finding { return judgeRanges(d.site(t.Site), nodes) })
}

func judgeRanges(site Site, nodes []geored.Node) geored.Finding {
	f := geored.Finding{Verdict: geored.Pass, Message: fmt.Sprintf("%d nodes, each with its slice of %v", len(nodes), site.Pods)}
	if len(nodes) == 0 {
		return geored.Finding{Verdict: geored.Fail, Message: "the cluster has no node"}
	}
	for _, node := range nodes {
		problem := ""
		if len(node.PodCIDRs) == 0 {
			problem = "has no slice"
		}
		for _, slice := range node.PodCIDRs {
			if !within(slice, site.Pods) {
				problem = fmt.Sprintf("has %s, which lies outside %v", slice, site.Pods)
			}
		}
		if problem != "" {
			f.Verdict, f.Message = geored.Fail, fmt.Sprintf("node %s %s", node.Name, problem)
			f.Evidence = append(f.Evidence, f.Message)
			f.Remedy = "let the controller manager allocate slices of the site's podCIDR (--allocate-node-cidrs, --cluster-cidr)"
		}
	}
	return f
}

func within(inner netip.Prefix, outer []netip.Prefix) bool {
	for _, p := range outer {
		if p.Bits() <= inner.Bits() && p.Contains(inner.Addr()) {
			return true
		}
	}
	return false
}

// cni reads flannel's own settings (ICE guide, 3.2: host-gw).
func (d *Deployment) cni(ctx context.Context) []geored.Finding {
	answers := geored.Ask(ctx, d.targets("flannel"), func(ctx context.Context, t geored.Target) (*corev1.ConfigMap, error) {
		for _, namespace := range []string{"kube-flannel", metav1.NamespaceSystem} {
			found, err := d.Clusters[t.Site].Client().CoreV1().ConfigMaps(namespace).Get(ctx, "kube-flannel-cfg", metav1.GetOptions{})
			if err == nil || !apierrors.IsNotFound(err) {
				return found, err
			}
		}
		return nil, nil
	})
	return answers.Each(func(_ geored.Target, settings *corev1.ConfigMap) geored.Finding { return judgeCNI(settings) })
}

func judgeCNI(settings *corev1.ConfigMap) geored.Finding {
	if settings == nil {
		return geored.Finding{Verdict: geored.Skipped, Message: "there is no flannel: whether pods of all nodes are reached is for mesh/pods to say"}
	}
	var file struct{ Backend struct{ Type string } }
	err := json.Unmarshal([]byte(settings.Data["net-conf.json"]), &file)
	backend := file.Backend.Type
	switch {
	case err != nil || backend == "":
		return geored.Finding{Verdict: geored.Unknown, Message: "flannel's net-conf.json names no back end"}
	case backend != "host-gw":
		return geored.Finding{Verdict: geored.Fail, Message: "flannel's back end is " + backend + ", not host-gw: what Kilo brings for pods of another node is wrapped once more, or lost",
			Remedy: "set flannel_backend_type: host-gw (ICE guide, 3.3.3.2.2) and restart flannel"}
	}
	return geored.Finding{Verdict: geored.Pass, Message: "flannel's back end is host-gw"}
}

const defaultClass = "storageclass.kubernetes.io/is-default-class"

func (d *Deployment) storageClasses(ctx context.Context) []geored.Finding {
	answers := geored.Ask(ctx, d.targets("storage classes"), func(ctx context.Context, t geored.Target) ([]storagev1.StorageClass, error) {
		return d.classes(ctx, t.Site)
	})
	return answers.Each(func(_ geored.Target, classes []storagev1.StorageClass) geored.Finding { return judgeClasses(classes) })
}

func (d *Deployment) classes(ctx context.Context, site geored.SiteName) ([]storagev1.StorageClass, error) {
	list, err := d.Clusters[site].Client().StorageV1().StorageClasses().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

func defaults(classes []storagev1.StorageClass) []string {
	var names []string
	for _, class := range classes {
		if class.Annotations[defaultClass] == "true" {
			names = append(names, class.Name)
		}
	}
	return names
}

func judgeClasses(classes []storagev1.StorageClass) geored.Finding {
	names := defaults(classes)
	if len(names) == 1 {
		return geored.Finding{Verdict: geored.Pass, Message: "storage class " + names[0] + " is the default"}
	}
	return geored.Finding{Verdict: geored.Fail, Message: fmt.Sprintf("%d of %d storage classes are the default: %v", len(names), len(classes), names),
		Remedy: "annotate exactly one with " + defaultClass + "=true (ICE guide, 3.3.3.2.4)"}
}

func (d *Deployment) dnsService(ctx context.Context) []geored.Finding {
	answers := geored.Ask(ctx, d.targets("name servers"), d.readDNS)
	return answers.Each(func(t geored.Target, dns coredns.DNS) geored.Finding { return judgeDNSService(d.site(t.Site), dns) })
}

func (d *Deployment) readDNS(ctx context.Context, t geored.Target) (coredns.DNS, error) {
	return coredns.Read(ctx, d.Clusters[t.Site])
}

func judgeDNSService(site Site, dns coredns.DNS) geored.Finding {
	switch {
	case dns.Service == nil:
		return geored.Finding{Verdict: geored.Fail, Message: "there is no Service kube-dns in kube-system", Remedy: fmt.Sprintf("make it with the cluster IP %s, which the kubelets tell pods", site.DNSIP)}
	case dns.Service.Spec.ClusterIP != site.DNSIP.String():
		return geored.Finding{Verdict: geored.Fail, Message: fmt.Sprintf("Service kube-dns has the address %s, not dnsIP %s", dns.Service.Spec.ClusterIP, site.DNSIP), Remedy: "write its address as dnsIP"}
	}
	return geored.Finding{Verdict: geored.Pass, Message: "Service kube-dns has the address " + site.DNSIP.String()}
}

// nodeCaches finds caches that ask somebody else (ICE guide, 4.3.2: they can remain).
func (d *Deployment) nodeCaches(ctx context.Context) []geored.Finding {
	answers := geored.Ask(ctx, d.targets("node caches"), d.readDNS)
	return answers.Each(func(t geored.Target, dns coredns.DNS) geored.Finding {
		return judgeNodeCaches(d.site(t.Site), dns.NodeCaches)
	})
}

func judgeNodeCaches(site Site, caches []coredns.NodeCache) geored.Finding {
	if len(caches) == 0 {
		return geored.Finding{Verdict: geored.Pass, Message: "there is no DNS cache on the nodes"}
	}
	for _, c := range caches {
		switch {
		case c.Corefile == "":
			return geored.Finding{Verdict: geored.Unknown, Message: "the Corefile of " + c.Name + " could not be read"}
		case strings.Contains(c.Corefile, "__PILLAR__CLUSTER__DNS__"), strings.Contains(c.Corefile, site.DNSIP.String()):
		default:
			return geored.Finding{Verdict: geored.Fail, Message: fmt.Sprintf("%s forwards to somebody else than %s", c.Name, site.DNSIP), Remedy: "let it forward the cluster's zones to the DNS service: its cache would hide the other sites"}
		}
	}
	return geored.Finding{Verdict: geored.Pass, Message: fmt.Sprintf("%s forwards to %s", caches[0].Name, site.DNSIP)}
}
