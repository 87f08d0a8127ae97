//go:build lab

package dnstest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/dnsfed"
	"github.com/georedkit/georedkit/dnsfed/resolver"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/geored/probe"
	"github.com/georedkit/georedkit/internal/laboratory/labtest"
)

// realSites is CoreDNS, compiled with kubernetai, over the API servers of a laboratory: one process for each site, with
// the Corefile that Merge wrote.
type realSites struct {
	resolver.Probes
	federation dnsfed.Federation
	servers    []dnsfed.Server
	clusters   map[geored.SiteName]*kube.Cluster
}

func (r *realSites) Federation() dnsfed.Federation { return r.federation }
func (r *realSites) Servers() []dnsfed.Server      { return r.servers }

var lab = labtest.Shared{Sites: 2}

func TestMain(m *testing.M) { lab.Main(m) }

// newSites is the laboratory's two sites.
func newSites(t *testing.T) *realSites {
	l := lab.Up(t)
	text, err := os.ReadFile(l.Topology())
	check(t, err)
	var topology geored.TopologyFile // it says more than the core needs
	check(t, yaml.Unmarshal(text, &topology))
	r := &realSites{clusters: map[geored.SiteName]*kube.Cluster{}, Probes: resolver.Probes{Clients: map[geored.SiteName]probe.Client{}},
		federation: dnsfed.Federation{Plugin: dnsfed.Kubernetai, CoreDNS: dnsfed.Version{Major: 1, Minor: 15}}}
	for _, written := range topology.Sites {
		site, faults := written.Site()
		check(t, faults.Err())
		site.Kube.Kubeconfig = filepath.Join(l.Dir, filepath.Base(site.Kube.Kubeconfig))
		cluster, err := kube.Open(site.Name, site.Kube)
		check(t, err)
		r.clusters[site.Name], r.Clients[site.Name] = cluster, probe.Local(probe.Questions())
		r.federation.Sites = append(r.federation.Sites, dnsfed.Site{Site: site, Kubeconfig: site.Kube.Kubeconfig})
	}
	return r
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func compile(t *testing.T) string {
	program := filepath.Join(t.TempDir(), "coredns")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-ldflags", "-s -w", "-o", program, ".")
	build.Dir = filepath.Join("..", "..", "internal", "lab", "build", "coredns")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return program
}

// start runs CoreDNS for one site; it ends with the test. It gives the addresses of the name server and of its readiness.
func start(t *testing.T, program string, f dnsfed.Federation, site dnsfed.Site, environment ...string) (dns netip.AddrPort, ready string) {
	port, readyAt := freePort(t), fmt.Sprintf("127.0.0.1:%d", freePort(t))
	file := fmt.Sprintf(".:%d {\n    bind 127.0.0.1\n    errors\n    ready %s\n    kubernetes cluster.local in-addr.arpa ip6.arpa {\n"+
		"        kubeconfig %s\n        pods insecure\n        fallthrough in-addr.arpa ip6.arpa\n    }\n}\n", port, readyAt, site.Kube.Kubeconfig)
	merged, err := f.Merge(site.Name, file)
	check(t, err)
	path := filepath.Join(t.TempDir(), "Corefile")
	check(t, os.WriteFile(path, []byte(merged), 0o600))
	log := &strings.Builder{}
	command := exec.Command(program, "-conf", path)
	command.Stdout, command.Stderr, command.Env = log, log, append(os.Environ(), environment...)
	check(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait() // it was killed
		if t.Failed() {
			t.Logf("CoreDNS of %s:\n%s\n%s", site.Name, merged, log)
		}
	})
	return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port)), readyAt
}

// Create makes services without selectors, and their endpoints by hand: no pod is needed to be in DNS.
func (r *realSites) Create(t *testing.T, services []dnsfed.Service) []dnsfed.Service {
	made := make([]dnsfed.Service, len(services))
	for i, s := range services {
		spec := corev1.ServiceSpec{}
		if len(s.Addresses) == 0 {
			spec.ClusterIP = corev1.ClusterIPNone
		}
		for _, p := range s.Ports {
			spec.Ports = append(spec.Ports, corev1.ServicePort{Name: p.Name, Protocol: protocol(p), Port: int32(p.Number)})
		}
		meta := metav1.ObjectMeta{Namespace: s.Namespace, Name: s.Name}
		live, err := r.clusters[s.Site].Client().CoreV1().Services(s.Namespace).Create(t.Context(), &corev1.Service{ObjectMeta: meta, Spec: spec}, metav1.CreateOptions{})
		check(t, err)
		if len(s.Addresses) > 0 {
			s.Addresses = []netip.Addr{netip.MustParseAddr(live.Spec.ClusterIP)}
		}
		if len(s.Endpoints) > 0 {
			r.endpoints(t, s)
		}
		made[i] = s
	}
	return made
}

func protocol(p dnsfed.Port) corev1.Protocol {
	if p.Protocol == "udp" {
		return corev1.ProtocolUDP
	}
	return corev1.ProtocolTCP
}

func (r *realSites) endpoints(t *testing.T, s dnsfed.Service) {
	yes := true
	slice := &discoveryv1.EndpointSlice{AddressType: discoveryv1.AddressTypeIPv4, ObjectMeta: metav1.ObjectMeta{
		Namespace: s.Namespace, Name: s.Name, Labels: map[string]string{discoveryv1.LabelServiceName: s.Name}}}
	for _, e := range s.Endpoints {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{e.Address.String()}, Hostname: &e.Hostname,
			Conditions: discoveryv1.EndpointConditions{Ready: &yes}})
	}
	ports := s.Ports
	if len(s.Endpoints) > 0 && len(s.Endpoints[0].Ports) > 0 {
		ports = s.Endpoints[0].Ports
	}
	for _, p := range ports {
		number, kind := int32(p.Number), protocol(p)
		slice.Ports = append(slice.Ports, discoveryv1.EndpointPort{Name: &p.Name, Port: &number, Protocol: &kind})
	}
	_, err := r.clusters[s.Site].Client().DiscoveryV1().EndpointSlices(s.Namespace).Create(t.Context(), slice, metav1.CreateOptions{})
	check(t, err)
}

// eventually waits for something that the log of a failure would name.
func eventually(t *testing.T, what string, f func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func readyCode(address string) (int, error) {
	response, err := http.Get("http://" + address + "/ready")
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

func TestRealCoreDNS(t *testing.T) {
	sites := newSites(t)
	program := compile(t)
	t.Run("conformance", func(t *testing.T) {
		Conformance(t, func(t *testing.T) System {
			for _, site := range sites.federation.Sites {
				address, ready := start(t, program, sites.federation, site)
				sites.servers = append(sites.servers, dnsfed.Server{Site: site.Name, Kind: dnsfed.ServerPod, Name: "coredns-" + string(site.Name), Address: address})
				eventually(t, "ready", func() error { return wantReady(ready) })
			}
			return filled{sites}
		})
	})
	t.Run("service imports", func(t *testing.T) { imported(t, sites, program) })
	t.Run("a site that is gone", func(t *testing.T) { stale(t, sites, program) })
	t.Run("a cut-off site starts", func(t *testing.T) { cutOff(t, sites, program) })
}

// filled waits until every name server knows what was made last.
type filled struct{ *realSites }

func (f filled) Create(t *testing.T, services []dnsfed.Service) []dnsfed.Service {
	made := f.realSites.Create(t, services)
	last := made[len(made)-1]
	for _, server := range f.servers {
		eventually(t, server.Name, func() error {
			answer, err := f.Resolve(t.Context(), dnsfed.Question{Server: server, Type: "A", Transport: "udp", Name: last.Name + "." + last.Namespace + ".svc.cluster.local."})
			if err == nil && answer.Code != "NOERROR" {
				err = errors.New(answer.Code)
			}
			return err
		})
	}
	return made
}

// listens waits until a name server answers at all: CoreDNS is ready before it listens.
func (r *realSites) listens(t *testing.T, server dnsfed.Server) {
	eventually(t, "a name server that listens", func() error {
		_, err := r.Resolve(t.Context(), dnsfed.Question{Server: server, Type: "A", Transport: "tcp", Name: "kubernetes.default.svc.cluster.local."})
		return err
	})
}

func wantReady(address string) error {
	code, err := readyCode(address)
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("readiness is %d", code)
	}
	return err
}
