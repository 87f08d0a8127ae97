//go:build lab

package dnstest

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/dnsfed"
	"github.com/georedkit/georedkit/geored"
)

// reaching is the federation in which the second site's API server is at another address.
func (r *realSites) reaching(t *testing.T, server string) dnsfed.Federation {
	t.Helper()
	f := r.federation
	f.Sites = slices.Clone(f.Sites)
	text, err := os.ReadFile(f.Sites[1].Kubeconfig)
	check(t, err)
	var lines []string
	for _, line := range strings.Split(string(text), "\n") {
		if i := strings.Index(line, "server:"); i >= 0 {
			line = line[:i] + "server: " + server
		}
		lines = append(lines, line)
	}
	f.Sites[1].Kubeconfig = filepath.Join(t.TempDir(), "other.kubeconfig")
	check(t, os.WriteFile(f.Sites[1].Kubeconfig, []byte(strings.Join(lines, "\n")), 0o600))
	return f
}

// wire leads to a server until it is cut.
type wire struct {
	net.Listener
	mu    sync.Mutex
	ended bool
	conns []net.Conn
}

func wireTo(t *testing.T, target string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	w := &wire{Listener: l}
	t.Cleanup(w.cut)
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := new(net.Dialer).DialContext(context.WithoutCancel(t.Context()), "tcp", target)
			if err != nil || !w.keep(near, far) {
				near.Close()
				continue
			}
			go func() { _, _ = io.Copy(far, near); far.Close() }()
			go func() { _, _ = io.Copy(near, far); near.Close() }()
		}
	}()
	return w
}

func (w *wire) keep(conns ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns = append(w.conns, conns...)
	return !w.ended
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	w.Close()
	for _, c := range w.conns {
		c.Close()
	}
}

// stale: CoreDNS of dc1 has read dc2 and cannot reach it any more, while a name there comes to lead elsewhere. It goes on
// answering what it knew, and that is found; when nobody can read dc2 either, it is unknown.
func stale(t *testing.T, sites *realSites, program string) {
	config := sites.clusters["dc2"].Client().Discovery().RESTClient().Get().URL()
	w := wireTo(t, config.Host)
	f := sites.reaching(t, (&url.URL{Scheme: "https", Host: w.Addr().String()}).String())
	address, ready := start(t, program, f, f.Sites[0])
	eventually(t, "ready", func() error { return wantReady(ready) })
	server := dnsfed.Server{Site: "dc1", Kind: dnsfed.ServerPod, Name: "left-alone", Address: address}
	pod := func(n byte) dnsfed.Endpoint {
		a := f.Sites[1].Pods[0].Addr().As4()
		a[2], a[3] = 251, n
		return dnsfed.Endpoint{Hostname: "moves-0", Address: netip.AddrFrom4(a)}
	}
	moves := dnsfed.Service{Site: "dc2", Namespace: "default", Name: "moves", Endpoints: []dnsfed.Endpoint{pod(1)}}
	filled{&realSites{sites.Probes, f, []dnsfed.Server{server}, sites.clusters}}.Create(t, []dnsfed.Service{moves})
	judge := func(r dnsfed.Records) geored.Finding {
		table, err := f.Expect(r, []dnsfed.Server{server})
		check(t, err)
		table.Questions = slices.DeleteFunc(table.Questions, func(q dnsfed.Question) bool { return q.Case != dnsfed.Headless })
		return table.Ask(t.Context(), sites)
	}
	if found := judge(dnsfed.Records{Services: []dnsfed.Service{moves}}); found.Verdict != geored.Pass {
		t.Fatalf("before: %s %q", found.Message, found.Evidence)
	}
	w.cut()
	slices := sites.clusters["dc2"].Client().DiscoveryV1().EndpointSlices("default")
	check(t, slices.Delete(t.Context(), "moves", metav1.DeleteOptions{}))
	moves.Endpoints = []dnsfed.Endpoint{pod(2)}
	sites.endpoints(t, moves)
	found := judge(dnsfed.Records{Services: []dnsfed.Service{moves}})
	if found.Verdict != geored.Fail || !strings.Contains(strings.Join(found.Evidence, " "), pod(1).Address.String()+" is in site dc2, where the name does not lead to it now") {
		t.Errorf("%s: %s %q", found.Verdict, found.Message, found.Evidence)
	}
	if found := judge(dnsfed.Records{Services: []dnsfed.Service{moves}, Unread: []geored.SiteName{"dc2"}}); found.Verdict != geored.Unknown {
		t.Errorf("nobody can read dc2, and it is %s: %s %q", found.Verdict, found.Message, found.Evidence)
	}
}

// cutOff starts the CoreDNS of a site whose way to the other one is closed. It must serve its own site; the faulty
// readiness, which waits for every cluster, must be seen to keep it from that, and lint to say so beforehand.
func cutOff(t *testing.T, sites *realSites, program string) {
	f := sites.reaching(t, "https://127.0.0.1:1")
	own := f.Sites[0]

	address, ready := start(t, program, f, own)
	eventually(t, "ready although the other site is cut off", func() error { return wantReady(ready) })
	server := dnsfed.Server{Site: own.Name, Kind: dnsfed.ServerPod, Name: "cut-off", Address: address}
	sites.listens(t, server)
	table, err := sites.federation.Expect(dnsfed.Records{}, []dnsfed.Server{server})
	check(t, err)
	got := map[dnsfed.Case]geored.Verdict{}
	report, err := geored.Prove(t.Context(), geored.CheckConfig{}, table.Checks(sites)...)
	check(t, err)
	for _, finding := range report.Findings {
		got[dnsfed.Case(strings.TrimPrefix(string(finding.Check), "dns/"))] = finding.Verdict
	}
	if got[dnsfed.OwnAPI] != geored.Pass || got[dnsfed.Neither] != geored.Fail {
		t.Errorf("own API %s, want pass; a name that nobody has %s, want fail: the other site was never reached", got[dnsfed.OwnAPI], got[dnsfed.Neither])
	}

	address, ready = start(t, program, f, own, "LAB_KUBERNETAI_READY_WAITS_FOR_ALL=1")
	server.Address = address
	sites.listens(t, server)
	if code, err := readyCode(ready); err != nil || code != http.StatusServiceUnavailable {
		t.Errorf("the readiness that waits for all clusters: %d %v, want 503", code, err)
	}
}
