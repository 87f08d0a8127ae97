package creds_test

import (
	"fmt"

	"github.com/georedkit/georedkit/creds"
	"github.com/georedkit/georedkit/geored"
)

// What kubemcsa would export of a cluster made by k3s or kind is refused before it is copied anywhere.
func ExampleExport_Faults() {
	token, err := creds.ParseToken("a-token")
	if err != nil {
		fmt.Println(err)
	}
	export := creds.Export{Site: "dc2", Name: "dc2", Server: "https://127.0.0.1:6443", Token: token,
		Account: creds.Account{Namespace: "kube-system", Name: "coredns"}}
	for _, fault := range export.Faults(creds.Facts{}) {
		fmt.Println(fault.Field, fault.Problem)
	}
	fmt.Println(export.Token)
	// Output:
	// server is the loopback address: in another site it is the consumer itself
	// ca.crt is empty: kubemcsa leaves it so when the kubeconfig names the CA by file
	// token is not a JSON web token of three parts
	// [redacted]
}

// CoreDNS of each site reads the other, so each site receives one Secret; the guide copies four.
func ExamplePlan() {
	account := creds.Account{Namespace: "kube-system", Name: "coredns"}
	dns := creds.Consumer{Name: "coredns", Namespace: "kube-system", Workload: "deployment/coredns", Reading: creds.ReadsOnce, Account: account}
	first, second := dns, dns
	first.Site, first.Sources = "dc1", []geored.SiteName{"dc2"}
	second.Site, second.Sources = "dc2", []geored.SiteName{"dc1"}
	grants, err := creds.Plan([]creds.Consumer{first, second})
	for _, grant := range grants {
		fmt.Println(grant)
	}
	fmt.Println(err)
	// Output:
	// dc1 kube-system/coredns -> dc2 kube-system/dc1 for coredns
	// dc2 kube-system/coredns -> dc1 kube-system/dc2 for coredns
	// <nil>
}
