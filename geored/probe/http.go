package probe

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"time"
)

// HTTP asks for a URL. Redirects are not followed, proxies not used.
type HTTP struct {
	URL      string        `json:"url"`
	Insecure bool          `json:"insecure,omitempty"` // take any certificate: for reachability, never for trust
	Timeout  time.Duration `json:"timeout,omitempty"`  // zero: 5 s
}

// HTTPAnswer is a response, whatever its status.
type HTTPAnswer struct {
	Status int           `json:"status"`
	Body   string        `json:"body,omitempty"` // its first 4 KiB
	Took   time.Duration `json:"took"`
}

func (HTTP) question() string { return "http" }

func (q HTTP) answer(ctx context.Context) (HTTPAnswer, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, timeoutOr(q.Timeout, 5*time.Second))
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, q.URL, nil)
	if err != nil {
		return HTTPAnswer{}, err
	}
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: q.Insecure}}, //nolint:gosec // asked for
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return HTTPAnswer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4<<10))
	if err != nil {
		return HTTPAnswer{}, err
	}
	return HTTPAnswer{response.StatusCode, string(body), time.Since(began)}, nil
}
