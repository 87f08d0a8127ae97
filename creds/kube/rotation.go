package kube

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/version"

	"github.com/georedkit/georedkit/creds"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

// Rotation carries a creds.Rotation out.
type Rotation struct {
	creds.Rotation
	From      Source
	Receivers map[geored.SiteName]Receiver
}

// Stages are the phases of the rotation, each a stage of its own. A rotation that was interrupted is gone on with by
// running the stages of the same generation again. The error is geored.Faults.
func (r Rotation) Stages() ([]geored.Stage, error) {
	faults := r.Faults()
	fault := func(site geored.SiteName, field, problem string) {
		faults = append(faults, geored.Fault{Site: site, Field: "rotation: " + field, Problem: problem})
	}
	if r.From.Cluster == nil || r.From.Cluster.Site() != r.Source || r.From.Account != r.Account {
		fault(r.Source, "from", "is another site's or account's")
	}
	for _, g := range r.Grants {
		if r.Receivers[g.To()].Cluster == nil {
			fault(g.To(), "receivers", "lack it")
		}
	}
	binds := map[creds.Phase]func(context.Context) ([]geored.Task, error){
		creds.Mint: r.mint, creds.Import: r.imports, creds.Reload: r.reloads, creds.Refuse: r.refuse, creds.Discard: r.discards}
	var stages []geored.Stage
	for _, phase := range creds.Phases() {
		name := fmt.Sprintf("%s %s of %s to generation %d", phase, r.Account, r.Source, r.Generation)
		stage := geored.Stage{Name: name, Outline: r.Steps(phase), Bind: retrying(binds[phase])}
		switch phase {
		case creds.Import:
			stage.Back = retrying(r.importsBack)
		case creds.Reload, creds.Refuse, creds.Discard:
			stage.Back = r.stays(phase)
		}
		stages = append(stages, stage)
	}
	return stages, faults.Err()
}

// retrying has the changes of a stage tried again when an API server starts anew meanwhile.
func retrying(bind func(context.Context) ([]geored.Task, error)) func(context.Context) ([]geored.Task, error) {
	return func(ctx context.Context) ([]geored.Task, error) {
		tasks, err := bind(ctx)
		for i, task := range tasks {
			tasks[i] = kube.Retrying(task)
		}
		return tasks, err
	}
}

func (r Rotation) mint(context.Context) ([]geored.Task, error) {
	name := r.TokenSecret(r.Generation)
	return []geored.Task{{Step: r.Steps(creds.Mint)[0],
		Observe: func(ctx context.Context) (geored.State, error) {
			m, there, err := r.From.token(ctx, name)
			newest, err2 := r.From.Generation(ctx)
			switch {
			case err != nil || err2 != nil:
				return geored.State{}, errors.Join(err, err2)
			case newest > r.Generation:
				return geored.State{}, fmt.Errorf("generation %d is there already: an older one would take consumers back", newest)
			case !there:
				return geored.State{Detail: "secret " + name + " is not there"}, nil
			case m.invalid:
				return geored.State{}, fmt.Errorf("secret %s is marked invalid: rotate to generation %d", name, r.Generation+1)
			case m.token.IsZero():
				return geored.State{Detail: "secret " + name + " waits for the token controller to fill it"}, nil
			}
			why, err := r.From.accepted(ctx, m.token)
			return geored.State{Done: err == nil && why == "", Detail: orElse(why, "every API server takes token "+m.token.Digest())}, err
		},
		Apply: func(ctx context.Context) error { return r.From.create(ctx, name) },
		Undo: func(ctx context.Context) error {
			if err := r.unused(ctx); err != nil {
				return err
			}
			return r.From.Revoke(ctx, name)
		},
		Gone: func(ctx context.Context) (geored.State, error) {
			_, there, err := r.From.token(ctx, name)
			if err != nil || there {
				return geored.State{Detail: "secret " + name + " is there"}, err
			}
			return geored.State{Done: true, Detail: "secret " + name + " is gone"}, nil
		},
	}}, nil
}

// unused is an error while a copy carries the rotation's token: its consumer would lose its access.
func (r Rotation) unused(ctx context.Context) error {
	m, there, err := r.From.token(ctx, r.TokenSecret(r.Generation))
	if err != nil || !there || m.token.IsZero() {
		return err
	}
	for _, g := range r.Sorted() {
		carried, err := r.Receivers[g.To()].carried(ctx, g)
		if err == nil && carried.Equal(m.token) {
			err = fmt.Errorf("secret %s/%s carries the token: take it back first", g.Consumer.Namespace, g.Secret)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", g, err)
		}
	}
	return nil
}

// minted is the token that the rotation brings.
func (r Rotation) minted(ctx context.Context) (creds.Token, error) {
	m, there, err := r.From.token(ctx, r.TokenSecret(r.Generation))
	if err == nil && (!there || m.token.IsZero()) {
		err = errors.New("its token was not minted")
	}
	return m.token, err
}

// earlier is the newest older token that every API server takes; zero: there is no older one, as before the first generation, or
// all are marked invalid. Where those that are not marked are refused too, nobody is to go back to them.
func (r Rotation) earlier(ctx context.Context) (creds.Token, error) {
	old, err := r.From.older(ctx, r.Generation)
	if err != nil {
		return creds.Token{}, err
	}
	refused := ""
	for _, m := range slices.Backward(old) {
		if m.invalid || m.token.IsZero() {
			continue
		}
		why, err := r.From.accepted(ctx, m.token)
		if err != nil || why == "" {
			return m.token, err
		}
		refused = fmt.Sprintf("token of %s: %s", m.name, why)
	}
	if refused != "" {
		return creds.Token{}, fmt.Errorf("no older token is taken: %s: rotate to generation %d", refused, r.Generation+1)
	}
	return creds.Token{}, nil
}

// secrets are the copies that a token makes, in the order of the grants. There are none while one of them would not work.
func (r Rotation) secrets(ctx context.Context, token creds.Token) ([]creds.Secret, error) {
	var secrets []creds.Secret
	var errs []error
	for _, g := range r.Sorted() {
		export, err := r.From.Export(ctx, g.Secret, creds.ExecCredential{Token: token}, r.Receivers[g.To()])
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", g, err))
		}
		secrets = append(secrets, export.Kubemcsa())
	}
	return secrets, errors.Join(errs...)
}

// imports binds only when every export is without fault: nothing is written to one site while another's would not work.
func (r Rotation) imports(ctx context.Context) ([]geored.Task, error) {
	token, err := r.minted(ctx)
	if err != nil {
		return nil, err
	}
	wanted, err := r.secrets(ctx, token)
	var tasks []geored.Task
	for i, step := range r.Steps(creds.Import) {
		g := r.Sorted()[i]
		if strange := r.Receivers[g.To()].heeds(ctx, g); strange != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", g, strange))
		}
		tasks = append(tasks, copyTask(step, r.Receivers[g.To()], g, wanted[i]))
	}
	return tasks, err
}

// stays are the steps of a phase that is not taken back: that needs no token.
func (r Rotation) stays(phase creds.Phase) func(context.Context) ([]geored.Task, error) {
	return func(context.Context) ([]geored.Task, error) {
		var tasks []geored.Task
		for _, step := range r.Steps(phase) {
			tasks = append(tasks, geored.Task{Step: step})
		}
		return tasks, nil
	}
}

// importsBack brings the copies and their consumers back to the older token, where one is still taken. Else it takes the
// copies away and needs no token: what is taken back may be of one that nobody takes any more.
func (r Rotation) importsBack(ctx context.Context) ([]geored.Task, error) {
	token, err := r.earlier(ctx)
	if err != nil {
		return nil, err
	}
	var secrets []creds.Secret
	if !token.IsZero() {
		if secrets, err = r.secrets(ctx, token); err != nil {
			return nil, err
		}
	}
	var tasks []geored.Task
	for i, step := range r.Steps(creds.Import) {
		g := r.Sorted()[i]
		if token.IsZero() {
			tasks = append(tasks, r.Receivers[g.To()].discardTask(step, g))
		} else {
			tasks = append(tasks, r.Receivers[g.To()].returnTask(step, g, secrets[i]))
		}
	}
	return tasks, nil
}

func copyTask(step geored.Step, receiver Receiver, g creds.Grant, wanted creds.Secret) geored.Task {
	return geored.Task{Step: step,
		Observe: func(ctx context.Context) (geored.State, error) {
			why, err := receiver.drift(ctx, g.Consumer.Namespace, wanted)
			return geored.State{Done: err == nil && why == "", Detail: orElse(why, "carries token "+wanted.Data[creds.KeyToken].Digest())}, err
		},
		Apply: func(ctx context.Context) error { return receiver.write(ctx, g, wanted) },
	}
}

func (r Rotation) reloads(ctx context.Context) ([]geored.Task, error) {
	token, err := r.minted(ctx)
	if err != nil {
		return nil, err
	}
	wanted, err := r.secrets(ctx, token)
	if err != nil {
		return nil, err
	}
	var tasks []geored.Task
	for i, step := range r.Steps(creds.Reload) {
		g, digest := r.Sorted()[i], wanted[i].Digest()
		receiver := r.Receivers[g.To()]
		tasks = append(tasks, geored.Task{Step: step,
			Observe: func(ctx context.Context) (geored.State, error) { return receiver.reloaded(ctx, g, digest) },
			Apply:   func(ctx context.Context) error { return receiver.reload(ctx, g, digest) },
		})
	}
	return tasks, nil
}

// refuse ends when no API server takes an older token any more, while every one takes the new: a server that refuses
// everybody proves nothing.
func (r Rotation) refuse(ctx context.Context) ([]geored.Task, error) {
	if tooOld, err := r.From.heedsNoMarks(ctx); err != nil || tooOld != "" {
		return nil, cmp.Or(err, errors.New(tooOld))
	}
	return []geored.Task{{Step: r.Steps(creds.Refuse)[0], Observe: r.observeRefusal, Apply: func(ctx context.Context) error {
		token, err := r.minted(ctx)
		if err != nil {
			return err
		}
		if why, err := r.From.accepted(ctx, token); err != nil || why != "" { // the older ones are what still works
			return geored.Retriable(cmp.Or(err, fmt.Errorf("the new token does not work: %s", why)))
		}
		old, err := r.From.older(ctx, r.Generation)
		for _, m := range old {
			if err == nil && !m.invalid {
				err = r.From.invalidate(ctx, m.name)
			}
		}
		return err
	}}}, nil
}

func (r Rotation) observeRefusal(ctx context.Context) (geored.State, error) {
	old, err := r.From.older(ctx, r.Generation)
	if err != nil {
		return geored.State{}, err
	}
	if len(old) == 0 {
		return geored.State{Done: true, Detail: "there is no older token"}, nil
	}
	token, err := r.minted(ctx)
	if err != nil {
		return geored.State{}, err
	}
	if why, err := r.From.accepted(ctx, token); err != nil || why != "" {
		return geored.State{Detail: "the new token does not work: " + why}, err
	}
	for _, m := range old {
		if !m.invalid {
			return geored.State{Detail: "secret " + m.name + " is not marked invalid"}, nil
		}
		if m.token.IsZero() {
			continue // it was never filled: there is nothing to be refused
		}
		if why, err := r.From.refused(ctx, m.token); err != nil || why != "" {
			return geored.State{Detail: "token of " + m.name + ": " + why}, err
		}
	}
	return geored.State{Done: true, Detail: fmt.Sprintf("every API server refuses %d older tokens and takes the new one", len(old))}, nil
}

// heedsNoMarks says why the source may pay no heed to the mark of invalidity: its version is too old. Zero: it heeds it.
func (s Source) heedsNoMarks(ctx context.Context) (string, error) {
	text, err := s.Cluster.Client().Discovery().RESTClient().Get().AbsPath("/version").Do(ctx).Raw()
	if err != nil {
		return "", fmt.Errorf("the version of the API server: %w", err)
	}
	var found version.Info
	if err := json.Unmarshal(text, &found); err != nil {
		return "", fmt.Errorf("the version of the API server: %w", err)
	}
	minor, err := strconv.Atoi(strings.TrimRight(found.Minor, "+"))
	if err != nil || found.Major == "1" && minor < 29 {
		return fmt.Sprintf("the API server is %s, which may pay no heed to the label %s: delete the older token secrets by hand", found.GitVersion, InvalidSince), nil
	}
	return "", nil
}

func (r Rotation) discards(context.Context) ([]geored.Task, error) {
	return []geored.Task{{Step: r.Steps(creds.Discard)[0],
		Observe: func(ctx context.Context) (geored.State, error) {
			old, err := r.From.older(ctx, r.Generation)
			return geored.State{Done: err == nil && len(old) == 0, Detail: fmt.Sprintf("%d older token secrets are there", len(old))}, err
		},
		Apply: func(ctx context.Context) error {
			old, err := r.From.older(ctx, r.Generation)
			for _, m := range old {
				if err == nil && !m.invalid {
					err = fmt.Errorf("secret %s was not proven to be refused", m.name)
				}
				if err == nil {
					err = r.From.discard(ctx, m.name)
				}
			}
			return err
		},
	}}, nil
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
