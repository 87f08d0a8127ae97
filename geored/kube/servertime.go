package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"k8s.io/client-go/discovery"
)

// ServerTimePrecision is by how much [Cluster.ServerTime] may be wrong besides the time that the answer took.
const ServerTimePrecision = time.Second / 2

// ServerTime is the time of the API server that answers: tokens, certificates and leases are judged by its clock, which
// need not be that of any node that pods run on. The Date of an answer names the second, of which this is the middle. A
// proxy in between that answers in its own name may write its own.
func (c *Cluster) ServerTime(ctx context.Context) (time.Time, error) {
	var date string
	config := c.Config()
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(r *http.Request) (*http.Response, error) {
			response, err := next.RoundTrip(r)
			if err == nil {
				date = response.Header.Get("Date")
			}
			return response, err
		})
	})
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return time.Time{}, err
	}
	if err := client.RESTClient().Get().AbsPath("/version").Do(ctx).Error(); err != nil {
		return time.Time{}, err
	}
	if date == "" {
		return time.Time{}, errors.New("the API server does not tell its time")
	}
	second, err := http.ParseTime(date)
	if err != nil {
		return time.Time{}, fmt.Errorf("the API server's time: %w", err)
	}
	return second.Add(ServerTimePrecision), nil
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
