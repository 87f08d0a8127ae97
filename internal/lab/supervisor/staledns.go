package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/georedkit/georedkit/internal/lab/config"
	"github.com/georedkit/georedkit/internal/lab/kubeapi"
	"github.com/georedkit/georedkit/internal/lab/network"
)

// staleFault is that the name servers of a site do not see another any more, in which a pod moves meanwhile. The pods are a
// headless Service's; one stays where it is.
type staleFault struct {
	own, other *site
	api        *kubeapi.Client // of the other site
	namespace  string
}

// withStale calls f for SITE OTHER [NAMESPACE], and lets no other fault meddle with the site.
func (l *Laboratory) withStale(ctx context.Context, args []string, f func(context.Context, staleFault, *kubeapi.Client) ([]string, error)) (evidence []string, err error) {
	own, other, err := l.ends([2]string{args[0], args[1]})
	if err != nil {
		return nil, err
	}
	stale := staleFault{own, other, nil, "default"}
	if len(args) == 3 {
		stale.namespace = args[2]
	}
	if other.running() == nil {
		return nil, fmt.Errorf("site %s: is stopped", args[1])
	}
	if stale.api, err = other.api(); err != nil {
		return nil, err
	}
	err = l.withDNS(ctx, args[0], func(ctx context.Context, _ *site, api *kubeapi.Client, _ dnsFault) error {
		evidence, err = f(ctx, stale, api)
		return err
	})
	return evidence, err
}

// staleDNS: a pod of the other site is known, contact is lost, the pod moves, and the name servers answer where it was.
func (l *Laboratory) staleDNS(ctx context.Context, args []string) ([]string, error) {
	return l.withStale(ctx, args, func(ctx context.Context, f staleFault, api *kubeapi.Client) ([]string, error) {
		pods, err := nameServerPods(ctx, api)
		if err != nil {
			return nil, err
		}
		was, is := f.pod(2), f.pod(3)
		if err := createAll(ctx, f.api, f.objects(was)); err != nil {
			return nil, fmt.Errorf("site %s: %w", f.other.plan.Name, err)
		}
		// Asked for the pod that stays: about the other nothing may be in a cache.
		if err := f.leads(ctx, f.own, "stays", f.pod(1)); err != nil {
			return nil, fmt.Errorf("before the fault: %w", err)
		}
		l.note(f.note(), true)
		if err := f.own.onNodes(func(n *network.Namespace) error { return n.Sever(f.other.plan.Number, pods, f.servers()) }); err != nil {
			return nil, err
		}
		if err := f.api.Patch(ctx, f.path()+staleSlice, "application/merge-patch+json", []byte(`{"endpoints":`+f.endpoints(is)+`}`)); err != nil {
			return nil, fmt.Errorf("site %s: %w", f.other.plan.Name, err)
		}
		lost, err := f.lost(ctx)
		if err != nil {
			return nil, err
		}
		if err := f.leads(ctx, f.other, "moves", is); err != nil {
			return nil, err
		}
		if err := f.leads(ctx, f.own, "moves", was); err != nil { // still
			return nil, err
		}
		return []string{fmt.Sprintf("%d packets between %v and the API server of %s were lost", lost, pods, args[1]),
			fmt.Sprintf("%s is %s in %s, and still %s in %s", f.name("moves"), is, args[1], was, args[0])}, nil
	})
}

// freshDNS ends when the name servers have caught up.
func (l *Laboratory) freshDNS(ctx context.Context, args []string) ([]string, error) {
	return l.withStale(ctx, args, func(ctx context.Context, f staleFault, _ *kubeapi.Client) ([]string, error) {
		if !l.has(f.note()) {
			return nil, fmt.Errorf("its name servers see site %s", args[1])
		}
		if err := f.own.onNodes(func(n *network.Namespace) error { return n.Sever(f.other.plan.Number, nil, nil) }); err != nil {
			return nil, err
		}
		l.note(f.note(), false)
		if err := f.leads(ctx, f.own, "moves", f.pod(3)); err != nil {
			return nil, err
		}
		for _, path := range []string{f.path() + staleSlice, f.servicePath()} {
			if err := f.api.Delete(ctx, path); err != nil {
				return nil, fmt.Errorf("site %s: %w", f.other.plan.Name, err)
			}
		}
		return []string{fmt.Sprintf("%s is %s in %s too", f.name("moves"), f.pod(3), args[0])}, nil
	})
}

// lost waits until packets were lost: what the other site's API server had to tell.
func (f staleFault) lost(ctx context.Context) (packets int, err error) {
	err = f.own.await(ctx, 0, config.Proxy, func() error {
		packets = 0
		err := f.own.onNodes(func(n *network.Namespace) error {
			more, err := n.Severed(f.other.plan.Number)
			packets += more
			return err
		})
		if err == nil && packets == 0 {
			err = errors.New("its name servers were sent nothing from there: they read it in another way, or not at all")
		}
		return err
	})
	return packets, err
}

// leads waits until a pod's name leads to an address in a site.
func (f staleFault) leads(ctx context.Context, in *site, pod string, want netip.Addr) error {
	err := in.await(ctx, 0, config.Kubelet, func() error {
		answers, err := in.resolve(ctx, f.name(pod))
		if err == nil && (len(answers) != 1 || answers[0] != want.String()) {
			err = fmt.Errorf("%s is %v, not %s", f.name(pod), answers, want)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("site %s: %w", in.plan.Name, err)
	}
	return nil
}
