package dnstest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/georedkit/georedkit/dnsfed"
	"github.com/georedkit/georedkit/dnsfed/resolver"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/probe"
)

// World is sites with two CoreDNS pods and a Service before them each. It ends with its test.
type World struct {
	resolver.Probes
	federation dnsfed.Federation
	servers    []dnsfed.Server

	mu     sync.Mutex
	zones  map[geored.SiteName]zone
	frozen map[geored.SiteName]zone // as they were when the last Stale came
	faults map[string]Fault         // by the name of the pod
	turns  map[string]int           // of the Services, by the question: asked side by side, each still meets every pod
}

// New starts the name servers of a federation by kubernetai, whose sites hold nothing but their API servers.
func New(t testing.TB, f dnsfed.Federation) *World {
	t.Helper()
	w := &World{federation: f, zones: map[geored.SiteName]zone{}, faults: map[string]Fault{}, turns: map[string]int{},
		Probes: resolver.Probes{Clients: map[geored.SiteName]probe.Client{}, Timeout: 5 * time.Second}}
	if faults := f.Faults(); len(faults) > 0 || f.Plugin != dnsfed.Kubernetai {
		t.Fatalf("dnstest plays valid federations by kubernetai: %v", faults)
	}
	w.Hold(t)
	for _, site := range f.Sites {
		w.Clients[site.Name] = probe.Local(probe.Questions())
		var pods []string
		for i := range 2 {
			pod := fmt.Sprintf("%s-coredns-%d", site.Name, i)
			pods = append(pods, pod)
			w.serve(t, dnsfed.Server{Site: site.Name, Kind: dnsfed.ServerPod, Name: pod}, func(string) string { return pod })
		}
		w.serve(t, dnsfed.Server{Site: site.Name, Kind: dnsfed.ServerService, Name: "kube-dns", Times: 3}, func(question string) string {
			question = string(site.Name) + question
			w.turns[question]++
			return pods[w.turns[question]%len(pods)]
		})
	}
	return w
}

// serve starts a listener that lets the pod of the moment answer; pick runs under the lock.
func (w *World) serve(t testing.TB, s dnsfed.Server, pick func(question string) string) {
	t.Helper()
	l, err := listen(func(query []byte, tcp bool) []byte {
		w.mu.Lock()
		fault := w.faults[pick(question(query, tcp))]
		w.mu.Unlock()
		return w.respond(s.Site, fault, query, tcp)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	s.Address = l.address()
	w.servers = append(w.servers, s)
}

// question is what tells one question from another: all of a query but its number, and how it came.
func question(query []byte, tcp bool) string {
	return fmt.Sprint(tcp, string(query[min(2, len(query)):]))
}

// Federation is what the world was made of.
func (w *World) Federation() dnsfed.Federation { return w.federation }

// Servers are all name servers: the pods, each by itself, and the Services.
func (w *World) Servers() []dnsfed.Server { return slices.Clone(w.servers) }

// Hold replaces what the sites hold. The Service kubernetes of each is added.
func (w *World) Hold(t testing.TB, services ...dnsfed.Service) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, site := range w.federation.Sites {
		domain := w.federation.Domain
		if domain == "" {
			domain = "cluster.local"
		}
		z, err := zoneOf(site.Name, domain, w.federation.IgnoreEmpty, services)
		if err == nil {
			api := site.APIServer
			if !api.IsValid() && len(site.Services) > 0 {
				api = site.Services[0].Addr().Next()
			}
			name := "kubernetes.default.svc." + domain + "."
			err = z.address(name, api, name)
		}
		if err != nil {
			t.Fatal(err)
		}
		w.zones[site.Name] = z
	}
}

// Inject puts a fault into a pod, by its name; the zero fault heals it.
func (w *World) Inject(t testing.TB, pod string, fault Fault) {
	t.Helper()
	if !slices.ContainsFunc(w.servers, func(s dnsfed.Server) bool { return s.Kind == dnsfed.ServerPod && s.Name == pod }) {
		t.Fatalf("dnstest: no pod is called %q", pod)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults[pod] = fault
	if fault == Stale {
		w.frozen = map[geored.SiteName]zone{}
		for site, z := range w.zones {
			w.frozen[site] = z
		}
	}
}

func (w *World) respond(own geored.SiteName, fault Fault, query []byte, tcp bool) []byte {
	switch {
	case fault == Silent, fault == UDPOnly && tcp:
		return nil
	case fault == Slow:
		time.Sleep(SlowBy)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	find := func(name string) ([]dnsmessage.ResourceBody, dnsmessage.RCode) {
		for _, site := range w.chain(own, fault, name) {
			if records, ok := w.zone(own, site, fault)[name]; ok {
				return records, dnsmessage.RCodeSuccess
			}
		}
		if fault == ServFail {
			return nil, dnsmessage.RCodeServerFailure
		}
		return nil, dnsmessage.RCodeNameError
	}
	return reply(query, find, fault == Truncated && !tcp)
}

func (w *World) zone(own, site geored.SiteName, fault Fault) zone {
	if fault == Stale && site != own {
		return w.frozen[site]
	}
	return w.zones[site]
}

// chain is the sites that a pod asks, in its order.
func (w *World) chain(own geored.SiteName, fault Fault, name string) []geored.SiteName {
	if fault == Unfederated || fault == ServFail && !strings.HasSuffix(name, ".arpa.") {
		return []geored.SiteName{own}
	}
	chain := []geored.SiteName{own}
	for _, site := range w.federation.Sites {
		if site.Name != own {
			chain = append(chain, site.Name)
		}
	}
	if fault == WrongSiteFirst {
		slices.Reverse(chain)
	}
	return chain
}
