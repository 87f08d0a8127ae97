package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/georedkit/georedkit/creds"
)

// InvalidSince is the label that takes a token Secret out of use while it can still be read (Kubernetes 1.29 and later,
// pkg/serviceaccount/legacy.go).
const InvalidSince = "kubernetes.io/legacy-token-invalid-since"

// minted is a token Secret of the account.
type minted struct {
	generation int
	name       string
	token      creds.Token
	invalid    bool
}

// tokens are the account's token Secrets that rotations made, oldest first. Others are left alone.
func (s Source) tokens(ctx context.Context) ([]minted, error) {
	list, err := s.Cluster.Client().CoreV1().Secrets(s.Account.Namespace).List(ctx, metav1.ListOptions{FieldSelector: "type=" + string(corev1.SecretTypeServiceAccountToken)})
	if err != nil {
		return nil, fmt.Errorf("token secrets of %s: %w", s.Account, err)
	}
	var found []minted
	for _, secret := range list.Items {
		number, ours := strings.CutPrefix(secret.Name, s.Account.Name+"-token-")
		generation, err := strconv.Atoi(number)
		if !ours || err != nil || generation < 1 || secret.Annotations[corev1.ServiceAccountNameKey] != s.Account.Name {
			continue
		}
		m := minted{generation: generation, name: secret.Name, invalid: secret.Labels[InvalidSince] != ""}
		if text := secret.Data[corev1.ServiceAccountTokenKey]; len(text) > 0 {
			if m.token, err = creds.ParseToken(string(text)); err != nil {
				return nil, fmt.Errorf("secret %s/%s: %w", s.Account.Namespace, secret.Name, err)
			}
		}
		found = append(found, m)
	}
	slices.SortFunc(found, func(a, b minted) int { return a.generation - b.generation })
	return found, nil
}

// Generation is the newest generation of tokens that there is; 0 when there is none. A rotation goes to the next one, and
// an interrupted rotation goes on with its own.
func (s Source) Generation(ctx context.Context) (int, error) {
	all, err := s.tokens(ctx)
	if err != nil || len(all) == 0 {
		return 0, err
	}
	return all[len(all)-1].generation, nil
}

func (s Source) token(ctx context.Context, name string) (minted, bool, error) {
	all, err := s.tokens(ctx)
	i := slices.IndexFunc(all, func(m minted) bool { return m.name == name })
	if i < 0 {
		return minted{}, false, err
	}
	return all[i], true, err
}

// older are the token Secrets before a generation.
func (s Source) older(ctx context.Context, generation int) ([]minted, error) {
	all, err := s.tokens(ctx)
	return slices.DeleteFunc(all, func(m minted) bool { return m.generation >= generation }), err
}

func (s Source) create(ctx context.Context, name string) error {
	secret := &corev1.Secret{Type: corev1.SecretTypeServiceAccountToken, ObjectMeta: metav1.ObjectMeta{Namespace: s.Account.Namespace, Name: name,
		Annotations: map[string]string{corev1.ServiceAccountNameKey: s.Account.Name}}}
	_, err := s.Cluster.Client().CoreV1().Secrets(s.Account.Namespace).Create(ctx, secret, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil // it waits to be filled
	}
	return err
}

func (s Source) invalidate(ctx context.Context, name string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": map[string]string{InvalidSince: s.clock().Now().UTC().Format("2006-01-02")}}})
	if err != nil {
		return err
	}
	_, err = s.Cluster.Client().CoreV1().Secrets(s.Account.Namespace).Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
	return err
}

func (s Source) discard(ctx context.Context, name string) error {
	err := s.Cluster.Client().CoreV1().Secrets(s.Account.Namespace).Delete(ctx, name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
