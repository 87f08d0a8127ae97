package kube_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"testing"

	credskube "github.com/georedkit/georedkit/creds/kube"
	"github.com/georedkit/georedkit/creds/serving"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
)

// answer says whether a question of the world is answered.
func (w *world) answer(question string) error {
	if answers := w.answers.Load(); answers != nil {
		return answers.Answer(question)
	}
	return nil
}

// silent lets a single API server of a site go without an answer.
func (w *world) silent(site geored.SiteName, dial serving.Dial) serving.Dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if err := w.answer(fmt.Sprintf("%s: connect to %s", site, address)); err != nil {
			return nil, err
		}
		return dial(ctx, network, address)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// recorded lets requests to a site's API servers go without an answer.
func (w *world) recorded(site geored.SiteName) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(r *http.Request) (*http.Response, error) {
			if err := w.answer(fmt.Sprintf("%s: %s %s", site, r.Method, r.URL.Path)); err != nil {
				return nil, err
			}
			return next.RoundTrip(r)
		})
	}
}

// With any answer of any API server removed, no check passes.
func TestHonesty(t *testing.T) {
	w := newWorld(t, 2)
	w.install()
	for _, id := range []geored.CheckID{credskube.CheckCopies, credskube.CheckServer, credskube.CheckAccepted, credskube.CheckPrivilege} {
		t.Run(string(id), func(t *testing.T) {
			geotest.Honest(t, id, func(answers *geotest.Recorded) []geored.Check {
				w.answers.Store(answers)
				return w.proof().Checks()
			})
		})
	}
}
