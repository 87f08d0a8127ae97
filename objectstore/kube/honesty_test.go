package kube

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
)

// answering is a cluster whose API gives what is on file, unless the answer was taken away.
type answering struct {
	site   geored.SiteName
	client kubernetes.Interface
}

func (a answering) Site() geored.SiteName        { return a.site }
func (a answering) Client() kubernetes.Interface { return a.client }

const (
	deployment = `{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"mirror"},"spec":{"replicas":1,"selector":{"matchLabels":{"app":"mirror"}},"template":{}},
"status":{"replicas":1,"updatedReplicas":1,"availableReplicas":1}}`
	pods = `{"kind":"PodList","apiVersion":"v1","items":[{"metadata":{"name":"mirror-1"},"status":{"conditions":[{"type":"Ready","status":"True"}],
"containerStatuses":[{"name":"mc","restartCount":0,"state":{"running":{"startedAt":"2026-03-14T09:26:53Z"}}}]}}]}`
)

// With any answer of any API server removed, the mirrors do not pass.
func TestHonesty(t *testing.T) {
	geotest.Honest(t, CheckPods, func(answers *geotest.Recorded) []geored.Check {
		m := Mirrors{Namespace: "ice", Deployment: "mirror"}
		for _, site := range []geored.SiteName{"dc1", "dc2"} {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body := pods
				w.Header().Set("Content-Type", "application/json")
				if strings.Contains(r.URL.Path, "/deployments/") {
					body = deployment
				}
				if err := answers.Answer(fmt.Sprintf("%s: %s", site, r.URL.Path)); err != nil {
					w.WriteHeader(http.StatusForbidden)
					body = `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403}`
				}
				_, _ = w.Write([]byte(body))
			}))
			t.Cleanup(server.Close)
			client, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}})
			if err != nil {
				t.Fatal(err)
			}
			m.Clusters = append(m.Clusters, answering{site, client})
		}
		return []geored.Check{m.Check()}
	})
}
