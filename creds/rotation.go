package creds

import (
	"fmt"
	"slices"

	"github.com/georedkit/georedkit/geored"
)

// Rotation brings one account's consumers from whatever token they have to that of one generation. The first rotation,
// to generation 1, is the first export.
type Rotation struct {
	Source     geored.SiteName
	Account    Account
	Generation int // 1 and up; older ones are retired
	Grants     []Grant
}

// Phase is a part of a rotation. Each ends before the next begins, which is what makes it free of gaps: the old token
// works until every consumer has been seen to work with the new one.
type Phase string

// The phases, in their order.
const (
	Mint    Phase = "mint"    // the new token is there, and the source takes it
	Import  Phase = "import"  // every receiver has the Secret
	Reload  Phase = "reload"  // every consumer that reads once was restarted after that
	Refuse  Phase = "refuse"  // older tokens are marked invalid, and every API server of the source refuses them
	Discard Phase = "discard" // older tokens are deleted
)

// Phases are all phases in their order.
func Phases() []Phase { return []Phase{Mint, Import, Reload, Refuse, Discard} }

// TokenSecret is the name of the Secret in the source that holds the token of a generation.
func (r Rotation) TokenSecret(generation int) string {
	return fmt.Sprintf("%s-token-%d", r.Account.Name, generation)
}

// Faults tells what is wrong with the rotation.
func (r Rotation) Faults() geored.Faults {
	var faults geored.Faults
	fault := func(field, value, problem, remedy string) {
		faults = append(faults, geored.Fault{Site: r.Source, Field: "rotation: " + field, Value: value, Problem: problem, Remedy: remedy})
	}
	if !r.Source.IsValid() {
		fault("source", string(r.Source), "is not the name of a site", "write a DNS label")
	}
	if !isSubdomain(r.Account.Namespace) || !isSubdomain(r.Account.Name) {
		fault("account", r.Account.String(), "is no service account", "write namespace and name")
	}
	if r.Generation < 1 {
		fault("generation", fmt.Sprint(r.Generation), "is below 1", "write one more than the newest there is")
	}
	if len(r.Grants) == 0 {
		fault("grants", "", "are none", "a token that nobody reads needs no rotation: revoke it")
	}
	for _, g := range r.Grants {
		if g.Source != r.Source || g.Account != r.Account {
			fault("grants", g.String(), "is of another account", "rotate it with its own")
		}
		if g.Consumer.Reading != ReadsOnce {
			fault("grants", g.String(), "reads a file", "renew its bound token instead")
		}
	}
	return faults
}

// Steps are the steps of a phase: data to be reviewed, which creds/kube gives its tasks.
func (r Rotation) Steps(phase Phase) []geored.Step {
	switch phase {
	case Mint:
		name := r.TokenSecret(r.Generation)
		return []geored.Step{r.step(phase, r.Source, "", geored.Step{Target: "secret " + r.Account.Namespace + "/" + name, Action: geored.Apply,
			Reason:     fmt.Sprintf("a long-lived token of %s, for consumers that read theirs once", r.Account),
			Wanted:     digest("token secret", r.Account, name),
			Manual:     []string{fmt.Sprintf("kubectl -n %s create -f - # Secret %s of type kubernetes.io/service-account-token", r.Account.Namespace, name)},
			ManualUndo: []string{fmt.Sprintf("kubectl -n %s delete secret %s", r.Account.Namespace, name)}})}
	case Import:
		return r.eachGrant(func(g Grant) geored.Step {
			return r.step(phase, g.To(), g.Consumer.Name, geored.Step{Target: "secret " + g.Consumer.Namespace + "/" + g.Secret, Action: geored.Copy,
				Reason:     fmt.Sprintf("%s reads site %s with it", g.Consumer.Name, r.Source),
				Wanted:     digest("kubemcsa secret", g.String(), r.Generation),
				Manual:     []string{fmt.Sprintf("kubectl -n %s create secret generic %s --from-file=config=KUBECONFIG # one with the token in %s of %s", g.Consumer.Namespace, g.Secret, r.TokenSecret(r.Generation), r.Source)},
				ManualUndo: []string{fmt.Sprintf("kubectl -n %s delete secret %s", g.Consumer.Namespace, g.Secret)}})
		})
	case Reload:
		return r.eachGrant(func(g Grant) geored.Step {
			return r.step(phase, g.To(), g.Consumer.Name, geored.Step{Target: g.Consumer.Workload + " in " + g.Consumer.Namespace, Action: geored.Restart,
				Reason: "it reads its credentials at its start only",
				Manual: []string{fmt.Sprintf("kubectl -n %s rollout restart %s", g.Consumer.Namespace, g.Consumer.Workload)}})
		})
	case Refuse:
		return []geored.Step{r.step(phase, r.Source, "", geored.Step{Target: fmt.Sprintf("tokens of %s before generation %d", r.Account, r.Generation), Action: geored.Execute,
			Reason: "every API server of the source must be seen to refuse them, before what proves it is deleted"})}
	case Discard:
		return []geored.Step{r.step(phase, r.Source, "", geored.Step{Target: fmt.Sprintf("token secrets of %s before generation %d", r.Account, r.Generation), Action: geored.Delete,
			Reason: "they are refused and of no use to anybody"})}
	}
	return nil
}

// digest is of texts and numbers, which have one always. What a token is stands in none.
func digest(parts ...any) string {
	text, _ := geored.DigestOf(parts...)
	return text
}

func (r Rotation) eachGrant(step func(Grant) geored.Step) []geored.Step {
	steps := make([]geored.Step, len(r.Grants))
	for i, g := range r.Sorted() {
		steps[i] = step(g)
	}
	return steps
}

// Sorted are the grants in the order of the steps of [Import] and [Reload].
func (r Rotation) Sorted() []Grant { return slices.SortedFunc(slices.Values(r.Grants), compareGrants) }

// step gives a step its site and its ID, which says what is rotated, how far, and where.
func (r Rotation) step(phase Phase, at geored.SiteName, consumer string, s geored.Step) geored.Step {
	id := fmt.Sprintf("creds/%s/%s/%s/%d/%s", r.Source, r.Account.Namespace, r.Account.Name, r.Generation, phase)
	if consumer != "" {
		id += fmt.Sprintf("/%s/%s", at, consumer)
	}
	s.ID, s.Site = geored.StepID(id), at
	return s
}
