package ice

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/georedkit/georedkit/creds"
	"github.com/georedkit/georedkit/creds/credstest"
	credskube "github.com/georedkit/georedkit/creds/kube"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

// federation is two clusters, of which dc1 has a consumer that reads dc2.
type federation struct {
	t        *testing.T
	fakes    map[geored.SiteName]*credstest.Cluster
	clusters map[geored.SiteName]*kube.Cluster
	account  creds.Account
}

func newFederation(t *testing.T, account creds.Account) federation {
	t.Helper()
	c := federation{t, map[geored.SiteName]*credstest.Cluster{}, map[geored.SiteName]*kube.Cluster{}, account}
	for _, site := range []geored.SiteName{"dc1", "dc2"} {
		fake := credstest.New(t, credstest.Options{Site: site})
		fake.Account(account)
		cluster, err := kube.New(site, &rest.Config{Host: fake.URL(), BearerToken: fake.Admin.Reveal(), Dial: fake.Dial, TLSClientConfig: rest.TLSClientConfig{CAData: fake.Authority.PEM()},
			ContentConfig: rest.ContentConfig{ContentType: "application/json"}})
		if err != nil {
			t.Fatal(err)
		}
		c.fakes[site], c.clusters[site] = fake, cluster
	}
	return c
}

// copied puts a site's credentials into another one, under a name of the Secret, as kubemcsa does.
func (c federation) copied(to, of geored.SiteName, name string, account creds.Account) {
	c.t.Helper()
	fake := c.fakes[of]
	shape := creds.Export{Site: of, Name: name, Server: fake.URL(), CA: fake.Authority.PEM(), Account: account, Token: fake.Issuer.Long(c.t, account, account.Name+"-token-1")}.Kubemcsa()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: c.account.Namespace}, Type: corev1.SecretTypeOpaque, Data: map[string][]byte{}}
	for key, value := range shape.Data {
		secret.Data[key] = []byte(value.Reveal())
	}
	if _, err := c.clusters[to].Client().CoreV1().Secrets(c.account.Namespace).Create(c.t.Context(), secret, metav1.CreateOptions{}); err != nil {
		c.t.Fatal(err)
	}
}

// proof is what the program's own checks say.
func (c federation) proof() []caught {
	c.t.Helper()
	grants, err := creds.Plan([]creds.Consumer{{Name: "reader", Site: "dc1", Namespace: c.account.Namespace, Workload: "deployment/reader",
		Reading: creds.ReadsOnce, Sources: []geored.SiteName{"dc2"}, Account: c.account}})
	if err != nil {
		c.t.Fatal(err)
	}
	p := credskube.Proof{Grants: grants, Receivers: map[geored.SiteName]credskube.Receiver{}}
	for site, cluster := range c.clusters {
		p.Sources = append(p.Sources, credskube.Source{Cluster: cluster, Account: c.account, Server: c.fakes[site].URL(), Dial: c.fakes[site].Dial})
		p.Receivers[site] = credskube.Receiver{Cluster: cluster}
	}
	var checks []geored.Check
	for _, check := range p.Checks() {
		if check.ID == credskube.CheckCopies || check.ID == credskube.CheckPrivilege {
			checks = append(checks, check)
		}
	}
	return tried(c.t, checks)
}

// nothingImported: what the ICE guide, l.889 and 894 print pipes nothing into kubectl.
func nothingImported(t *testing.T) []caught { return newFederation(t, operatorAccount()).proof() }

// everywhere puts each site's credentials into each site.
func everywhereCopied(t *testing.T) []caught {
	c := newFederation(t, dnsAccount())
	for _, to := range []geored.SiteName{"dc1", "dc2"} {
		for _, of := range []geored.SiteName{"dc1", "dc2"} {
			c.copied(to, of, string(of), dnsAccount())
		}
	}
	return c.proof()
}

// mixedUp has the Secret of one account's name hold another's token: both are called dc2.
func mixedUp(t *testing.T) []caught {
	c := newFederation(t, dnsAccount())
	c.fakes["dc2"].Account(operatorAccount())
	c.copied("dc1", "dc2", "dc2", operatorAccount())
	return c.proof()
}
