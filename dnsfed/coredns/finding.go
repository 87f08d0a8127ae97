package coredns

import (
	"fmt"
	"strings"

	"github.com/georedkit/georedkit/dnsfed"
	"github.com/georedkit/georedkit/geored"
)

// Judge says whether one set of name servers alone stands behind each site's Service, and all its pods run the same
// image. With two, answers alternate between what the sites know together and what one knows alone (ICE guide, 4.3.2).
func Judge(answers geored.Answers[DNS]) []geored.Finding {
	return answers.Each(func(_ geored.Target, dns DNS) geored.Finding {
		problems := dns.problems()
		if len(problems) == 0 {
			return geored.Finding{Verdict: geored.Pass, Message: "one deployment stands behind the Service, and all its pods run one image"}
		}
		return geored.Finding{Verdict: geored.Fail, Message: problems[0], Evidence: problems, Remedy: "leave one deployment behind Service " + ServiceName + ", with pods that are ready"}
	})
}

func (d DNS) problems() []string {
	if d.Service == nil {
		return []string{"there is no Service " + ServiceName}
	}
	var problems, behind, labelled []string
	images, ready := map[string]bool{}, false
	for _, deployment := range d.Deployments {
		if deployment.Behind {
			behind = append(behind, deployment.Name)
			for _, pod := range deployment.Pods {
				images[pod.ImageID], ready = true, ready || pod.Ready
			}
		} else if deployment.live != nil && deployment.live.Labels["k8s-app"] == "kube-dns" {
			labelled = append(labelled, deployment.Name)
		}
	}
	if len(behind) != 1 {
		problems = append(problems, fmt.Sprintf("%d deployments stand behind the Service: %s", len(behind), strings.Join(behind, ", ")))
	}
	if len(d.Strays) > 0 {
		problems = append(problems, "pods of no deployment stand behind the Service too, and answer in turn: "+strings.Join(d.Strays, ", "))
	}
	if len(behind) > 0 && !ready {
		problems = append(problems, "no pod behind the Service is ready: nobody answers")
	}
	if len(images) > 1 {
		problems = append(problems, fmt.Sprintf("the pods behind the Service run %d different images", len(images)))
	}
	if len(labelled) > 0 {
		problems = append(problems, "deployments are labelled k8s-app=kube-dns and stand beside it: "+strings.Join(labelled, ", "))
	}
	return append(problems, d.cacheProblems(behind)...)
}

// Servers are the ready pods behind the Service, each by its own address, the Service, and the caches on the nodes.
func (d DNS) Servers(site geored.SiteName) []dnsfed.Server {
	var servers []dnsfed.Server
	for _, deployment := range d.Deployments {
		if deployment.Behind {
			servers = append(servers, deployment.Servers(site)...)
		}
	}
	if d.Service == nil {
		return servers
	}
	for _, text := range d.Service.Spec.ClusterIPs {
		servers = append(servers, dnsfed.Server{Site: site, Kind: dnsfed.ServerService, Name: ServiceName, Address: dnsPort(text), Times: 3})
	}
	for _, cache := range d.NodeCaches {
		servers = append(servers, cache.Servers(site, d.Service)...)
	}
	return servers
}

// Servers are the pods of one deployment that have an address.
func (d Deployment) Servers(site geored.SiteName) []dnsfed.Server {
	var servers []dnsfed.Server
	for _, pod := range d.Pods {
		if pod.Address.IsValid() {
			servers = append(servers, dnsfed.Server{Site: site, Kind: dnsfed.ServerPod, Name: pod.Name, Address: dnsPort(pod.Address.String())})
		}
	}
	return servers
}
