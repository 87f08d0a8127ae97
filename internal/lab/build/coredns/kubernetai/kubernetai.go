// Package kubernetai is the directive kubernetai for the CoreDNS of the laboratory: several stanzas of the plugin
// kubernetes in one server, each with the options of the CoreDNS it is built with, asked in the order of the Corefile
// (https://github.com/coredns/kubernetai, README). The directive kubernetes stays as it is, beside it.
//
// The upstream plugin has no readiness at all. This one is ready when the first stanza, the site's own, has synced.
// With [WaitForAll] in the environment it is ready when every stanza has: the fault with which a site that restarts its
// CoreDNS while another site is cut off loses its own DNS.
package kubernetai

import (
	"context"
	"os"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/kubernetes"
	"github.com/miekg/dns"
)

const name = "kubernetai"

// WaitForAll is the variable of the environment that, set to anything, makes readiness wait for every cluster.
const WaitForAll = "LAB_KUBERNETAI_READY_WAITS_FOR_ALL"

func init() { plugin.Register(name, setup) }

type chain struct {
	stanzas    []*kubernetes.Kubernetes
	waitForAll bool
}

func setup(c *caddy.Controller) error {
	k := &chain{waitForAll: os.Getenv(WaitForAll) != ""}
	for c.Next() {
		stanza, err := kubernetes.ParseStanza(c)
		if err != nil {
			return plugin.Error(name, err)
		}
		onStart, onShutdown, err := stanza.InitKubeCache(context.Background())
		if err != nil {
			return plugin.Error(name, err)
		}
		if onStart != nil {
			c.OnStartup(onStart)
		}
		if onShutdown != nil {
			c.OnShutdown(onShutdown)
		}
		k.stanzas = append(k.stanzas, stanza)
	}
	last := len(k.stanzas) - 1
	for i, stanza := range k.stanzas[:last] {
		stanza.Next = k.stanzas[i+1]
	}
	dnsserver.GetConfig(c).AddPlugin(func(next plugin.Handler) plugin.Handler {
		k.stanzas[last].Next = next
		return k
	})
	return nil
}

func (k *chain) Name() string { return name }

func (k *chain) ServeDNS(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	return k.stanzas[0].ServeDNS(ctx, w, r)
}

// Ready is what the plugin ready asks.
func (k *chain) Ready() bool {
	asked := k.stanzas[:1]
	if k.waitForAll {
		asked = k.stanzas
	}
	for _, stanza := range asked {
		if !stanza.APIConn.HasSynced() {
			return false
		}
	}
	return true
}
