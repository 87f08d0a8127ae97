package kube

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/georedkit/georedkit/creds/serving"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/geored/probe"
)

// Receiver is a site that is given access to others.
type Receiver struct {
	Cluster *kube.Cluster // Required
	Probe   probe.Client  // asks from inside the site (see package serving). Required
}

// servingBudget is how long a probe may take to show what a server shows it; its own time limit is shorter.
const servingBudget = 20 * time.Second

// serving is what a server shows to a client in the receiver's site.
func (r Receiver) serving(ctx context.Context, server string) ([]*x509.Certificate, error) {
	if r.Probe == nil {
		return nil, errors.New("there is no probe to ask from there")
	}
	ctx, cancel := context.WithTimeout(ctx, servingBudget) // a frozen probe holds its connection open
	defer cancel()
	answer, err := probe.AskNamed[serving.Answer](ctx, r.Probe, serving.Ask, serving.Question{Server: server})
	if err != nil {
		return nil, err
	}
	chain, err := answer.Certificates()
	if err == nil && len(chain) == 0 {
		err = fmt.Errorf("it shows no certificate")
	}
	return chain, err
}
