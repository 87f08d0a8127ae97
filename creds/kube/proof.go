package kube

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/creds"
	"github.com/georedkit/georedkit/geored"
)

// Proof holds grants against what is there.
type Proof struct {
	Grants    []creds.Grant
	Sources   []Source // one for each account of each site that grants are of
	Receivers map[geored.SiteName]Receiver
}

// IDs of the checks.
const (
	CheckCopies    geored.CheckID = "creds/copies"
	CheckServer    geored.CheckID = "creds/server"
	CheckAccepted  geored.CheckID = "creds/accepted"
	CheckPrivilege geored.CheckID = "creds/least-privilege"
)

// Checks are the checks of all grants, each with a finding per grant, and of what no grant explains.
func (p Proof) Checks() []geored.Check {
	return []geored.Check{
		{ID: CheckCopies, Title: "every consumer's copy is whole, as it should be, and lives on long enough", Run: p.copies},
		{ID: CheckServer, Title: "every copy's server is reached from the consumer's site, with a certificate that covers it", Run: p.servers},
		{ID: CheckAccepted, Title: "every API server of the source takes the token of every copy", Run: p.accepted},
		{ID: CheckPrivilege, Title: "no site holds access that none of its consumers reads", Run: p.privilege},
	}
}

func (p Proof) source(g creds.Grant) (Source, error) {
	for _, s := range p.Sources {
		if s.Cluster.Site() == g.Source && s.Account == g.Account {
			return s, nil
		}
	}
	return Source{}, fmt.Errorf("account %s of site %s is not among the sources", g.Account, g.Source)
}

// ask puts one question about every grant.
func ask[T any](ctx context.Context, p Proof, f func(context.Context, creds.Grant, Source, Receiver) (T, error)) (geored.Answers[T], map[geored.Target]creds.Grant) {
	targets, grants := make([]geored.Target, len(p.Grants)), map[geored.Target]creds.Grant{}
	for i, g := range p.Grants {
		targets[i] = geored.Target{Site: g.To(), To: g.Source, Name: "secret " + g.Consumer.Namespace + "/" + g.Secret}
		grants[targets[i]] = g
	}
	return geored.Ask(ctx, targets, func(ctx context.Context, t geored.Target) (T, error) {
		var none T
		g := grants[t]
		source, err := p.source(g)
		if err != nil {
			return none, err
		}
		receiver, ok := p.Receivers[g.To()]
		if !ok {
			return none, fmt.Errorf("site %s is not among the receivers", g.To())
		}
		return f(ctx, g, source, receiver)
	}, geored.AskBudget(20*time.Second)), grants
}

// copies compares each copy with what it should be around the token that it has, and that token with the source's newest.
func (p Proof) copies(ctx context.Context) []geored.Finding {
	type seen struct {
		problem, digest string
		deadline        time.Time
		faults          geored.Faults
	}
	answers, _ := ask(ctx, p, func(ctx context.Context, g creds.Grant, s Source, r Receiver) (seen, error) {
		e, there, err := r.read(ctx, g.Consumer.Namespace, g.Secret)
		if faults, broken := geored.AsFaults(err); broken {
			return seen{problem: "is broken", faults: faults}, nil
		}
		if err != nil || !there {
			return seen{problem: "is not there"}, err
		}
		wanted, err := s.wanted(ctx, g, e.Token)
		if err != nil {
			return seen{}, err
		}
		x := seen{digest: e.Token.Digest(), deadline: e.Deadline()}
		e.Site = g.Source
		x.faults = e.Faults(creds.Facts{Now: s.clock().Now(), Margin: s.Margin, Account: g.Account})
		if len(x.faults) > 0 {
			x.problem = "has faults"
		}
		if why, err := r.drift(ctx, g.Consumer.Namespace, wanted); err != nil || why != "" {
			x.problem = why
			return x, err
		}
		if x.problem == "" && g.Consumer.Reading == creds.ReadsOnce {
			x.problem, err = s.stale(ctx, e.Token)
		}
		return x, err
	})
	return answers.Each(func(t geored.Target, x seen) geored.Finding {
		if x.problem != "" {
			f := geored.Finding{Verdict: geored.Fail, Message: fmt.Sprintf("%s %s", t.Name, x.problem), Remedy: "run the rotation, or the renewal, again"}
			for _, fault := range x.faults {
				f.Evidence = append(f.Evidence, fault.Error())
			}
			return f
		}
		end := "has no end"
		if !x.deadline.IsZero() {
			end = "lives until " + x.deadline.UTC().Format(time.RFC3339)
		}
		return geored.Finding{Verdict: geored.Pass, Message: fmt.Sprintf("%s carries token %s, which %s", t.Name, x.digest, end)}
	})
}

// stale says whether a long-lived token is another than the source's newest.
func (s Source) stale(ctx context.Context, token creds.Token) (string, error) {
	all, err := s.tokens(ctx)
	if err != nil {
		return "", err
	}
	if len(all) == 0 || !all[len(all)-1].token.Equal(token) {
		return "does not carry the newest token of the source", nil
	}
	return "", nil
}

func (p Proof) servers(ctx context.Context) []geored.Finding {
	answers, _ := ask(ctx, p, func(ctx context.Context, g creds.Grant, s Source, r Receiver) (geored.Faults, error) {
		ca, err := s.CA(ctx)
		if err != nil {
			return nil, err
		}
		chain, err := r.serving(ctx, s.Server)
		if err != nil {
			return nil, err
		}
		e := creds.Export{Site: g.Source, Name: g.Secret, Server: s.Server, CA: ca, Account: g.Account}
		faults := e.Faults(creds.Facts{Now: s.clock().Now(), Serving: chain})
		return slices.DeleteFunc(faults, func(f geored.Fault) bool { return f.Field == creds.KeyToken }), nil // the token is another check's
	})
	return answers.Each(func(t geored.Target, faults geored.Faults) geored.Finding {
		if len(faults) == 0 {
			return geored.Finding{Verdict: geored.Pass, Message: fmt.Sprintf("a client in %s reaches the API server of %s", t.Site, t.To)}
		}
		f := geored.Finding{Verdict: geored.Fail, Message: fmt.Sprintf("a client in %s cannot trust what it reaches as the API server of %s", t.Site, t.To)}
		for _, fault := range faults {
			f.Evidence = append(f.Evidence, fault.Error())
		}
		return f
	})
}

func (p Proof) accepted(ctx context.Context) []geored.Finding {
	answers, _ := ask(ctx, p, func(ctx context.Context, g creds.Grant, s Source, r Receiver) (string, error) {
		e, _, err := r.read(ctx, g.Consumer.Namespace, g.Secret)
		if e.Token.IsZero() {
			if _, broken := geored.AsFaults(err); broken || err == nil {
				return "there is no token to show", nil
			}
			return "", err
		}
		return s.accepted(ctx, e.Token)
	})
	return answers.Each(func(t geored.Target, why string) geored.Finding {
		if why != "" {
			return geored.Finding{Verdict: geored.Fail, Message: fmt.Sprintf("%s: %s", t.Name, why), Remedy: "run the rotation, or the renewal, again"}
		}
		return geored.Finding{Verdict: geored.Pass, Message: "every API server takes the token of " + t.Name}
	})
}

// searched is the access that was found in a site.
type searched struct {
	copies []creds.Copy
	only   error // why not all namespaces were searched; nil: they were
}

// privilege looks for access that no grant explains, in all namespaces: those of grants that are no more are not known. Who may
// not read them all learns of those that grants are for.
func (p Proof) privilege(ctx context.Context) []geored.Finding {
	var namespaces []string
	for _, g := range p.Grants {
		namespaces = append(namespaces, g.Consumer.Namespace)
	}
	slices.Sort(namespaces)
	namespaces = slices.Compact(namespaces)
	var targets []geored.Target
	for site := range p.Receivers {
		targets = append(targets, geored.Target{Site: site})
	}
	slices.SortFunc(targets, func(a, b geored.Target) int { return cmp.Compare(a.Site, b.Site) })
	answers := geored.Ask(ctx, targets, func(ctx context.Context, t geored.Target) (searched, error) {
		found, err := p.Receivers[t.Site].Copies(ctx, metav1.NamespaceAll)
		if !apierrors.IsForbidden(err) || len(namespaces) == 0 {
			return searched{copies: found}, err
		}
		some, other := p.Receivers[t.Site].Copies(ctx, namespaces...)
		return searched{some, err}, other
	})
	return answers.Each(func(t geored.Target, s searched) geored.Finding {
		found := s.copies
		surplus := creds.Surplus(p.Grants, found)
		if len(surplus) == 0 && s.only != nil {
			return geored.Finding{Verdict: geored.Unknown, Message: fmt.Sprintf("only namespaces %s could be searched: %v", strings.Join(namespaces, ", "), s.only),
				Remedy: "prove with the right to list the secrets of all namespaces"}
		}
		if len(surplus) == 0 {
			return geored.Finding{Verdict: geored.Pass, Message: fmt.Sprintf("%d secrets with access to other sites, each read by a consumer", len(found))}
		}
		f := geored.Finding{Verdict: geored.Warn, Message: fmt.Sprintf("%d secrets with access that no consumer here reads", len(surplus)), Remedy: "delete them, and rotate the accounts they are of"}
		for _, c := range surplus {
			f.Evidence = append(f.Evidence, fmt.Sprintf("secret %s/%s: access as %s", c.Namespace, c.Name, c.Account))
		}
		return f
	})
}
