//go:build lab

package kube_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/georedkit/georedkit/creds"
	credskube "github.com/georedkit/georedkit/creds/kube"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/internal/laboratory/labtest"
)

// second is the address of dc1's second API server.
const second = "10.99.1.101:6443"

// minted is a token Secret of an account that every API server of dc1 knows, and none was shown.
func (p *pair) minted(account creds.Account, generation int) (name string, token creds.Token) {
	p.t.Helper()
	name = fmt.Sprintf("%s-token-%d", account.Name, generation)
	secrets := p.source.Client().CoreV1().Secrets(account.Namespace)
	_, err := secrets.Create(p.t.Context(), &corev1.Secret{Type: corev1.SecretTypeServiceAccountToken, ObjectMeta: metav1.ObjectMeta{Namespace: account.Namespace, Name: name,
		Annotations: map[string]string{corev1.ServiceAccountNameKey: account.Name}}}, metav1.CreateOptions{})
	p.must(err)
	labtest.Until(p.t, "a token in secret "+name, func() error {
		secret, err := secrets.Get(p.t.Context(), name, metav1.GetOptions{})
		if err == nil && len(secret.Data["token"]) == 0 {
			err = labtest.ErrNotYet
		}
		return err
	})
	return name, p.token(account, generation)
}

// showTo has one API server of dc1 take a token, which it then remembers.
func (p *pair) showTo(address string, token creds.Token) {
	p.t.Helper()
	config := p.admin("dc1")
	config.Host, config.Dial, config.TLSClientConfig.ServerName = "https://"+address, p.inside, "kubernetes.default.svc"
	config.BearerToken, config.CertData, config.KeyData = token.Reveal(), nil, nil
	client, err := kubernetes.NewForConfig(config)
	p.must(err)
	if _, err := client.CoreV1().Services(metav1.NamespaceAll).List(p.t.Context(), metav1.ListOptions{Limit: 1}); err != nil {
		p.t.Fatalf("%s: %v", address, err)
	}
}

// received says of each API server whether it takes a token, and names those that were silent.
func (p *pair) received(source credskube.Source, token creds.Token) (taken, refused, silent []string) {
	p.t.Helper()
	answers, err := source.Receive(p.t.Context(), token)
	p.must(err)
	for t, r := range answers.All() {
		if name := strings.TrimPrefix(t.Name, "apiserver "); r.Accepted {
			taken = append(taken, name)
		} else {
			refused = append(refused, name)
		}
	}
	for _, s := range answers.Unanswered() {
		silent = append(silent, strings.TrimPrefix(s.Target.Name, "apiserver "))
	}
	return taken, refused, silent
}

func (p *pair) there(account creds.Account, name string) bool {
	p.t.Helper()
	_, err := p.source.Client().CoreV1().Secrets(account.Namespace).Get(p.t.Context(), name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return false
	}
	p.must(err)
	return true
}

// mark takes a token Secret out of use, and waits until API servers know.
func (p *pair) mark(account creds.Account, name string) {
	p.t.Helper()
	patch := []byte(`{"metadata":{"labels":{"` + credskube.InvalidSince + `":"2026-01-01"}}}`)
	_, err := p.source.Client().CoreV1().Secrets(account.Namespace).Patch(p.t.Context(), name, types.MergePatchType, patch, metav1.PatchOptions{})
	p.must(err)
	time.Sleep(time.Second)
}

// Two real API servers of one site, each with a token cache of its own. One of them still takes from its cache what the
// other refuses: nothing is deleted until both refuse.
func TestATokenIsRevokedAtEveryAPIServer(t *testing.T) {
	p := sites(t)
	account := creds.Account{Namespace: "kube-system", Name: "revoked"}
	source := p.account(account, credskube.DNSRole())
	var name string
	var token creds.Token
	for generation := 1; ; generation++ {
		name, token = p.minted(account, generation)
		p.showTo(second, token)
		p.mark(account, name)
		taken, refused, silent := p.received(source, token)
		if slices.Equal(taken, []string{second}) && len(refused) == 1 && len(silent) == 0 {
			break
		}
		if generation == 3 { // on a busy machine its cache may have forgotten it meanwhile
			t.Fatalf("the fault does not bite: taken by %q, refused by %q, silent %q", taken, refused, silent)
		}
	}
	err := source.Revoke(t.Context(), name)
	if err == nil || !strings.Contains(err.Error(), "apiserver "+second+" still takes it") || !geored.IsRetriable(err) || !p.there(account, name) {
		t.Errorf("%v; the secret is there: %v", err, p.there(account, name))
	}
	labtest.Until(t, "the revocation", func() error { return source.Revoke(t.Context(), name) })
	taken, refused, silent := p.received(source, token)
	if p.there(account, name) || len(taken) > 0 || len(refused) != 2 || len(silent) > 0 {
		t.Errorf("taken by %q, refused by %q, silent %q", taken, refused, silent)
	}
}

// An API server that stands still may be one that takes the token: it is not known, and nothing is deleted.
func TestASilentAPIServerHoldsTheRevocationUp(t *testing.T) {
	p := sites(t)
	account := creds.Account{Namespace: "kube-system", Name: "held-up"}
	source := p.account(account, credskube.DNSRole())
	name, token := p.minted(account, 1)
	p.mark(account, name)
	labtest.Until(t, "both refuse it", func() error {
		if taken, refused, silent := p.received(source, token); len(refused) != 2 {
			return fmt.Errorf("taken by %q, refused by %q, silent %q", taken, refused, silent)
		}
		return nil
	})
	p.Fault("pause", "dc1", "kube-apiserver-2")
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second) // before its peer takes it for dead
	defer cancel()
	err := source.Revoke(ctx, name)
	if err == nil || !strings.Contains(err.Error(), "apiserver "+second+" did not answer") || strings.Contains(err.Error(), "still takes it") || !geored.IsRetriable(err) || !p.there(account, name) {
		t.Errorf("%v; the secret is there: %v", err, p.there(account, name))
	}
	p.Mend()
	labtest.Until(t, "the revocation", func() error { return source.Revoke(t.Context(), name) })
	var taken, refused []string
	labtest.Until(t, "a refusal by both, when its peer lists it again,", func() error {
		if taken, refused, _ = p.received(source, token); len(refused) != 2 {
			return labtest.ErrNotYet
		}
		return nil
	})
	if p.there(account, name) || len(taken) > 0 || len(refused) != 2 {
		t.Errorf("taken by %q, refused by %q", taken, refused)
	}
}

// To the clocks of the API servers a bound token's life is over: they refuse it, and that is found, although by this
// machine's clock it lives on.
func TestATokenWhoseLifeIsOverIsFound(t *testing.T) {
	p := sites(t)
	account := creds.Account{Namespace: "kube-system", Name: "short-lived"}
	source := p.account(account, credskube.DNSRole())
	grants, err := creds.Plan([]creds.Consumer{{Name: "short-lived", Site: "dc2", Namespace: "kube-system", Reading: creds.ReadsFile, MountPath: "/etc/dc1", Sources: []geored.SiteName{"dc1"}, Account: account}})
	p.must(err)
	task, err := credskube.Renewal{From: source, To: p.receiver, Grant: grants[0], Life: 10 * time.Minute}.Task()
	p.must(err)
	p.run(geored.StageOf("renew", task))
	defer func() { // another account's export is to have the name
		p.must(p.receiver.Cluster.Client().CoreV1().Secrets("kube-system").Delete(t.Context(), grants[0].Secret, metav1.DeleteOptions{}))
	}()
	proof := credskube.Proof{Grants: grants, Sources: []credskube.Source{source}, Receivers: map[geored.SiteName]credskube.Receiver{"dc2": p.receiver}}
	accepted := func() (verdict geored.Verdict, message string) {
		report, err := geored.Prove(t.Context(), geored.CheckConfig{}, proof.Checks()...)
		p.must(err)
		for _, f := range report.Findings {
			if f.Check == credskube.CheckAccepted {
				verdict, message = f.Verdict, f.Message
			}
		}
		return verdict, message
	}
	becomes := func(want geored.Verdict, words string) {
		t.Helper()
		labtest.Until(t, fmt.Sprintf("%s with %q", want, words), func() error { // they remember for a while what they took
			if verdict, message := accepted(); verdict != want || !strings.Contains(message, words) {
				return fmt.Errorf("%s: %s", verdict, message)
			}
			return nil
		})
	}
	becomes(geored.Pass, "")
	p.Fault("skew", "dc1", "kube-apiserver", "700")
	becomes(geored.Fail, "refuses the token")
	p.Mend()
	becomes(geored.Pass, "")
}
