package kube

import (
	"bytes"
	"context"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/creds"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

const fieldManager = kube.FieldManager

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

// write makes a site's copy what it should be, other keys taken away.
func (r Receiver) write(ctx context.Context, namespace string, wanted creds.Secret) error {
	data := map[string][]byte{}
	for key, value := range wanted.Data {
		data[key] = []byte(value.Reveal())
	}
	labels := map[string]string{"app.kubernetes.io/managed-by": fieldManager}
	secrets := r.Cluster.Client().CoreV1().Secrets(namespace)
	live, err := secrets.Get(ctx, wanted.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		fresh := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: wanted.Name, Labels: labels}, Type: corev1.SecretTypeOpaque, Data: data}
		_, err = secrets.Create(ctx, fresh, metav1.CreateOptions{FieldManager: fieldManager})
	case err != nil:
	case live.Type != corev1.SecretTypeOpaque:
		return fmt.Errorf("is of type %s, which cannot be changed: delete it if nobody needs it", live.Type)
	default:
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
			e, there, err := r.read(ctx, g.Consumer.Namespace, g.Secret)
			if there && err == nil && e.Account != g.Account {
				err = fmt.Errorf("secret %s/%s: carries %s, not %s: it is somebody else's by now", g.Consumer.Namespace, g.Secret, e.Account, g.Account)
			}
			if err != nil {
				return err
			}
			return r.Cluster.TakeBack(ctx, object)
		},
		Gone: func(ctx context.Context) (geored.State, error) { return r.Cluster.Gone(ctx, object) },
	}
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
