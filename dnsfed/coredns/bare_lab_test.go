//go:build lab

package coredns

import (
	"errors"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/internal/laboratory/labtest"
)

// replaceBare does what the guide does (ICE guide, 4.3.2): it deletes the cluster's DNS, Deployment and Service, and then
// makes them again as an installation does, with the address that pods are told.
func (p *place) replaceBare(name string) {
	p.t.Helper()
	ctx := p.t.Context()
	service := &kube.Object{Object: map[string]any{"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"namespace": Namespace, "name": ServiceName}}}
	bare := []*kube.Object{service, deploymentObject(name)}
	var written []*kube.Object
	for _, object := range bare {
		live, there, err := p.cluster.Live(ctx, object)
		check(p.t, err)
		if !there {
			p.t.Fatalf("%s is not there", object.GetName())
		}
		written = append(written, kube.AsWritten(live))
	}
	check(p.t, p.cluster.Delete(ctx, bare...))
	p.await(func() (geored.State, error) { return p.cluster.Gone(ctx, bare...) })
	check(p.t, p.cluster.Restore(ctx, written...))
	p.await(func() (geored.State, error) { return p.cluster.Restored(ctx, written...) })
}

func (p *place) await(state func() (geored.State, error)) {
	p.t.Helper()
	labtest.Until(p.t, "what was asked for", func() error {
		seen, err := state()
		if err == nil && !seen.Done {
			err = errors.New(seen.Detail)
		}
		return err
	})
}

// The guide's way loses answers, and is seen to; ours, in the same site with the same questions, loses none.
func TestABareReplacementLosesAnswers(t *testing.T) {
	p := places(t)[1]
	_, old := p.serving()
	asking := p.keepAsking()
	time.Sleep(time.Second)
	p.replaceBare(old.Name)
	seen := asking.End()
	t.Logf("the guide's way: %d of %d questions without the right answer, %d asked again", len(seen.Wrong), seen.Asked, len(seen.Repeated))
	if f := seen.Judge(); f.Verdict != geored.Fail || len(seen.Wrong) == 0 || len(seen.Wrong) >= seen.Asked {
		t.Errorf("%s: %s %q", f.Verdict, f.Message, f.Evidence)
	}
	asking = p.keepAsking()
	change := p.change("coredns-without-a-gap")
	p.run(change.Stage("dns"))
	p.lostNothing(asking)
	if _, now := p.serving(); now.Name != change.New {
		t.Errorf("%s serves", now.Name)
	}
}
