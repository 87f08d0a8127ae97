// Package kubeapi speaks to an API server with nothing but HTTP.
package kubeapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	pathpkg "path"
	"time"

	"github.com/georedkit/georedkit/internal/lab/pki"
)

// Client is one identity at one API server.
type Client struct {
	server string
	token  string // zero: it is known by its certificate
	http   *http.Client
}

// Dial opens a connection, perhaps in another network namespace.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// New makes a client; a nil dial connects directly.
func New(server string, authority []byte, identity pki.Pair, dial Dial) (*Client, error) {
	certificate, err := tls.X509KeyPair(identity.Certificate, identity.Key)
	if err != nil {
		return nil, fmt.Errorf("client certificate: %w", err)
	}
	return client(server, authority, dial, certificate)
}

// Bearing makes a client that is known by a token alone.
func Bearing(server string, authority []byte, token string, dial Dial) (*Client, error) {
	c, err := client(server, authority, dial)
	if err == nil {
		c.token = token
	}
	return c, err
}

func client(server string, authority []byte, dial Dial, certificates ...tls.Certificate) (*Client, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		return nil, errors.New("certificate authority: not PEM")
	}
	return &Client{server: server, http: &http.Client{
		// A frozen server accepts connections and answers nothing.
		Timeout: 10 * time.Second,
		Transport: &http.Transport{
			DialContext:     dial,
			TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: certificates, MinVersion: tls.VersionTLS12},
		},
	}}, nil
}

// StatusError is a refusal.
type StatusError struct {
	Code    int
	Message string
}

func (e *StatusError) Error() string { return fmt.Sprintf("%d: %s", e.Code, e.Message) }

// HasCode tells whether an error is a refusal with this HTTP status.
func HasCode(err error, code int) bool {
	var status *StatusError
	return errors.As(err, &status) && status.Code == code
}

// Get reads an object; into may be nil.
func (c *Client) Get(ctx context.Context, path string, into any) error {
	return c.do(ctx, http.MethodGet, path, "", nil, into)
}

// Create makes the object at path, written as YAML. One that exists already is left as it is. It asks first: a
// second Service with the same address is refused for the address, not for its name.
func (c *Client) Create(ctx context.Context, path string, object []byte) error {
	if err := c.Get(ctx, path, nil); !HasCode(err, http.StatusNotFound) {
		return err
	}
	err := c.do(ctx, http.MethodPost, pathpkg.Dir(path), "application/yaml", object, nil)
	if HasCode(err, http.StatusConflict) {
		return nil
	}
	return err
}

// Patch changes the object at path.
func (c *Client) Patch(ctx context.Context, path, contentType string, patch []byte) error {
	return c.do(ctx, http.MethodPatch, path, contentType, patch, nil)
}

// Delete removes the object at path, and is content when there is none.
func (c *Client) Delete(ctx context.Context, path string) error {
	err := c.do(ctx, http.MethodDelete, path+"?propagationPolicy=Background", "", nil, nil)
	if HasCode(err, http.StatusNotFound) {
		return nil
	}
	return err
}

func (c *Client) do(ctx context.Context, method, path, contentType string, body []byte, into any) error {
	request, err := http.NewRequestWithContext(ctx, method, c.server+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	request.Header.Set("Accept", "application/json")
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if response.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %w", method, path, &StatusError{response.StatusCode, message(text)})
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}

func message(text []byte) string {
	var status struct{ Message string }
	if json.Unmarshal(text, &status) == nil && status.Message != "" {
		return status.Message
	}
	return string(text)
}
