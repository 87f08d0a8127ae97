package connect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Config says how a worker's REST API is reached.
type Config struct {
	// URL is the base of the API, such as http://mm-dc1-mirrormaker2-api:8083. Required. Credentials do not belong here.
	URL string
	// HTTP makes the requests; certificates are its business. Zero: http.DefaultTransport, redirects not followed.
	HTTP *http.Client
	// Authorize adds what the server asks for, such as basic authentication. Zero: nothing.
	Authorize func(*http.Request)
	// Timeout is for one request. Zero: 10 seconds.
	Timeout time.Duration
}

// Client speaks to one Connect worker. It is safe for concurrent use.
type Client struct {
	base      *url.URL
	http      *http.Client
	authorize func(*http.Request)
	timeout   time.Duration
}

// maxBody bounds an answer; the offsets of 100,000 partitions fit.
const maxBody = 64 << 20

// New makes a client and connects to nothing. The error says what is wrong with the URL.
func New(c Config) (*Client, error) {
	base, err := url.Parse(c.URL)
	switch {
	case err != nil:
		return nil, errors.New("connect URL: is not a URL; write http://host:port") // the cause would repeat what may be a password
	case base.Scheme != "http" && base.Scheme != "https", base.Host == "":
		return nil, fmt.Errorf("connect URL %s: write http://host:port or https://host:port", base.Redacted())
	case base.User != nil:
		return nil, fmt.Errorf("connect URL %s: holds credentials; give them by Authorize", base.Redacted())
	}
	client := &Client{base: base, http: c.HTTP, authorize: c.Authorize, timeout: c.Timeout}
	if client.http == nil {
		client.http = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	if client.authorize == nil {
		client.authorize = func(*http.Request) {}
	}
	if client.timeout <= 0 {
		client.timeout = 10 * time.Second
	}
	return client, nil
}

// URL is the base of the API.
func (c *Client) URL() string { return c.base.String() }

// path joins escaped segments: connector names hold "->".
func path(segments ...string) string {
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	return strings.Join(segments, "/")
}

func (c *Client) get(ctx context.Context, path string, answer any) error {
	return c.call(ctx, http.MethodGet, path, nil, answer)
}

// call sends body, when there is one, and decodes the answer, when one is wanted.
func (c *Client) call(ctx context.Context, method, path string, body, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	request, err := c.request(ctx, method, path, body)
	if err != nil {
		return err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return c.unreached(method, path, err)
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	switch {
	case err != nil:
		return c.unreached(method, path, err)
	case len(data) > maxBody:
		return fmt.Errorf("connect %s: %s %s: the answer is longer than %d bytes", c.base.Host, method, path, maxBody)
	case response.StatusCode/100 != 2:
		return c.refused(method, path, response.StatusCode, data)
	case answer == nil:
		return nil
	}
	if err := json.Unmarshal(data, answer); err != nil {
		return &Error{Host: c.base.Host, Method: method, Path: path, Status: response.StatusCode,
			Message: "the answer is not Connect's; is " + c.base.String() + " the base of its REST API?"}
	}
	return nil
}

func (c *Client) request(ctx context.Context, method, path string, body any) (*http.Request, error) {
	var content io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("connect %s: %s %s: %w", c.base.Host, method, path, err)
		}
		content = bytes.NewReader(data)
	}
	target := strings.TrimSuffix(c.base.String(), "/") + "/" + path
	request, err := http.NewRequestWithContext(ctx, method, target, content)
	if err != nil {
		return nil, fmt.Errorf("connect %s: %s %s: %w", c.base.Host, method, path, err)
	}
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	c.authorize(request)
	return request, nil
}
