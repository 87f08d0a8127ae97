package kube

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/creds"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

const (
	fieldManager = kube.FieldManager
	managedBy    = "app.kubernetes.io/managed-by"
)

// drift says how a site's copy differs from what it should be; nothing when it does not.
func (r Receiver) drift(ctx context.Context, namespace string, wanted creds.Secret) (string, error) {
	live, err := r.Cluster.Client().CoreV1().Secrets(namespace).Get(ctx, wanted.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return "is not there", nil
	}
	if err != nil {
		return "", err
	}
	if live.DeletionTimestamp != nil {
		return "is being deleted", nil
	}
	if live.Type != corev1.SecretTypeOpaque {
		return "is of type " + string(live.Type), nil
	}
	for _, key := range creds.Keys() {
		if live.Data[key] == nil {
			return "has no " + key, nil
		}
		if !bytes.Equal(live.Data[key], []byte(wanted.Data[key].Reveal())) {
			return "has another " + key, nil
		}
	}
	if len(live.Data) != len(wanted.Data) {
		return "has keys that are not ours", nil
	}
	return "", nil
}

// write makes a site's copy what it should be, other keys taken away. A Secret that is somebody else's is left, and is an error.
func (r Receiver) write(ctx context.Context, g creds.Grant, wanted creds.Secret) error {
	data := map[string][]byte{}
	for key, value := range wanted.Data {
		data[key] = []byte(value.Reveal())
	}
	labels := map[string]string{managedBy: fieldManager}
	secrets := r.Cluster.Client().CoreV1().Secrets(g.Consumer.Namespace)
	live, err := secrets.Get(ctx, wanted.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		fresh := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: g.Consumer.Namespace, Name: wanted.Name, Labels: labels}, Type: corev1.SecretTypeOpaque, Data: data}
		_, err = secrets.Create(ctx, fresh, metav1.CreateOptions{FieldManager: fieldManager})
	case err != nil:
	default:
		if strange := foreign(*live, g.Account); strange != "" {
			return errors.New(strange)
		}
		if live.Labels == nil {
			live.Labels = map[string]string{}
		}
		maps.Copy(live.Labels, labels)
		live.Data = data
		_, err = secrets.Update(ctx, live, metav1.UpdateOptions{FieldManager: fieldManager})
	}
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
		return geored.Retriable(err) // somebody else wrote it meanwhile: look again
	}
	return err
}

// foreign says why a Secret is not to be overwritten with an export of an account; nothing when it is one already, or was
// meant to be.
func foreign(live corev1.Secret, account creds.Account) string {
	e, _ := secretOf(live).Export() // what can be read of it is enough
	claims, unread := e.Token.Claims()
	strange := func(key string) bool { return !slices.Contains(creds.Keys(), key) }
	switch {
	case live.Type != corev1.SecretTypeOpaque:
		return fmt.Sprintf("is of type %s, which cannot be changed: delete it if nobody needs it", live.Type)
	case unread == nil && claims.Account != (creds.Account{}) && claims.Account != account:
		return fmt.Sprintf("carries %s, not %s: it is somebody else's; give the grant another Secret, or delete this one if nobody needs it", claims.Account, account)
	case live.Labels[managedBy] != fieldManager && slices.ContainsFunc(slices.Collect(maps.Keys(live.Data)), strange):
		return "holds something that is no export: give the grant another Secret, or delete this one if nobody needs it"
	}
	return ""
}

// heeds gives the error of a copy that must not be written.
func (r Receiver) heeds(ctx context.Context, g creds.Grant) error {
	live, err := r.Cluster.Client().CoreV1().Secrets(g.Consumer.Namespace).Get(ctx, g.Secret, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if strange := foreign(*live, g.Account); strange != "" {
		return fmt.Errorf("secret %s/%s %s", g.Consumer.Namespace, g.Secret, strange)
	}
	return nil
}

// discardTask takes a site's copy back. One that was there before, or that carries another account by now, is left, and is
// an error.
func (r Receiver) discardTask(step geored.Step, g creds.Grant) geored.Task {
	object := &kube.Object{Object: map[string]any{"apiVersion": "v1", "kind": "Secret"}}
	object.SetNamespace(g.Consumer.Namespace)
	object.SetName(g.Secret)
	return geored.Task{Step: step,
		Observe: func(ctx context.Context) (geored.State, error) {
			_, there, err := r.Cluster.Live(ctx, object)
			return geored.State{Done: there}, err
		},
		Undo: func(ctx context.Context) error {
			if err := r.isOf(ctx, g); err != nil {
				return err
			}
			return r.Cluster.TakeBack(ctx, object)
		},
		Gone: func(ctx context.Context) (geored.State, error) { return r.Cluster.Gone(ctx, object) },
	}
}

// isOf is an error for a copy that carries another account by now, or cannot be read.
func (r Receiver) isOf(ctx context.Context, g creds.Grant) error {
	e, there, err := r.read(ctx, g.Consumer.Namespace, g.Secret)
	if there && err == nil && e.Account != g.Account {
		err = fmt.Errorf("secret %s/%s: carries %s, not %s: it is somebody else's by now", g.Consumer.Namespace, g.Secret, e.Account, g.Account)
	}
	return err
}

// returnTask brings a site back to the earlier token, around the server and the authority of now, and its consumer with it; also
// where the site had no copy before.
func (r Receiver) returnTask(step geored.Step, g creds.Grant, earlier creds.Secret) geored.Task {
	return geored.Task{Step: step,
		Observe: func(ctx context.Context) (geored.State, error) {
			why, err := r.drift(ctx, g.Consumer.Namespace, earlier)
			return geored.State{Done: why != "", Detail: why}, err
		},
		Undo: func(ctx context.Context) error {
			if err := r.isOf(ctx, g); err != nil {
				return err
			}
			if err := r.write(ctx, g, earlier); err != nil {
				return err
			}
			if state, err := r.returned(ctx, g, earlier); err != nil || state.Done {
				return err
			}
			return r.reload(ctx, g, earlier.Digest())
		},
		Gone: func(ctx context.Context) (geored.State, error) {
			why, err := r.drift(ctx, g.Consumer.Namespace, earlier)
			if err != nil || why != "" {
				return geored.State{Detail: why}, err
			}
			return r.returned(ctx, g, earlier)
		},
	}
}

// returned says whether the consumer reads the earlier export; one that is gone reads nothing.
func (r Receiver) returned(ctx context.Context, g creds.Grant, earlier creds.Secret) (geored.State, error) {
	state, err := r.reloaded(ctx, g, earlier.Digest())
	if apierrors.IsNotFound(err) {
		return geored.State{Done: true, Detail: g.Consumer.Workload + " is not there"}, nil
	}
	return state, err
}

// read is the export that a site's copy carries, and false when there is none.
func (r Receiver) read(ctx context.Context, namespace, name string) (creds.Export, bool, error) {
	live, err := r.Cluster.Client().CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return creds.Export{}, false, nil
	}
	if err != nil {
		return creds.Export{}, false, err
	}
	e, err := secretOf(*live).Export()
	return e, true, err
}

// carried is the token in a site's copy, also in one that cannot be read otherwise; zero: there is none.
func (r Receiver) carried(ctx context.Context, g creds.Grant) (creds.Token, error) {
	live, err := r.Cluster.Client().CoreV1().Secrets(g.Consumer.Namespace).Get(ctx, g.Secret, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return creds.Token{}, nil
	}
	if err != nil {
		return creds.Token{}, err
	}
	e, _ := secretOf(*live).Export()
	return e.Token, nil
}

func secretOf(live corev1.Secret) creds.Secret {
	s := creds.Secret{Name: live.Name, Namespace: live.Namespace, Type: string(live.Type), Data: map[string]creds.Document{}}
	for key, value := range live.Data {
		s.Data[key] = creds.NewDocument(string(value))
	}
	return s
}

// Copies are the Secrets in some namespaces of a site that carry an export of anybody, for creds.Surplus; "" is all
// namespaces.
func (r Receiver) Copies(ctx context.Context, namespaces ...string) ([]creds.Copy, error) {
	var copies []creds.Copy
	for _, namespace := range namespaces {
		list, err := r.Cluster.Client().CoreV1().Secrets(namespace).List(ctx, metav1.ListOptions{FieldSelector: "type=" + string(corev1.SecretTypeOpaque)})
		if err != nil {
			return copies, fmt.Errorf("secrets in namespace %s: %w", namespace, err)
		}
		for _, secret := range list.Items {
			if len(secret.Data[creds.KeyConfig]) == 0 || len(secret.Data[creds.KeyToken]) == 0 || secret.Type != corev1.SecretTypeOpaque {
				continue
			}
			e, _ := secretOf(secret).Export() // what can be read of it is enough
			copies = append(copies, creds.Copy{Site: r.Cluster.Site(), Namespace: secret.Namespace, Name: secret.Name, Account: e.Account})
		}
	}
	return copies, nil
}
