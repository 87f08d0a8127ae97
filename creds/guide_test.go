package creds_test

import (
	"strings"
	"testing"

	"github.com/georedkit/georedkit/creds"
	"github.com/georedkit/georedkit/geored"
)

// Each fault of the ICE guide, chapters 4.3.2 and 4.4.4, that lies in something that this package reads, by the line it stands
// on. That kubemcsa finds no token on Kubernetes 1.24 and later is answered by another way to make one, and shows nowhere
// here; which of a chart's switches for MultiCassKop counts (l.755 and others) is for the chart to say.
func TestFaultsOfTheGuide(t *testing.T) {
	operator := creds.Account{Namespace: "ice-cassandra", Name: "cassandra-operator"}
	for line, c := range map[string]struct {
		find func(*testing.T) geored.Faults
		says string
	}{
		"l.560: the kubeconfig's server is good on its own machine only": {func(t *testing.T) geored.Faults {
			e, facts := good(t)
			e.Server = "https://127.0.0.1:6443"
			return e.Faults(facts)
		}, "is the loopback address"},
		"l.203: Kubespray's name for the API server": {func(t *testing.T) geored.Faults {
			e, facts := good(t)
			e.Server = "https://lb-apiserver.kubernetes.local:6443"
			return e.Faults(facts)
		}, "is a name that Kubespray writes"},
		"l.560: a kubeconfig that names its CA by file": {func(t *testing.T) geored.Faults {
			e, facts := good(t)
			e.CA = nil
			return e.Faults(facts)
		}, "ca.crt: is empty: kubemcsa leaves it so"},
		"l.560 and 876: two accounts under one name of a Secret": {func(*testing.T) geored.Faults {
			consumers := table("dc1", "dc2")
			consumers[1].Namespace = consumers[0].Namespace
			_, err := creds.Plan(consumers)
			faults, _ := geored.AsFaults(err)
			return faults
		}, "secret kube-system/dc2"},
		"l.876: without its last line, the Secret holds another account than is meant": {func(t *testing.T) geored.Faults {
			e, facts := good(t)
			facts.Account = operator
			return e.Faults(facts)
		}, "account kube-system/coredns: is not ice-cassandra/cassandra-operator"},
	} {
		t.Run(strings.SplitN(line, ":", 2)[0], func(t *testing.T) {
			if faults := c.find(t); !strings.Contains(faults.Error(), c.says) {
				t.Errorf("%s: %v", line, faults)
			}
		})
	}
	// l.541 to 583: every Secret in every cluster. Half of them are read by nobody.
	grants, err := creds.Plan(table("dc1", "dc2")[:1])
	if err != nil {
		t.Fatal(err)
	}
	var everywhere []creds.Copy
	for _, site := range []geored.SiteName{"dc1", "dc2"} {
		for _, of := range []string{"dc1", "dc2"} {
			everywhere = append(everywhere, creds.Copy{Site: site, Namespace: "kube-system", Name: of, Account: coredns})
		}
	}
	if surplus := creds.Surplus(grants, everywhere); len(surplus) != 3 {
		t.Errorf("%v", surplus)
	}
}
