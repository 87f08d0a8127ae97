package coredns_test

import (
	"fmt"

	"k8s.io/client-go/rest"

	"github.com/georedkit/georedkit/dnsfed/coredns"
	"github.com/georedkit/georedkit/geored/kube"
)

// What is done around a Helm release that brings the new name servers, as it is reviewed.
func ExampleAdoption() {
	cluster, err := kube.New("dc1", &rest.Config{Host: "https://dc1.example:6443"})
	if err != nil {
		fmt.Println(err)
	}
	adoption := coredns.Adoption{Cluster: cluster, Old: "coredns", New: "ice-coredns", Release: coredns.Release{Name: "coredns-dc1", Namespace: "default"},
		Selector: map[string]string{"app.kubernetes.io/name": "ice-coredns"}}
	for _, step := range adoption.Before("before").Outline {
		fmt.Println(step.ID, step.Action, step.Target)
	}
	fmt.Println("helm upgrade -i coredns-dc1 …")
	for _, step := range adoption.After("after").Outline {
		fmt.Println(step.ID, step.Action, step.Target)
	}
	// Output:
	// dns/dc1/adopt apply service kube-system/kube-dns
	// dns/dc1/stand-in apply deployment kube-system/coredns-stand-in
	// helm upgrade -i coredns-dc1 …
	// dns/dc1/prove await deployment kube-system/ice-coredns
	// dns/dc1/retire delete deployment kube-system/coredns-stand-in
	// dns/dc1/drain await service kube-system/kube-dns
	// dns/dc1/remove delete deployment kube-system/coredns
}
