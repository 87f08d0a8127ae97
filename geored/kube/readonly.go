package kube

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"k8s.io/client-go/rest"
)

// ErrReadOnly says that a request was not sent, because its cluster was opened for reading: see [Cluster.ReadOnly].
var ErrReadOnly = errors.New("it was opened for reading only")

// ReadOnly is the same cluster through a client that cannot change it, whoever uses it and whatever its account may do. What
// would be a change is not sent, and is an error that wraps [ErrReadOnly]: every request but GET, HEAD and OPTIONS, dry runs
// too. Sent are besides: reviews of one's own permissions; programs executed in containers that reads knows to change
// nothing (nil: none), and port-forwards, because stores are read through them. What is said through a port-forward is for
// its client to answer for.
func (c *Cluster) ReadOnly(reads func(argv []string) bool) (*Cluster, error) {
	config := rest.CopyConfig(c.config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return reader{next, reads} })
	readOnly, err := New(c.site, config)
	if err != nil {
		return nil, err
	}
	readOnly.ref = c.ref
	return readOnly, nil
}

// reader passes on what reads.
type reader struct {
	next  http.RoundTripper
	reads func(argv []string) bool
}

func (r reader) RoundTrip(request *http.Request) (*http.Response, error) {
	if r.passes(request) {
		return r.next.RoundTrip(request)
	}
	if request.Body != nil {
		_ = request.Body.Close() // as a transport must
	}
	return nil, fmt.Errorf("%s %s was not sent: %w", request.Method, request.URL.Path, ErrReadOnly)
}

// WrappedRoundTripper lets client-go find the transport below.
func (r reader) WrappedRoundTripper() http.RoundTripper { return r.next }

func (r reader) passes(request *http.Request) bool {
	path := strings.Split(strings.Trim(request.URL.Path, "/"), "/")
	switch connection(path) {
	case "exec": // a WebSocket begins with GET
		return r.reads != nil && r.reads(request.URL.Query()["command"])
	case "portforward":
		return true
	case "attach", "proxy":
		return false
	}
	switch request.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return true
	case http.MethodPost:
		return isOwnReview(path)
	}
	return false
}

// connection is the way into a pod, a service or a node that a path leads to; "" when it leads to none.
func connection(path []string) string {
	for i := 0; i+2 < len(path); i++ {
		into := path[i+2]
		if slices.Contains([]string{"pods", "services", "nodes"}, path[i]) && slices.Contains([]string{"exec", "attach", "portforward", "proxy"}, into) {
			return into
		}
	}
	return ""
}

// isOwnReview says whether a request asks the API server about the asker: such objects are answered and not kept.
func isOwnReview(path []string) bool {
	if len(path) < 3 {
		return false
	}
	group, resource := path[len(path)-3], path[len(path)-1]
	return group == "authorization.k8s.io" && (resource == "selfsubjectaccessreviews" || resource == "selfsubjectrulesreviews") ||
		group == "authentication.k8s.io" && resource == "selfsubjectreviews"
}
