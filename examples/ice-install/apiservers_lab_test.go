//go:build lab

package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	credskube "github.com/georedkit/georedkit/creds/kube"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/internal/laboratory"
)

// endpoints are where this machine reaches each API server of a site, by the address that the site knows it under.
func (l *lab) endpoints(site string) map[string]string {
	l.t.Helper()
	text, err := os.ReadFile(l.running().Topology())
	if err != nil {
		l.t.Fatal(err)
	}
	var file struct {
		Sites []struct {
			Name       string
			APIServers []struct{ Address, Endpoint string } `yaml:"apiServers"`
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		l.t.Fatal(err)
	}
	found := map[string]string{}
	for _, s := range file.Sites {
		for _, a := range s.APIServers {
			if s.Name == site {
				found[a.Address] = a.Endpoint
			}
		}
	}
	return found
}

// taken says which API servers of a site take a token, each asked at its endpoint.
func (l *lab) taken(site, token string) (servers []string) {
	l.t.Helper()
	for address, endpoint := range l.endpoints(site) {
		config := rest.AnonymousClientConfig(l.cluster(geored.SiteName(site)).Config())
		config.Host, config.BearerToken = "https://"+endpoint, token
		client, err := kubernetes.NewForConfig(config)
		if err != nil {
			l.t.Fatal(err)
		}
		if _, err = client.CoreV1().Services(metav1.NamespaceAll).List(l.t.Context(), metav1.ListOptions{Limit: 1}); err == nil {
			servers = append(servers, address)
		} else if !strings.Contains(err.Error(), "Unauthorized") {
			l.t.Fatalf("%s: %v", address, err)
		}
	}
	return servers
}

// Each site has two API servers, with a token cache each: what is given is taken by both, one that is not
// reached leaves open what it takes, and what is taken back is refused by both.
func TestSeveralAPIServers(t *testing.T) {
	l := newLab(t)
	image, err := l.driver.ProbeImage(t.Context())
	if err == nil {
		_, err = l.driver.Up(t.Context(), laboratory.Spec{Name: l.name, Sites: 2, APIServers: 2, Images: []string{image}})
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := l.endpoints("dc2"); len(got) != 2 || got["10.99.2.101:6443"] == "" {
		t.Fatalf("API servers of dc2: %v", got)
	}
	journal := t.TempDir()
	l.installed("-journal", journal)
	tokens := tokensOf(t, l.running(), "dc2")
	if len(tokens) != 1 {
		t.Fatalf("dc2 has %d tokens", len(tokens))
	}
	if got := l.taken("dc2", tokens[0]); len(got) != 2 {
		t.Errorf("the token is taken by %q", got)
	}
	t.Run("one that is not reached", func(t *testing.T) {
		c := l.own(func(f *ownFile) {
			servers := f.Sites[1]["apiServers"].([]any)
			servers[1].(map[string]any)["endpoint"] = "127.0.0.1:1"
		}, "-check")
		f := l.finding(t, c, credskube.CheckAccepted, "dc1", "dc2")
		if c.code != 4 || f.Verdict != geored.Unknown || !strings.Contains(fmt.Sprint(f.Message, f.Evidence, f.Unanswered), "10.99.2.101:6443") {
			t.Errorf("exit code %d, %s: %s %q, unanswered %v", c.code, f.Verdict, f.Message, f.Evidence, f.Unanswered)
		}
	})
	t.Run("a token that is revoked", func(t *testing.T) {
		l.fault("revoke-token", "dc2")
		l.in(t).finds(credskube.CheckAccepted, "dc1 dc2", "refuses the token")
		l.fault("unrevoke-token", "dc2")
		l.heals()
	})
	if c := l.call("-undo", "-journal", journal); c.code != 0 {
		t.Errorf("exit code %d\n%s\n%s", c.code, c.stderr, c.stdout)
	}
	if got := l.taken("dc2", tokens[0]); len(got) != 0 {
		t.Errorf("taken back, the token is taken by %q", got)
	}
}

// finding is what a check says of the way between two sites.
func (l *lab) finding(t *testing.T, c call, check geored.CheckID, site, to geored.SiteName) geored.Finding {
	t.Helper()
	for _, f := range c.report(t).Findings {
		if f.Check == check && f.Site == site && f.To == to {
			return f
		}
	}
	t.Fatalf("exit code %d: %s says nothing of %s and %s\n%s\n%s", c.code, check, site, to, c.stderr, c.stdout)
	return geored.Finding{}
}
