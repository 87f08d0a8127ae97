package kube_test

import (
	"context"
	"fmt"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/georedkit/georedkit/creds"
	"github.com/georedkit/georedkit/creds/credstest"
	credskube "github.com/georedkit/georedkit/creds/kube"
	"github.com/georedkit/georedkit/creds/serving"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/geored/probe"
)

// CoreDNS of dc2 is given access to dc1. Running the same generation again changes nothing.
func ExampleRotation() {
	account := creds.Account{Namespace: "kube-system", Name: "coredns"}
	open := func(site geored.SiteName) (*credstest.Cluster, *kube.Cluster) {
		c := credstest.New(exampleT{}, credstest.Options{Site: site}) // in a test, with its own t
		c.Account(account)
		c.Deployment("kube-system", "coredns")
		config := &rest.Config{Host: c.URL(), BearerToken: c.Admin.Reveal(), Dial: c.Dial, TLSClientConfig: rest.TLSClientConfig{CAData: c.Authority.PEM()},
			ContentConfig: rest.ContentConfig{ContentType: "application/json"}}
		cluster, err := kube.New(site, config)
		if err != nil {
			fmt.Println(err)
		}
		return c, cluster
	}
	dc1, source := open("dc1")
	_, receiver := open("dc2")
	grants, err := creds.Plan([]creds.Consumer{{Name: "coredns", Site: "dc2", Namespace: "kube-system", Workload: "deployment/coredns",
		Reading: creds.ReadsOnce, Sources: []geored.SiteName{"dc1"}, Account: account}})
	if err != nil {
		fmt.Println(err)
	}
	rotation := credskube.Rotation{
		Rotation:  creds.Rotation{Source: "dc1", Account: account, Generation: 1, Grants: grants},
		From:      credskube.Source{Cluster: source, Account: account, Server: dc1.URL(), Dial: dc1.Dial},
		Receivers: map[geored.SiteName]credskube.Receiver{"dc2": {Cluster: receiver, Probe: probe.Local(serving.Questions(dc1.Dial))}},
	}
	stages, err := rotation.Stages()
	if err != nil {
		fmt.Println(err)
	}
	for range 2 {
		result, err := geored.Runbook{Name: "credentials", Stages: stages}.Run(context.Background(), geored.RunConfig{})
		for _, o := range result.Outcomes {
			fmt.Println(o.Status, o.Site, o.Action, o.Target)
		}
		fmt.Println(err)
	}
	// Output:
	// changed dc1 apply secret kube-system/coredns-token-1
	// changed dc2 copy secret kube-system/dc1
	// changed dc2 restart deployment/coredns in kube-system
	// unchanged dc1 execute tokens of kube-system/coredns before generation 1
	// unchanged dc1 delete token secrets of kube-system/coredns before generation 1
	// <nil>
	// unchanged dc1 apply secret kube-system/coredns-token-1
	// unchanged dc2 copy secret kube-system/dc1
	// unchanged dc2 restart deployment/coredns in kube-system
	// unchanged dc1 execute tokens of kube-system/coredns before generation 1
	// unchanged dc1 delete token secrets of kube-system/coredns before generation 1
	// <nil>
}

// exampleT leaves the cleaning up to the end of the program.
type exampleT struct{ testing.TB }

func (exampleT) Helper()                   {}
func (exampleT) Cleanup(func())            {}
func (exampleT) Fatal(a ...any)            { panic(fmt.Sprint(a...)) }
func (exampleT) Fatalf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }
