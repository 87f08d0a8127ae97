// Package resolver puts the questions of dnsfed to name servers through probes: one in each site, because a name server
// answers, or is reached, differently from elsewhere.
package resolver

import (
	"context"
	"fmt"
	"time"

	"github.com/georedkit/georedkit/dnsfed"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/probe"
)

// Probes is a dnsfed.Resolver.
type Probes struct {
	Clients map[geored.SiteName]probe.Client
	Timeout time.Duration // of one question; zero: 2 s
}

// Resolve asks once, without trying again: a name server that answers every other time is one that fails. A reply that
// was cut short is no answer.
func (p Probes) Resolve(ctx context.Context, q dnsfed.Question) (dnsfed.Answer, error) {
	client, ok := p.Clients[q.Server.Site]
	if !ok {
		return dnsfed.Answer{}, fmt.Errorf("site %s: has no probe", q.Server.Site)
	}
	answer, err := probe.Ask(ctx, client, probe.DNS{
		Server: q.Server.Address.String(), Name: q.Name, Type: q.Type, Network: q.Transport, Timeout: p.Timeout,
	})
	return dnsfed.Answer{Code: answer.Code, Records: answer.Records}, err
}
