package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/georedkit/georedkit/internal/lab/config"
	"github.com/georedkit/georedkit/internal/lab/kubeapi"
)

// waitsForAll is the variable by which the laboratory's CoreDNS is told to be ready only when it knows every cluster.
const waitsForAll = "LAB_KUBERNETAI_READY_WAITS_FOR_ALL"

// dnsWaitsForAll makes a site's name servers, when they start, wait for every other site too.
func (l *Laboratory) dnsWaitsForAll(ctx context.Context, args []string) ([]string, error) {
	return l.setDNSWait(ctx, args[0], map[string]any{"name": waitsForAll, "value": "1"}, true)
}

func (l *Laboratory) dnsWaitsForOwn(ctx context.Context, args []string) ([]string, error) {
	return l.setDNSWait(ctx, args[0], map[string]any{"name": waitsForAll, "$patch": "delete"}, false)
}

func (l *Laboratory) setDNSWait(ctx context.Context, name string, variable map[string]any, on bool) ([]string, error) {
	var changed []string
	err := l.withDNS(ctx, name, func(ctx context.Context, s *site, api *kubeapi.Client, _ dnsFault) error {
		servers, err := nameServers(ctx, api)
		if err != nil {
			return err
		}
		for deployment, container := range servers {
			patch, err := json.Marshal(map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{
				"containers": []any{map[string]any{"name": container, "env": []any{variable}}},
			}}}})
			if err != nil {
				return err
			}
			if err := api.Patch(ctx, deploymentPath(deployment), "application/strategic-merge-patch+json", patch); err != nil {
				return err
			}
			l.note("dns-waits-for-all "+name, on)
			if err := s.await(ctx, 0, config.Kubelet, func() error { return deploymentReady(ctx, api, deployment) }); err != nil {
				return err
			}
			changed = append(changed, fmt.Sprintf("deployment %s is ready, waits for all: %t", deployment, on))
		}
		if len(changed) == 0 {
			return errors.New("no deployment of CoreDNS")
		}
		return nil
	})
	return changed, err
}

func deploymentPath(name string) string {
	return "/apis/apps/v1/namespaces/kube-system/deployments/" + name
}

// nameServers are the Deployments that run the laboratory's CoreDNS, with the name of the container.
func nameServers(ctx context.Context, api *kubeapi.Client) (map[string]string, error) {
	var list struct {
		Items []struct {
			Metadata struct{ Name string }
			Spec     struct {
				Template struct {
					Spec struct {
						Containers []struct{ Name, Image string }
					}
				}
			}
		}
	}
	if err := api.Get(ctx, strings.TrimSuffix(deploymentPath(""), "/"), &list); err != nil {
		return nil, err
	}
	servers := map[string]string{}
	for _, d := range list.Items {
		for _, c := range d.Spec.Template.Spec.Containers {
			if strings.Contains(c.Image, "/lab/coredns:") {
				servers[d.Metadata.Name] = c.Name
			}
		}
	}
	return servers, nil
}

func deploymentReady(ctx context.Context, api *kubeapi.Client, name string) error {
	var d struct {
		Metadata struct{ Generation int }
		Spec     struct{ Replicas int }
		Status   struct{ ObservedGeneration, Replicas, UpdatedReplicas, ReadyReplicas int }
	}
	if err := api.Get(ctx, deploymentPath(name), &d); err != nil {
		return err
	}
	s := d.Status
	if s.ObservedGeneration < d.Metadata.Generation || s.Replicas != d.Spec.Replicas || s.UpdatedReplicas != d.Spec.Replicas || s.ReadyReplicas != d.Spec.Replicas {
		return fmt.Errorf("deployment %s: %+v", name, s)
	}
	return nil
}

func daemonsReady(ctx context.Context, api *kubeapi.Client, name string) error {
	var d struct {
		Status struct{ DesiredNumberScheduled, NumberReady int }
	}
	if err := api.Get(ctx, "/apis/apps/v1/namespaces/kube-system/daemonsets/"+name, &d); err != nil {
		return err
	}
	if d.Status.DesiredNumberScheduled == 0 || d.Status.NumberReady != d.Status.DesiredNumberScheduled {
		return fmt.Errorf("daemonset %s: %+v", name, d.Status)
	}
	return nil
}

// nameServerPods are the addresses of the pods behind the Service of DNS.
func nameServerPods(ctx context.Context, api *kubeapi.Client) ([]netip.Addr, error) {
	var list struct {
		Items []struct {
			Endpoints []struct{ Addresses []netip.Addr }
		}
	}
	if err := api.Get(ctx, "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dkube-dns", &list); err != nil {
		return nil, err
	}
	var pods []netip.Addr
	for _, slice := range list.Items {
		for _, e := range slice.Endpoints {
			pods = append(pods, e.Addresses...)
		}
	}
	if len(pods) == 0 {
		return nil, errors.New("no pod is behind the Service kube-dns")
	}
	return pods, nil
}
