package kube

import (
	"context"
	"fmt"
	"time"

	"github.com/georedkit/georedkit/creds"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

// Renewal keeps the bound token of a consumer that reads a token file: it mints another when four fifths of its life are
// over. Run its task as often as a fifth of the life: the kubelet renews tokens of its own cluster only.
type Renewal struct {
	From  Source
	To    Receiver
	Grant creds.Grant   // whose consumer reads a file
	Life  time.Duration // of each token; the API server may grant less
}

// Step is the renewal as data.
func (r Renewal) Step() geored.Step {
	g := r.Grant
	return geored.Step{ID: geored.StepID(fmt.Sprintf("creds/%s/%s/%s/renew/%s/%s", g.Source, g.Account.Namespace, g.Account.Name, g.To(), g.Consumer.Name)),
		Site: g.To(), Target: "secret " + g.Consumer.Namespace + "/" + g.Secret, Action: geored.Copy,
		Reason: fmt.Sprintf("%s reads its token again about once a minute", g.Consumer.Name)}
}

// Task renews when it is time, and is done when every API server of the source takes the token that is there.
func (r Renewal) Task() (geored.Task, error) {
	if r.Grant.Consumer.Reading != creds.ReadsFile {
		return geored.Task{}, geored.Faults{{Site: r.Grant.To(), Field: "consumer " + r.Grant.Consumer.Name, Problem: "reads its token once", Remedy: "rotate it, with a restart"}}
	}
	return kube.Retrying(geored.Task{Step: r.Step(), Observe: r.observe, Apply: r.apply}), nil
}

func (r Renewal) observe(ctx context.Context) (geored.State, error) {
	g := r.Grant
	e, there, err := r.To.read(ctx, g.Consumer.Namespace, g.Secret)
	if _, broken := geored.AsFaults(err); broken || err == nil && !there {
		return geored.State{Detail: "there is no whole copy"}, nil
	}
	if err != nil {
		return geored.State{}, err
	}
	claims, err := e.Token.Claims()
	if err != nil {
		return geored.State{Detail: err.Error()}, nil
	}
	wanted, err := r.From.wanted(ctx, g, e.Token)
	if err != nil {
		return geored.State{}, err
	}
	if why, err := r.To.drift(ctx, g.Consumer.Namespace, wanted); err != nil || why != "" {
		return geored.State{Detail: why}, err
	}
	life := creds.Life{Issued: claims.Issued, Expires: claims.Expires}
	if at := life.RenewAt(); at.IsZero() || !r.From.clock().Now().Before(at) {
		return geored.State{Detail: "its token was to be renewed at " + at.UTC().Format(time.RFC3339)}, nil
	}
	why, err := r.From.accepted(ctx, e.Token)
	return geored.State{Done: err == nil && why == "", Detail: orElse(why, "token "+e.Token.Digest()+" lives until "+life.Expires.UTC().Format(time.RFC3339))}, err
}

func (r Renewal) apply(ctx context.Context) error {
	credential, err := r.From.Request(ctx, r.Life, "")
	if err != nil {
		return err
	}
	e, err := r.From.Export(ctx, r.Grant.Secret, credential, r.To)
	if err != nil {
		return err
	}
	return r.To.write(ctx, r.Grant, e.TokenFile(r.Grant.Consumer.MountPath))
}

// wanted is the copy that a grant should be, around a token.
func (s Source) wanted(ctx context.Context, g creds.Grant, token creds.Token) (creds.Secret, error) {
	ca, err := s.CA(ctx)
	if err != nil {
		return creds.Secret{}, err
	}
	e := creds.Export{Site: g.Source, Name: g.Secret, Server: s.Server, CA: ca, Account: s.Account, Token: token}
	if g.Consumer.Reading == creds.ReadsFile {
		return e.TokenFile(g.Consumer.MountPath), nil
	}
	return e.Kubemcsa(), nil
}
