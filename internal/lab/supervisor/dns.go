package supervisor

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"text/template"

	"github.com/georedkit/georedkit/internal/lab/config"
	"github.com/georedkit/georedkit/internal/lab/kubeapi"
	"github.com/georedkit/georedkit/internal/lab/network"
)

// Faults of a site's name servers.

//go:embed dnsfaults.yaml
var dnsFaultsText string

var dnsFaults = template.Must(template.New("dnsfaults.yaml").Parse(dnsFaultsText))

const kubeSystem = "/api/v1/namespaces/kube-system"

// linkLocal is the address at which a cache on every node is customarily asked.
var linkLocal = netip.AddrFrom4([4]byte{169, 254, 20, 10})

// dnsFault is what the templates of the faults read.
type dnsFault struct {
	Selector            map[string]string // of the Service kube-dns, as it is now
	DNS, Upstream, Link netip.Addr
}

// withDNS calls f for a site that runs, and lets no other fault meddle.
func (l *Laboratory) withDNS(ctx context.Context, name string, f func(context.Context, *site, *kubeapi.Client, dnsFault) error) error {
	s, err := l.site(name)
	if err != nil {
		return err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	if s.running() == nil {
		return fmt.Errorf("site %s: is stopped", name)
	}
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	api, err := s.api()
	if err != nil {
		return err
	}
	var service struct {
		Spec struct{ Selector map[string]string }
	}
	if err := api.Get(ctx, kubeSystem+"/services/kube-dns", &service); err != nil {
		return fmt.Errorf("site %s: %w", name, err)
	}
	if err := f(ctx, s, api, dnsFault{service.Spec.Selector, s.plan.DNS, s.plan.DNS.Next(), linkLocal}); err != nil {
		return fmt.Errorf("site %s: %w", name, err)
	}
	return nil
}

// secondDNS runs name servers behind the same Service that know the site's own names alone.
func (l *Laboratory) secondDNS(ctx context.Context, args []string) ([]string, error) {
	err := l.withDNS(ctx, args[0], func(ctx context.Context, s *site, api *kubeapi.Client, f dnsFault) error {
		if err := f.create(ctx, api, "second"); err != nil {
			return err
		}
		l.note("second-dns "+args[0], true)
		return s.await(ctx, 0, config.Kubelet, func() error { return deploymentReady(ctx, api, "second-coredns") })
	})
	return []string{"deployment second-coredns is ready behind kube-dns"}, err
}

func (l *Laboratory) oneDNS(ctx context.Context, args []string) ([]string, error) {
	err := l.withDNS(ctx, args[0], func(ctx context.Context, _ *site, api *kubeapi.Client, f dnsFault) error {
		defer l.note("second-dns "+args[0], false)
		return f.remove(ctx, api, "second")
	})
	return []string{"deployment second-coredns is gone"}, err
}

// nodeLocalDNS puts a cache between the pods of each node and the name servers, which takes over their address.
func (l *Laboratory) nodeLocalDNS(ctx context.Context, args []string) ([]string, error) {
	err := l.withDNS(ctx, args[0], func(ctx context.Context, s *site, api *kubeapi.Client, f dnsFault) error {
		// Until the cache answers, the Service goes on.
		if err := s.onNodes(func(n *network.Namespace) error { return n.HoldAddresses(true, f.Link, f.DNS) }); err != nil {
			return err
		}
		if err := f.create(ctx, api, "node-local"); err != nil {
			return err
		}
		l.note("node-local-dns "+args[0], true)
		if err := s.await(ctx, 0, config.Kubelet, func() error { return daemonsReady(ctx, api, "node-local-dns") }); err != nil {
			return err
		}
		if err := s.onNodes(func(n *network.Namespace) error { return n.BypassServices(true, f.Link, f.DNS) }); err != nil {
			return err
		}
		return s.await(ctx, 0, config.Kubelet, func() error { return s.dnsAnswers(ctx) })
	})
	return []string{"each node has a cache at the address of kube-dns"}, err
}

func (l *Laboratory) noNodeLocalDNS(ctx context.Context, args []string) ([]string, error) {
	err := l.withDNS(ctx, args[0], func(ctx context.Context, s *site, api *kubeapi.Client, f dnsFault) error {
		if err := s.onNodes(func(n *network.Namespace) error { return n.BypassServices(false, f.Link, f.DNS) }); err != nil {
			return err
		}
		if err := f.remove(ctx, api, "node-local"); err != nil {
			return err
		}
		l.note("node-local-dns "+args[0], false)
		return s.onNodes(func(n *network.Namespace) error { return n.HoldAddresses(false, f.Link, f.DNS) })
	})
	return []string{"no node has a cache"}, err
}

func (s *site) onNodes(f func(*network.Namespace) error) error {
	var errs []error
	for _, m := range s.alive() {
		errs = append(errs, f(m.namespace))
	}
	return errors.Join(errs...)
}

func (f dnsFault) objects(name string) (string, error) {
	var text bytes.Buffer
	err := dnsFaults.ExecuteTemplate(&text, name, f)
	return text.String(), err
}

func (f dnsFault) create(ctx context.Context, api *kubeapi.Client, name string) error {
	text, err := f.objects(name)
	if err != nil {
		return err
	}
	return createAll(ctx, api, text)
}

func (f dnsFault) remove(ctx context.Context, api *kubeapi.Client, name string) error {
	text, err := f.objects(name)
	if err != nil {
		return err
	}
	for object := range strings.SplitSeq(text, "\n---\n") {
		first, _, _ := strings.Cut(object, "\n")
		if err := api.Delete(ctx, strings.TrimPrefix(first, "# ")); err != nil {
			return err
		}
	}
	return nil
}
