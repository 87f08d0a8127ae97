package kube_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/creds"
	"github.com/georedkit/georedkit/creds/credstest"
	"github.com/georedkit/georedkit/geored"
)

// undo takes back what a journal says of the stages.
func (w *world) undo(stages []geored.Stage) error {
	w.Helper()
	result, err := geored.Runbook{Name: "test", Stages: stages}.Undo(w.Context(), geored.RunConfig{Clock: w.clock, Journal: w.journal, StepTimeout: w.patience, Poll: 20 * time.Second})
	w.hides(fmt.Sprintf("%+v %v", result, err))
	return err
}

// copied is dc2's copy of dc1's export.
func (w *world) copied() *corev1.Secret {
	w.Helper()
	live, err := w.receivers["dc2"].Cluster.Client().CoreV1().Secrets("kube-system").Get(w.Context(), "dc1", metav1.GetOptions{})
	if err != nil {
		w.Fatal(err)
	}
	return live
}

// mark is what the consumer in dc2 was started with.
func (w *world) mark() string {
	w.Helper()
	d, err := w.receivers["dc2"].Cluster.Client().AppsV1().Deployments("kube-system").Get(w.Context(), "coredns", metav1.GetOptions{})
	if err != nil {
		w.Fatal(err)
	}
	return d.Spec.Template.Annotations["creds.georedkit.io/dc1"]
}

func (w *world) stages(generation int) []geored.Stage {
	w.Helper()
	stages, err := w.rotation("dc1", generation).Stages()
	if err != nil {
		w.Fatal(err)
	}
	return stages
}

// A rotation that is taken back leaves the consumers with the token that they had, and restarted with it.
func TestARotationThatIsTakenBackLeavesNobodyWithout(t *testing.T) {
	w := newWorld(t, 2)
	w.install()
	old, before := string(w.copied().Data["token"]), w.mark()
	w.journal = &geored.MemoryJournal{}
	stages := w.stages(2)
	if text, err := w.run(stages[:3]); err != nil { // nobody refuses the old one yet
		t.Fatalf("%v\n%s", err, text)
	}
	second := w.token("dc1", 2)
	if string(w.copied().Data["token"]) == old || w.mark() == before {
		t.Fatal("the rotation changed nothing")
	}
	if err := w.undo(stages); err != nil {
		t.Fatal(err)
	}
	if string(w.copied().Data["token"]) != old || w.mark() != before {
		t.Errorf("the copy is not the old one, or the consumer was started with %s, not %s", w.mark(), before)
	}
	if got := w.receptions("dc1", second); got != "false false silent 0" {
		t.Errorf("the new token: %s", got)
	}
	if r := w.prove(); r.Verdict() != geored.Pass {
		t.Error(r)
	}
}

// Nobody is taken back to a token that no API server takes.
func TestNobodyGoesBackToARefusedToken(t *testing.T) {
	w := newWorld(t, 2)
	w.install()
	w.journal = &geored.MemoryJournal{}
	stages := w.stages(2)
	if text, err := w.run(stages[:3]); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	carried := string(w.copied().Data["token"])
	w.clusters["dc1"].Break(credstest.Refused()) // as when the keys that sign tokens were replaced
	if err := w.undo(stages); err == nil || !strings.Contains(err.Error(), "no older token is taken: token of coredns-token-1") || string(w.copied().Data["token"]) != carried {
		t.Error(err)
	}
}

// A copy of ours that lost a key is ours still.
func TestAnOwnCopyIsMended(t *testing.T) {
	for _, key := range creds.Keys() {
		w := newWorld(t, 2)
		w.install()
		live := w.copied()
		live.Data[key] = []byte("x")
		if _, err := w.receivers["dc2"].Cluster.Client().CoreV1().Secrets("kube-system").Update(t.Context(), live, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		if text, err := w.rotate("dc1", 1); err != nil || string(w.copied().Data[key]) == "x" {
			t.Errorf("%s: %v\n%s", key, err, text)
		}
	}
}

// A token is not revoked while somebody's copy carries it.
func TestATokenInUseIsNotTakenBack(t *testing.T) {
	w := newWorld(t, 2)
	if text, err := w.run(w.stages(1)[:1]); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	mine := w.journal
	w.journal = &geored.MemoryJournal{}
	w.install() // by another run
	w.journal, w.patience = mine, time.Hour
	token := w.token("dc1", 1)
	if err := w.undo(w.stages(1)); err == nil || !strings.Contains(err.Error(), "secret kube-system/dc1 carries the token: take it back first") {
		t.Error(err)
	}
	if got := w.receptions("dc1", token); got != "true true silent 0" {
		t.Errorf("the token: %s", got)
	}
}

// A consumer is restarted for whatever changes in what it reads, not for a new token alone.
func TestAnotherServerRestartsTheConsumer(t *testing.T) {
	w := newWorld(t, 2)
	w.install()
	before := w.mark()
	source := w.sources["dc1"]
	source.Server += "/"
	w.sources["dc1"] = source
	if text, err := w.rotate("dc1", 1); err != nil || !strings.Contains(text, "reload/dc2/coredns changed") {
		t.Errorf("%v\n%s", err, text)
	}
	if w.mark() == before {
		t.Error("it runs with the old address")
	}
}

// What is somebody else's is left, and nothing is written anywhere.
func TestSomebodyElsesSecretIsLeft(t *testing.T) {
	for name, c := range map[string]struct {
		data func(*world) map[string][]byte
		says string // nothing: it is written
	}{
		"empty":        {func(*world) map[string][]byte { return nil }, ""},
		"a broken one": {func(*world) map[string][]byte { return map[string][]byte{"token": []byte("x")} }, ""},
		"and something else": {func(*world) map[string][]byte {
			return map[string][]byte{"token": []byte("x"), "password": []byte("x")}
		}, "holds something that is no export"},
		"something else": {func(*world) map[string][]byte { return map[string][]byte{"password": []byte("x")} }, "holds something that is no export"},
		"another account's": {func(w *world) map[string][]byte {
			source := w.sources["dc1"]
			source.Account = creds.Account{Namespace: "kube-system", Name: "scraper"}
			w.clusters["dc1"].Account(source.Account)
			got, err := source.Request(w.Context(), time.Hour, "")
			if err != nil {
				w.Fatal(err)
			}
			w.secrets = append(w.secrets, got.Token.Reveal())
			export := creds.Export{Name: "dc1", Server: "https://x", CA: []byte("x"), Account: source.Account, Token: got.Token}.Kubemcsa()
			data := map[string][]byte{}
			for key, value := range export.Data {
				data[key] = []byte(value.Reveal())
			}
			return data
		}, "carries kube-system/scraper, not kube-system/coredns"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 3)
			secrets := w.receivers["dc2"].Cluster.Client().CoreV1().Secrets("kube-system")
			data := c.data(w)
			if _, err := secrets.Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "dc1"}, Type: corev1.SecretTypeOpaque, Data: data}, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			_, err := w.rotate("dc1", 1)
			if c.says == "" {
				if err != nil || len(w.copied().Data) != len(creds.Keys()) {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), "secret kube-system/dc1 "+c.says) || fmt.Sprint(w.copied().Data) != fmt.Sprint(data) {
				t.Errorf("%v", err)
			}
			if copies, err := w.receivers["dc3"].Copies(t.Context(), "kube-system"); err != nil || len(copies) > 0 {
				t.Errorf("dc3 has %v, %v", copies, err)
			}
		})
	}
}
